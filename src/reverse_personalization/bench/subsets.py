"""Whom a method serves worse: every number again by group, and for the photos that are hard."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reverse_personalization import prompts
from reverse_personalization.bench.observing import Observation
from reverse_personalization.errors import InputError
from reverse_personalization.prompts import age_of, says

Mask = NDArray[np.bool_]
# Fewest photos of a subset that is told of.
LEAST = 10
# Hard photos: the head turned by more than this, the face smaller than this, and the share of photos whose
# expression is farthest from the mean, or whose faces the detector is least sure of.
TURNED, SMALL, EXTREME = 25.0, 80.0, 0.1
# Groups by words of a prompt: (kind, group, words of which one must be there).
WORDS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("gender", "women", ("woman", "girl", "female")),
    ("gender", "men", ("man", "boy", "male")),
    ("gender", "neither", ("androgynous", "gender fluid", "nonbinary", "non-binary")),
    ("origin", "Black", ("Black",)),
    ("origin", "White", ("White",)),
    ("origin", "East Asian", ("East Asian", "Southeast Asian")),
    ("origin", "Indian", ("Indian",)),
    ("origin", "Latino", ("Latino", "Latina", "Hispanic")),
    ("origin", "Middle Eastern", ("Middle Eastern",)),
    ("origin", "Pacific Islander", ("Pacific Islander",)),
    ("look", "glasses", ("glasses", "sunglasses")),
    ("look", "beard", ("beard", "moustache")),
    ("look", "hat or scarf", ("hat", "cap", "headscarf", "helmet", "turban", "hijab")),
    ("look", "make-up", ("makeup", "make-up", "lipstick", "blush", "rimmel")),
)
AGES: Final = (("under 18", 0, 17), ("18 to 39", 18, 39), ("40 to 64", 40, 64), ("65 and older", 65, 200))


@dataclass(frozen=True, eq=False)
class Subset:
    """Some of a run's photos.

    Attributes:
        kind: what it is by; groups of one kind are compared with each other.
        name: which photos these are.
        members: bool n.
    """

    kind: str
    name: str
    members: Mask


def hard_cases(seen: Sequence[Observation]) -> list[Subset]:
    """Subsets of photos that are hard (the paper's section 8), by what was observed on the sources."""
    angle = np.array([turned(o) for o in seen])
    size = np.array([o.size if o.score > 0 else np.nan for o in seen])
    expressions = np.stack([o.expression for o in seen])
    score = np.array([o.score if o.score > 0 else np.nan for o in seen])
    found = [
        Subset("hard case", f"head turned by more than {TURNED:g} degrees", angle > TURNED),
        Subset("hard case", f"face below {SMALL:g} pixels", size < SMALL),
        Subset("hard case", f"rarest {EXTREME:.0%} of expressions", _highest(_rareness(expressions))),
        Subset("hard case", f"least sure {EXTREME:.0%} of detections (occlusion, blur)", _highest(-score)),
    ]
    return [subset for subset in found if subset.members.sum() >= LEAST]


def turned(seen: Observation) -> float:
    """Degrees between where a head looks and the camera; NaN where no mesh fits."""
    if np.isnan(seen.pose).any():
        return float("nan")
    return float(np.degrees(np.arccos(np.clip(abs(seen.pose[2, 2]), 0, 1))))


def groups(photos: Sequence[Path], told_of: Mapping[str, str]) -> list[Subset]:
    """Groups by the words of the photos' prompts, with at least `LEAST` photos each."""
    told = [told_of.get(photo.name, "") for photo in photos]
    found = [Subset(kind, name, np.array([says(prompt, words) for prompt in told])) for kind, name, words in WORDS]
    ages = np.array([age_of(prompt) for prompt in told])
    found += [Subset("age", name, (ages >= low) & (ages <= high)) for name, low, high in AGES]
    return [subset for subset in found if subset.members.sum() >= LEAST]


def prompts_by_name(table: Path) -> dict[str, str]:
    """Prompts by file name, from a table with the columns `file` and `prompt`.

    Raises:
        InputError: it cannot be read, or has other columns.
    """
    try:
        return {Path(file).name: prompt for file, prompt in prompts.read_prompts(table).items()}
    except (OSError, UnicodeDecodeError, KeyError, csv.Error):
        raise InputError(f"{table.name}: should be a CSV table with the columns file and prompt.") from None


def _rareness(expressions: NDArray[np.floating]) -> NDArray[np.floating]:
    """Distance of each row (n x e) from the mean, in standard deviations; NaN where a row is."""
    known = expressions[~np.isnan(expressions).any(1)]
    if not len(known):
        return np.full(len(expressions), np.nan)
    return np.asarray(np.linalg.norm((expressions - known.mean(0)) / (known.std(0) + 1e-6), axis=1))


def _highest(values: NDArray[np.floating]) -> Mask:
    known = np.isfinite(values)
    if not known.any():
        return np.asarray(known, bool)
    return np.asarray(known & (np.nan_to_num(values, nan=-np.inf) >= np.quantile(values[known], 1 - EXTREME)), bool)
