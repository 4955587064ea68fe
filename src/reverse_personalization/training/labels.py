"""What the training photos are labelled with: what was seen in them by eye, and prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from reverse_personalization.engines.compact.attributes import of_years
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.prompts import age_of, read_prompts, says

# Words of prompts that say that an attribute is there, and that it is not.
WORDS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "woman": (("woman", "girl"), ("man", "boy")),
    "black": (("Black",), ("White", "East Asian", "Indian", "Latino")),
    "east asian": (("East Asian", "Southeast Asian"), ("White", "Black", "Indian", "Latino")),
    "indian": (("Indian",), ("White", "Black", "East Asian", "Latino")),
    "white": (("White",), ("Black", "East Asian", "Indian", "Pacific Islander")),
    "glasses": (("glasses", "sunglasses"), ("",)),
}
BY_EYE: Final = Path(__file__).with_name("labels_by_eye.csv")
"""What one of us saw in the photos that the shipped weights were fitted on, as prompts; none of a beard is none."""
UNKNOWN = float("nan")
# How much of a moustache, and of a beard on chin and cheeks, is what was seen.
HAIR: Final = {
    "stubble": (0.3, 0.3),
    "moustache": (1.0, 0.0),
    "goatee": (UNKNOWN, 0.7),
    "beard": (1.0, 1.0),
    "covered": (UNKNOWN, UNKNOWN),
}


@dataclass(frozen=True, eq=False)
class Labels:
    """Attributes of n photos.

    Attributes:
        values: float32 n for each attribute, growth and ageing in years, the others 0 to 1; NaN where nothing is known.
    """

    values: dict[str, FloatArray]


def read_labels(folder: Path, sources: Sequence[str]) -> Labels:
    """Read attributes of photos below `folder`: those of ours were looked at, others have prompts at most.

    Prompts are those of `labels.csv` (columns file and prompt); photos that it does not list, and all where there is no
    such file, have none.
    """
    table = folder / "labels.csv"
    prompts = read_prompts(table) if table.exists() else {}
    seen = read_prompts(BY_EYE)
    told = [prompts.get(source, "") for source in sources]
    apparent = [seen.get(source, prompt) for source, prompt in zip(sources, told, strict=True)]
    ages = np.array([of_years(age_of(prompt)) for prompt in apparent], np.float32).reshape(-1, 2)
    hair = [_hair(prompt, source in seen) for source, prompt in zip(sources, apparent, strict=True)]
    of_both = np.hstack([ages, np.array(hair, np.float32).reshape(-1, 2)]).T
    values = dict(zip(("growth", "ageing", "moustache", "beard"), of_both, strict=True))
    for name, (there, missing) in WORDS.items():
        of = apparent if name == "woman" else told
        values[name] = np.array([_presence(prompt, there, missing) for prompt in of], np.float32)
    return Labels(values)


def _hair(prompt: str, by_eye: bool) -> tuple[float, float]:
    """How much of a moustache and of a beard there is; who looked and says nothing of any saw none."""
    unsaid = 0.0 if by_eye else UNKNOWN
    return next((amounts for word, amounts in HAIR.items() if says(prompt, (word,))), (unsaid, unsaid))


def _presence(prompt: str, there: Sequence[str], missing: Sequence[str]) -> float:
    if not prompt:
        return UNKNOWN
    if says(prompt, there):
        return 1.0
    return 0.0 if says(prompt, missing) else UNKNOWN
