"""What people of a kind have in common to recognisers, and how young a face is: children are more alike than grown-ups.

`kinds.json` is written by `revpers bench kinds`, which fits it on photos of which age and gender are known.
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


class Kinds(BaseModel):
    """How one recogniser finds children, and women."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recogniser: str
    child: tuple[float, ...]
    """The mean embedding of children less that of grown-ups."""
    woman: tuple[float, ...]
    """By how much embeddings of women differ from those of men in the same folder of photos."""
    similarity: float
    """Two children match above it."""
    false_match_rate: float
    """Share of pairs of different children that match."""
    strict_similarity: float
    """The one above which a child may stay visible."""
    strict_false_match_rate: float
    unadjusted_false_match_rate: float
    """Share of pairs of different children that match above the threshold for grown-ups."""
    grown_up_false_match_rate: float
    """Share of pairs of different grown-ups of the same photos that do."""
    pairs: int
    """Of different children."""


class Fitted(BaseModel):
    """What was fitted, and its provenance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    growth: tuple[float, ...]
    intercept: float
    """Years of growing up, at most 20, are the product of `growth` and an embedding, a unit vector, plus this."""
    error: float
    """Root mean square, in years, on people whom it was not fitted on."""
    kinds: tuple[Kinds, ...]
    dataset: str
    people: int
    children: int
    weights_sha256: str
    command: str

    def youth(self, embedding: FloatArray) -> float:
        """1 for a child, 0 for a grown-up, by SFace's embedding, float32 128; 0 for what is no number."""
        if not np.isfinite(embedding).all():
            return 0.0
        return youth_at(float(np.asarray(self.growth, np.float32) @ unit(embedding)) + self.intercept)


@cache
def fitted() -> Fitted:
    """What was fitted."""
    return Fitted.model_validate_json((files("reverse_personalization.identity") / "kinds.json").read_text("utf-8"))


def youth_at(years: float) -> float:
    """How young an age is, from 0, grown up, to 1, a child."""
    return float(np.clip((GROWN - years) / (GROWN - CHILD), 0, 1))


def youth(embeddings: Mapping[str, FloatArray]) -> float:
    """How young a face is, from 0, grown up, to 1, a child, by its embeddings by recogniser."""
    embedding = embeddings.get(TOLD_BY)
    return 0.0 if embedding is None else fitted().youth(embedding)


def kinds(recogniser: str) -> Kinds | None:
    """How a recogniser finds kinds of people, by its name; None where nothing was fitted."""
    return next((one for one in fitted().kinds if one.recogniser == recogniser), None)


def dump(found: Fitted, path: Path) -> None:
    """Write `kinds.json`."""
    path.write_text(found.model_dump_json(indent=2) + "\n", "utf-8")
