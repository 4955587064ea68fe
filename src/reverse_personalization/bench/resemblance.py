"""Whom strangers resemble: each other, where they stand for one person, and nobody who was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reverse_personalization.bench.methods import EngineMethod
from reverse_personalization.bench.observing import Observation
from reverse_personalization.bench.privacy import accept_thresholds, accepted
from reverse_personalization.bench.running import Bench, embeddings
from reverse_personalization.bench.statistics import Rate
from reverse_personalization.errors import InputError
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.base import Recogniser

# Share of pairs of different people, on untouched photos, that a threshold lets pass.
FALSE_ACCEPTS = 0.01


@dataclass(frozen=True)
class Consistency:
    """Whether two photos of a person became the same stranger.

    Attributes:
        recogniser: that compares.
        same: pairs of one person's two results that match.
        different: pairs of different people's results that match.
        sources: pairs of one person's two sources that match, as what is possible.
    """

    recogniser: str
    same: Rate
    different: Rate
    sources: Rate


@dataclass(frozen=True)
class Nearest:
    """How alike photos are to the most similar face of another set.

    Attributes:
        recogniser: that compares.
        sources: median and highest similarity of untouched photos to it: what chance gives; None where it embeds none.
        results: median and highest similarity of results to it; None where none shows an anonymized face.
        copies: results that match a face of it, of all.
        chance: untouched photos that match a face of it, of all.
    """

    recogniser: str
    sources: tuple[float, float] | None
    results: tuple[float, float] | None
    copies: Rate
    chance: Rate


def consistency(bench: Bench, *, seed: int) -> list[Consistency]:
    """Anonymize two photos of each person in one consistent run, and compare what came out.

    Raises:
        InputError: nobody has two photos.
    """
    pairs = [(trial.photo, trial.other) for trial in bench.trials if trial.other is not None]
    if not pairs:
        raise InputError("Nobody in the data set has two photos; consistency is measured on people who have.")
    photos = [photo for pair in pairs for photo in pair]
    before = bench.observe("observing sources", photos)
    after = bench.results(EngineMethod("consistent", consistent=True, seed=seed), photos)
    found = []
    for recogniser in bench.recognisers:
        (limit,) = accept_thresholds(recogniser, embeddings(bench.gallery, recogniser), [FALSE_ACCEPTS])
        same, different = _pairs(recogniser, after, limit)
        found.append(Consistency(recogniser.name, same, different, _pairs(recogniser, before, limit)[0]))
    return found


def nearest(bench: Bench, others: Sequence[Path], *, seed: int) -> list[Nearest]:
    """Compare results with the most similar of other photos, as those that the engine was trained on.

    Raises:
        InputError: no face is found in any of the other photos, or of the data set's.
    """
    known = bench.observe("observing others", others)
    for photos, of in (("training photos", known), ("photos of the data set", bench.source)):
        if not any(seen.score > 0 for seen in of):
            raise InputError(f"No face was found in the {photos}; give a folder of portraits.")
    after = bench.results(EngineMethod("compact", engine="compact", seed=seed))
    found = []
    for recogniser in bench.recognisers:
        (limit,) = accept_thresholds(recogniser, embeddings(bench.gallery, recogniser), [0.001])
        sources, results = (_highest(recogniser, of, known) for of in (bench.source, after))
        copies, chance = (accepted(of, limit) for of in (results, sources))
        found.append(Nearest(recogniser.name, _summary(sources), _summary(results), copies, chance))
    return found


def _summary(similarity: FloatArray) -> tuple[float, float] | None:
    """Median and highest, if there is any."""
    return (float(np.median(similarity)), float(similarity.max())) if len(similarity) else None


def _highest(recogniser: Recogniser, of: Sequence[Observation], known: Sequence[Observation]) -> FloatArray:
    one, other = embeddings(of, recogniser), embeddings(known, recogniser)
    one, other = one[~np.isnan(one).any(1)], other[~np.isnan(other).any(1)]
    return np.asarray(recogniser.similarity(one, other).max(1), np.float32)


def _pairs(recogniser: Recogniser, seen: Sequence[Observation], limit: float) -> tuple[Rate, Rate]:
    """Matches among pairs of one person, who has every second row, and among pairs of different people."""
    rows = embeddings(seen, recogniser)
    one, other = rows[::2], rows[1::2]
    known = ~(np.isnan(one) | np.isnan(other)).any(1)
    similarity = recogniser.similarity(one[known], other[known])
    same = np.eye(len(similarity), dtype=bool)
    return accepted(similarity[same], limit), accepted(similarity[~same], limit)
