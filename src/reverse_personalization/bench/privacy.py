"""Whether recognisers still know people: closed-set ranks and verification, for one recogniser and gallery.

Closed set: a probe is compared with one photo of each person of the gallery; rank-k is the share of probes with
their own person among the k most similar. In the paper's definition the gallery holds the very photo that was
anonymized; a realistic intruder has another one. Verification: a threshold that lets one pair of different
people in a thousand pass is set on photos that nobody touched; the true accept rate is the share of probes that
pass it against their own person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from reverse_personalization.bench.statistics import Rate
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.base import Recogniser

Gallery = Literal["own photo", "other photo"]
RANKS: Final = (1, 5, 10, 50)
FALSE_ACCEPTS: Final = (0.001, 0.01)


@dataclass(frozen=True)
class Privacy:
    """What one recogniser makes of one method's results.

    Attributes:
        recogniser: its name.
        gallery: whether the gallery holds the very photo that was anonymized, or another one.
        people: in the gallery; chance of rank-1 is one over this.
        failures: probes without an embedding: no output, or no face found in it.
        ranks: rank-k for each k of `RANKS`, failures dropped.
        worst_rank1: rank-1 with every failure counted as re-identified.
        accepts: true accept rate at each false accept rate of `FALSE_ACCEPTS`, failures dropped.
        worst_accepts: the same with every failure counted as accepted.
        equal_error: share of errors at the threshold where both kinds are as frequent, for probes against the
            gallery; 0.5 is chance.
        sizes: rank-1 as the gallery grows: people, rate.
        place: float32 n, which place a probe's own person comes in, from 1; NaN without an embedding.
    """

    recogniser: str
    gallery: Gallery
    people: int
    failures: int
    ranks: dict[int, Rate]
    worst_rank1: Rate
    accepts: dict[float, Rate]
    worst_accepts: dict[float, Rate]
    equal_error: float
    sizes: tuple[tuple[int, float], ...]
    place: FloatArray

    @property
    def first(self) -> FloatArray:
        """float32 n, 1 where a probe's own person comes first, 0 where not, NaN without an embedding."""
        return np.where(np.isnan(self.place), np.nan, self.place == 1).astype(np.float32)


def assess(
    recogniser: Recogniser,
    gallery_kind: Gallery,
    probes: FloatArray,
    gallery: FloatArray,
    people: Sequence[int],
    *,
    untouched: FloatArray,
) -> Privacy:
    """Look for probes in a gallery.

    Args:
        recogniser: compares embeddings.
        gallery_kind: for the table.
        probes: float32 n x d, NaN where there is no embedding.
        gallery: float32 m x d, one photo of each person; NaN where no face was found.
        people: the n gallery rows that show the probes' people.
        untouched: float32 m x d, photos of different people that nobody anonymized, for the thresholds.
    """
    own = np.asarray(people)
    found = ~np.isnan(probes).any(1)
    similarity = np.nan_to_num(recogniser.similarity(probes, gallery), nan=-np.inf)[found]
    right, place = places(similarity, own[found])
    failures, total = int((~found).sum()), len(probes)
    placed = np.full(total, np.nan, np.float32)
    placed[found] = place
    ranks = {k: Rate(int((place <= k).sum()), int(found.sum())) for k in RANKS}
    thresholds = dict(zip(FALSE_ACCEPTS, accept_thresholds(recogniser, untouched, FALSE_ACCEPTS), strict=True))
    accepts = {rate: accepted(right, t) for rate, t in thresholds.items()}
    wrong = np.ones(similarity.shape, bool)
    wrong[np.arange(len(similarity)), own[found]] = False
    return Privacy(
        recogniser.name,
        gallery_kind,
        len(gallery),
        failures,
        ranks,
        Rate(ranks[1].hits + failures, total),
        accepts,
        {rate: accepted(right, t, failures=failures) for rate, t in thresholds.items()},
        equal_error_rate(right, similarity[wrong & np.isfinite(similarity)]),
        _sizes(similarity, right, wrong),
        placed,
    )


def places(similarity: FloatArray, own: NDArray[np.intp]) -> tuple[FloatArray, NDArray[np.intp]]:
    """Similarity of n probes to their own person, and that person's place, from 1, among m people.

    Args:
        similarity: float32 n x m.
        own: n gallery rows.
    """
    right = similarity[np.arange(len(own)), own]
    return right, (similarity > right[:, None]).sum(1) + 1


def accept_thresholds(recogniser: Recogniser, embeddings: FloatArray, rates: Sequence[float]) -> list[float]:
    """Similarities above which a share of pairs of different people lies, one for each rate; NaN without pairs."""
    known = embeddings[~np.isnan(embeddings).any(1)]
    similarity = recogniser.similarity(known, known)
    pairs = similarity[np.triu_indices(len(known), 1)]
    return [float(np.quantile(pairs, 1 - rate)) if len(pairs) else float("nan") for rate in rates]


def accepted(similarity: FloatArray, threshold: float, *, failures: int = 0) -> Rate:
    """How many similarities, of any shape, pass a threshold.

    Args:
        similarity: of pairs of one kind.
        threshold: NaN where there is none, so that nothing is measured.
        failures: further pairs, which count as passing.
    """
    if np.isnan(threshold):
        return Rate(0, 0)
    return Rate(int((similarity > threshold).sum()) + failures, similarity.size + failures)


def equal_error_rate(genuine: NDArray[np.floating], impostor: NDArray[np.floating]) -> float:
    """Where as large a share of genuine pairs is refused as of impostor pairs is accepted; NaN without pairs."""
    if not len(genuine) or not len(impostor):
        return float("nan")
    genuine, impostor = np.sort(genuine), np.sort(impostor)
    thresholds = np.concatenate([genuine, impostor])
    refused = np.searchsorted(genuine, thresholds, "left") / len(genuine)
    accepted = 1 - np.searchsorted(impostor, thresholds, "left") / len(impostor)
    at = np.abs(refused - accepted).argmin()
    return float((refused[at] + accepted[at]) / 2)


def _sizes(similarity: FloatArray, right: FloatArray, wrong: NDArray[np.bool_]) -> tuple[tuple[int, float], ...]:
    """Expected rank-1 with fewer, randomly chosen other people in the gallery (exact, without drawing)."""
    people = similarity.shape[1]
    if not len(right):
        return ()
    better = ((similarity > right[:, None]) & wrong).sum(1)
    sizes = sorted({size for size in (10, 30, 100, 300, 1000, 3000, 10_000) if size < people} | {people})
    return tuple((size, float(_none_of_them(better, people - 1, size - 1).mean())) for size in sizes)


def _none_of_them(better: NDArray[np.intp], others: int, drawn: int) -> NDArray[np.floating]:
    """Probability that none of `better` out of `others` people is among `drawn` (hypergeometric)."""
    chances = []
    for count in better:
        if others - count < drawn:
            chances.append(0.0)
            continue
        free = lgamma(others - count + 1) - lgamma(others - count - drawn + 1)
        chances.append(exp(free - lgamma(others + 1) + lgamma(others - drawn + 1)))
    return np.array(chances)
