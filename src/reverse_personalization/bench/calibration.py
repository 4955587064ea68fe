"""Fitting a recogniser's threshold at a stated false-match rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reverse_personalization import weights
from reverse_personalization.bench.datasets import Person
from reverse_personalization.bench.embedding import embed_photos
from reverse_personalization.errors import InputError
from reverse_personalization.faces.detection import Detector
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.identity.thresholds import Threshold


def calibrate(
    people: Sequence[Person],
    detector: Detector,
    recognisers: Sequence[Recogniser],
    *,
    false_match_rate: float,
    dataset: str,
    command: str,
) -> tuple[Threshold, ...]:
    """Fit every recogniser's threshold on all pairs of different people, one photo each.

    Args:
        people: those with several photos also tell the true-match rate, on their first two.
        detector: finds the photos' subjects; photos without one are left out.
        recognisers: to be calibrated.
        false_match_rate: share of pairs of different people that may match, 0 to 1.
        dataset: name for the provenance.
        command: for the provenance.

    Raises:
        InputError: too few people for that rate.
    """
    first = embed_photos([person.photos[0] for person in people], detector, recognisers)
    several = [i for i, person in enumerate(people) if len(person.photos) > 1]
    second = embed_photos([people[i].photos[1] for i in several], detector, recognisers)
    return tuple(
        _fit(
            recogniser,
            first[recogniser.name],
            several,
            second[recogniser.name],
            false_match_rate,
            dataset=dataset,
            command=command,
        )
        for recogniser in recognisers
    )


def _fit(
    recogniser: Recogniser,
    first: FloatArray,
    several: Sequence[int],
    second: FloatArray,
    false_match_rate: float,
    *,
    dataset: str,
    command: str,
) -> Threshold:
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
    return Threshold(
        recogniser=recogniser.name,
        similarity=round(value, 4),
        false_match_rate=false_match_rate,
        true_match_rate=round(float((genuine > value).mean()), 4),
        dataset=dataset,
        people=len(usable),
        impostor_pairs=len(impostors),
        genuine_pairs=len(genuine),
        weights_sha256=weights.entry(recogniser.name).sha256,
        command=command,
    )
