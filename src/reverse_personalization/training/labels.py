"""What the training photos are labelled with: prompts, from which attributes are read."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from reverse_personalization.faces.face import FloatArray
from reverse_personalization.prompts import age_of, read_prompts, says

# Words of prompts that say that an attribute is there, and that it is not.
WORDS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "woman": (("woman", "girl"), ("man", "boy")),
    "beard": (("beard", "moustache"), ("woman", "girl", "boy")),
    "black": (("Black",), ("White", "East Asian", "Indian", "Latino")),
    "east asian": (("East Asian", "Southeast Asian"), ("White", "Black", "Indian", "Latino")),
    "indian": (("Indian",), ("White", "Black", "East Asian", "Latino")),
    "white": (("White",), ("Black", "East Asian", "Indian", "Pacific Islander")),
    "glasses": (("glasses", "sunglasses"), ("",)),
}
# Members of parliament are unlabelled, but no children: about as old as they are on average.
BY_EYE: Final = Path(__file__).with_name("labels_by_eye.csv")
"""What one of us saw in two thirds of them; whoever was in doubt left the photo out."""
MEAN_AGES: Final = {"congress_modern": 59.0, "twfy_mpsOfficial": 52.0}


@dataclass(frozen=True, eq=False)
class Labels:
    """Attributes of n photos.

    Attributes:
        values: float32 n for each attribute, age in years, the others 0 or 1; NaN where nothing is known.
    """

    values: dict[str, FloatArray]


def read_labels(folder: Path, sources: Sequence[str]) -> Labels:
    """Read attributes from the prompts in `labels.csv` (columns file and prompt), for photos below `folder`.

    Photos that it does not list, and all where there is no such file, are unlabelled.
    """
    table = folder / "labels.csv"
    prompts = read_prompts(table) if table.exists() else {}
    told = [prompts.get(source, "") for source in sources]
    ages = [MEAN_AGES.get(source.split("/")[0], age_of(prompt)) for source, prompt in zip(sources, told, strict=True)]
    values = {"age": np.array(ages, np.float32)}
    for name, (there, missing) in WORDS.items():
        values[name] = np.array([_presence(prompt, there, missing) for prompt in told], np.float32)
    seen = _seen_by_eye()
    values["woman"] = np.array([seen.get(s, v) for s, v in zip(sources, values["woman"], strict=True)], np.float32)
    return Labels(values)


def _seen_by_eye() -> dict[str, float]:
    """Apparent gender of portraits without a prompt, by file: 1 for a woman's."""
    with BY_EYE.open(newline="", encoding="utf-8") as lines:
        return {row["file"]: float(row["woman"]) for row in csv.DictReader(lines)}


def _presence(prompt: str, there: Sequence[str], missing: Sequence[str]) -> float:
    if not prompt:
        return float("nan")
    if says(prompt, there):
        return 1.0
    return 0.0 if says(prompt, missing) else float("nan")
