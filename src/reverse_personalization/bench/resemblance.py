"""Whom strangers resemble: each other, where they stand for one person, and nobody who was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reverse_personalization.bench.methods import EngineMethod
from reverse_personalization.bench.observing import Observation
from reverse_personalization.bench.privacy import accept_thresholds
from reverse_personalization.bench.running import Bench, embeddings
from reverse_personalization.bench.statistics import Rate
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
        sources: median and highest similarity of untouched photos to it: what chance gives.
        results: median and highest similarity of results to it.
        copies: results that match a face of it, of all.
    """

    recogniser: str
    sources: tuple[float, float]
    results: tuple[float, float]
    copies: Rate
    chance: Rate


def consistency(bench: Bench, *, seed: int) -> list[Consistency]:
    """Anonymize two photos of each person in one consistent run, and compare what came out."""
    pairs = [(trial.photo, trial.other) for trial in bench.trials if trial.other is not None]
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
    """Compare results with the most similar of other photos, as those that the engine was trained on."""
    after = bench.results(EngineMethod("compact", engine="compact", seed=seed))
    known = bench.observe("observing others", others)
    found = []
    for recogniser in bench.recognisers:
        (limit,) = accept_thresholds(recogniser, embeddings(bench.gallery, recogniser), [0.001])
        sources, results = (_highest(recogniser, of, known) for of in (bench.source, after))
        told = [(float(np.median(of)), float(of.max())) for of in (sources, results)]
        copies, chance = (Rate(int((of > limit).sum()), len(of)) for of in (results, sources))
        found.append(Nearest(recogniser.name, told[0], told[1], copies, chance))
    return found


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
    return tuple(Rate(int((similarity[of] > limit).sum()), int(of.sum())) for of in (same, ~same))  # type: ignore[return-value]
