"""Fitting a recogniser's threshold at a stated false-match rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from reverse_personalization import weights
from reverse_personalization.bench.datasets import Person
from reverse_personalization.bench.embedding import embed_photos
from reverse_personalization.errors import InputError
from reverse_personalization.faces.detection import Detector
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.identity.thresholds import SmallThreshold, Threshold

# Pixels of small faces' longer sides; beyond the last, recognisers find different people no more alike than on photos
# as they are.
SIZES: Final = (12, 16, 20, 25, 32, 45, 64)


def calibrate(
    people: Sequence[Person],
    detector: Detector,
    recognisers: Sequence[Recogniser],
    *,
    false_match_rate: float,
    dataset: str,
    command: str,
    report: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> tuple[Threshold, ...]:
    """Fit every recogniser's threshold on all pairs of different people, one photo each, and again on small faces.

    Args:
        people: those with several photos also tell the true-match rate, on their first two.
        detector: finds the photos' subjects; photos without one are left out.
        recognisers: to be calibrated.
        false_match_rate: share of pairs of different people that may match, 0 to 1.
        dataset: name for the provenance.
        command: for the provenance.
        report: called with what is being done, how much of it is, and the total.

    Raises:
        InputError: too few people for that rate.
    """
    several = [i for i, person in enumerate(people) if len(person.photos) > 1]
    first = [person.photos[0] for person in people]
    second = [people[i].photos[1] for i in several]
    parts = slice(len(first)), slice(len(first), None)

    def fitted(embedded: dict[str, FloatArray]) -> dict[str, _Fitted]:
        one, other = ({name: rows[part] for name, rows in embedded.items()} for part in parts)
        return {r.name: _fit(r, one[r.name], several, other[r.name], false_match_rate) for r in recognisers}

    tell = partial(report, "embedding faces of every size")
    of_sizes = embed_photos([*first, *second], detector, recognisers, (np.inf, *SIZES), progress=tell)
    as_they_are, *smaller = map(fitted, of_sizes)
    return tuple(
        Threshold(
            recogniser=recogniser.name,
            **as_they_are[recogniser.name]._asdict(),
            false_match_rate=false_match_rate,
            smaller=tuple(_small(size, of[recogniser.name]) for size, of in zip(SIZES, smaller, strict=True)),
            dataset=dataset,
            weights_sha256=weights.entry(recogniser.name).sha256,
            command=command,
        )
        for recogniser in recognisers
    )


class _Fitted(NamedTuple):
    """What is fitted on faces of one size; see `Threshold`."""

    similarity: float
    true_match_rate: float
    people: int
    impostor_pairs: int
    genuine_pairs: int


def _small(size: float, fitted: _Fitted) -> SmallThreshold:
    return SmallThreshold(size=size, similarity=fitted.similarity, true_match_rate=fitted.true_match_rate)


def _fit(
    recogniser: Recogniser, first: FloatArray, several: Sequence[int], second: FloatArray, false_match_rate: float
) -> _Fitted:
    usable = first[~np.isnan(first).any(1)]
    similarity = recogniser.similarity(usable, usable)
    impostors = similarity[np.triu_indices(len(usable), 1)]
    if len(impostors) * false_match_rate < 10:
        raise InputError(
            f"{len(usable)} people give {len(impostors)} pairs, too few for a false-match rate of "
            f"{false_match_rate:g}; give more people or a higher rate."
        )
    value = float(np.quantile(impostors, 1 - false_match_rate))
    genuine = np.array([recogniser.similarity(a, b).item() for a, b in zip(first[list(several)], second, strict=True)])
    genuine = genuine[~np.isnan(genuine)]
    rate = round(float((genuine > value).mean()), 4)
    return _Fitted(round(value, 4), rate, len(usable), len(impostors), len(genuine))
