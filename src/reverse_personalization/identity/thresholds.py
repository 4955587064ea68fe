"""Above which similarity a recogniser calls two faces the same person, and where that number comes from.

`thresholds.json` is written by `revpers bench calibrate`, which fits it on pairs of different people.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter


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
    dataset: str
    people: int
    impostor_pairs: int
    genuine_pairs: int
    weights_sha256: str
    command: str


_Thresholds = TypeAdapter(tuple[Threshold, ...])


@cache
def _fitted() -> dict[str, Threshold]:
    text = (files("reverse_personalization.identity") / "thresholds.json").read_text("utf-8")
    return {threshold.recogniser: threshold for threshold in _Thresholds.validate_json(text)}


def threshold(recogniser: str) -> Threshold:
    """The fitted threshold of a recogniser, by its name.

    Raises:
        KeyError: none was fitted.
    """
    return _fitted()[recogniser]


def dump(thresholds: tuple[Threshold, ...], path: Path) -> None:
    """Write `thresholds.json`."""
    path.write_bytes(_Thresholds.dump_json(thresholds, indent=2) + b"\n")
