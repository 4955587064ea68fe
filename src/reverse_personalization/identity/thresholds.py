"""Above which similarity a recogniser calls two faces the same person, and where that number comes from.

`thresholds.json` is written by `revpers bench calibrate`, which fits it on pairs of different people;
`strict_thresholds.json` likewise, at a hundredth of the false-match rate, for faces that stay visible. Children, whom
recognisers find more alike, have thresholds of their own, see `identity.kinds`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter

from reverse_personalization.identity.base import Recogniser
from reverse_personalization.identity.kinds import kinds

Limit = Callable[[float, float], float]
"""The similarity above which two faces match, of the face's longer side in pixels and its youth (`identity.kinds`)."""


class SmallThreshold(BaseModel):
    """What was fitted at the same false-match rate on faces of one size: the smaller, the more alike people seem."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: float
    """Longer side of the faces, pixels."""
    similarity: float
    true_match_rate: float
    """Share of pairs of photos of one person, both so small, that match."""


class Threshold(BaseModel):
    """A fitted threshold and its provenance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recogniser: str
    similarity: float
    """Two faces match when their similarity is above this."""
    false_match_rate: float
    """Share of pairs of different people that match."""
    true_match_rate: float
    """Share of pairs of photos of one person that match."""
    smaller: tuple[SmallThreshold, ...]
    """For smaller faces, from the smallest on."""
    dataset: str
    people: int
    impostor_pairs: int
    genuine_pairs: int
    weights_sha256: str
    command: str

    def at(self, size: float) -> float:
        """The similarity above which two faces match whose longer side has `size` pixels."""
        if not self.smaller or size >= self.smaller[-1].size:
            return self.similarity
        sizes, similarities = zip(*((each.size, each.similarity) for each in self.smaller), strict=True)
        return float(np.interp(np.log(max(size, 1.0)), np.log(sizes), similarities))


_Thresholds = TypeAdapter(tuple[Threshold, ...])


@cache
def _fitted(file: str) -> dict[str, Threshold]:
    text = (files("reverse_personalization.identity") / file).read_text("utf-8")
    return {threshold.recogniser: threshold for threshold in _Thresholds.validate_json(text)}


def threshold(recogniser: str, *, strict: bool = False) -> Threshold:
    """The fitted threshold of a recogniser, by its name.

    Args:
        recogniser: its name.
        strict: the one above which a face may stay visible, of a hundredth of the false-match rate.

    Raises:
        KeyError: none was fitted.
    """
    return _fitted("strict_thresholds.json" if strict else "thresholds.json")[recogniser]


def threshold_of(recogniser: Recogniser, *, strict: bool = False) -> Limit:
    """The fitted threshold of a recogniser by a face's size and youth, or the one that a plugin's states for itself.

    Raises:
        KeyError: none was fitted, and none is stated.
    """
    stated: float | None = getattr(recogniser, "threshold", None)
    if stated is not None:
        return lambda size, youth: stated
    fitted, of_kinds = threshold(recogniser.name, strict=strict), kinds(recogniser.name)
    if of_kinds is None:
        return lambda size, youth: fitted.at(size)
    rise = max((of_kinds.strict_similarity if strict else of_kinds.similarity) - fitted.similarity, 0.0)
    return lambda size, youth: max(fitted.at(size), fitted.similarity + youth * rise)


def dump(thresholds: tuple[Threshold, ...], path: Path) -> None:
    """Write `thresholds.json`."""
    path.write_bytes(_Thresholds.dump_json(thresholds, indent=2) + b"\n")
