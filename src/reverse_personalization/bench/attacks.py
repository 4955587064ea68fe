"""What an attacker may try who has anonymized photos, and maybe this very program.

Each attack takes embeddings or a way to anonymize, and answers with a rank-1 rate to compare with the plain one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reverse_personalization.bench.privacy import places
from reverse_personalization.bench.statistics import Rate, ridge
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.base import Recogniser

PENALTY = 1.0


def rank_1(recogniser: Recogniser, probes: FloatArray, gallery: FloatArray, people: Sequence[int]) -> Rate:
    """Share of probes (n x d, NaN where there is none) nearest to their own person's gallery row (m x d)."""
    found = ~np.isnan(probes).any(1)
    return _first(np.asarray(recogniser.similarity(probes, gallery)), found, people)


def parrot(
    recogniser: Recogniser,
    probes: FloatArray,
    originals: FloatArray,
    gallery: FloatArray,
    people: Sequence[int],
    *,
    folds: int = 2,
    seed: int = 0,
) -> Rate:
    """An attacker who learned, on other people, how anonymized embeddings lie to their originals.

    A ridge regression from anonymized to original embeddings is fitted on some people and used on the others;
    every person is once among the others. With fewer people than folds there is nobody to learn from.
    """
    known = np.flatnonzero(~(np.isnan(probes).any(1) | np.isnan(originals).any(1)))
    drawn = np.random.default_rng(seed).permutation(known)
    recovered = np.full_like(originals, np.nan)
    for fold in np.array_split(drawn, folds) if len(known) >= folds else ():
        others = np.setdiff1d(known, fold)
        mean_in, mean_out = probes[others].mean(0), originals[others].mean(0)
        x, y = probes[others] - mean_in, originals[others] - mean_out
        penalty = PENALTY * np.trace(x.T @ x) / x.shape[1] + 1e-6
        recovered[fold] = (probes[fold] - mean_in) @ ridge(x, y, penalty) + mean_out
    return rank_1(recogniser, recovered, gallery, people)


def averaging(
    recogniser: Recogniser, outputs: Sequence[FloatArray], gallery: FloatArray, people: Sequence[int]
) -> Rate:
    """An attacker who has several outputs of each photo, each n x d, and averages their embeddings."""
    return rank_1(recogniser, np.mean(outputs, 0), gallery, people)


def linkage(recogniser: Recogniser, one: FloatArray, other: FloatArray) -> Rate:
    """Whether two anonymized photos of a person find each other among those of all (n x d each)."""
    return rank_1(recogniser, one, other, range(len(other)))


def replay(recogniser: Recogniser, probes: FloatArray, candidates: Sequence[FloatArray], people: Sequence[int]) -> Rate:
    """An attacker who runs the program on every photo of the gallery, with several guessed seeds.

    Args:
        recogniser: compares outputs with outputs.
        probes: n x d, of the anonymized photos.
        candidates: m x d for each guess, of the gallery's photos anonymized by the attacker.
        people: gallery rows of the probes.
    """
    best = np.max([recogniser.similarity(probes, of) for of in candidates], 0)
    return _first(best, ~np.isnan(probes).any(1), people)


def _first(similarity: FloatArray, found: Any, people: Sequence[int]) -> Rate:
    known = np.nan_to_num(similarity[found], nan=-np.inf)
    _, place = places(known, np.asarray(people)[found])
    return Rate(int((place == 1).sum()), int(found.sum()))
