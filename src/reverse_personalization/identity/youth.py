"""How young a face is to SFace, and how much more alike than grown-ups children are to recognisers.

`youth.json` is written by `revpers bench youth`, which fits it on photos whose ages are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.base import unit

TOLD_BY: Final = "sface"
"""The recogniser whose embeddings tell ages; where it took no part, everybody counts as grown up."""
CHILD, GROWN = 8.5, 13.5
"""Years, as SFace's embeddings tell them, up to which somebody is a child, and from which on grown up: of 1,890 photos
of Labeled Faces in the Wild, which shows hardly a child, one in a hundred looks younger than 13.2 to them."""


class AmongChildren(BaseModel):
    """How one recogniser finds children."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recogniser: str
    shift: tuple[float, ...]
    """The mean embedding of children less that of grown-ups."""
    similarity: float
    """Two children match above it."""
    false_match_rate: float
    """Share of pairs of different children that match."""
    strict_similarity: float
    """The one above which a child may stay visible."""
    strict_false_match_rate: float
    false_match_rate_of_grown_ups: float
    """Share of pairs of different grown-ups of the same photos that match above the threshold for grown-ups."""
    unadjusted_false_match_rate: float
    """Share of pairs of different children that match above the threshold for grown-ups."""
    pairs: int


class Youth(BaseModel):
    """What was fitted, and its provenance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    direction: tuple[float, ...]
    intercept: float
    """Years of growing up, at most 20, are the product of direction and embedding, a unit vector, plus this."""
    error: float
    """Root mean square, in years, on people whom it was not fitted on."""
    among: tuple[AmongChildren, ...]
    dataset: str
    people: int
    children: int
    weights_sha256: str
    command: str

    def of(self, embedding: FloatArray) -> float:
        """1 for a child, 0 for a grown-up, by SFace's embedding, float32 128."""
        if not np.isfinite(embedding).all():
            return 0.0
        return at(float(np.asarray(self.direction, np.float32) @ unit(embedding)) + self.intercept)


@cache
def fitted() -> Youth:
    """What was fitted."""
    text = (files("reverse_personalization.identity") / "youth.json").read_text("utf-8")
    return Youth.model_validate_json(text)


def at(years: float) -> float:
    """How young an age is, from 0, grown up, to 1, a child."""
    return float(np.clip((GROWN - years) / (GROWN - CHILD), 0, 1))


def youth(embeddings: Mapping[str, FloatArray]) -> float:
    """How young a face is, from 0, grown up, to 1, a child, by its embeddings by recogniser."""
    embedding = embeddings.get(TOLD_BY)
    return 0.0 if embedding is None else fitted().of(embedding)


def among_children(recogniser: str) -> AmongChildren | None:
    """How a recogniser finds children, by its name; None where nothing was fitted."""
    return next((among for among in fitted().among if among.recogniser == recogniser), None)


def dump(found: Youth, path: Path) -> None:
    """Write `youth.json`."""
    path.write_text(found.model_dump_json(indent=2) + "\n", "utf-8")
