"""Fitting how ages show in SFace's embeddings, and how alike recognisers find children."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reverse_personalization import weights
from reverse_personalization.bench.embedding import embed_photos
from reverse_personalization.errors import InputError
from reverse_personalization.faces.detection import Detector
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.identity.thresholds import threshold
from reverse_personalization.identity.youth import TOLD_BY, AmongChildren, Youth
from reverse_personalization.prompts import age_of

# Years after which faces do not grow up any more; and those up to which people are children.
GROWN_UP, CHILDHOOD = 20.0, 10.0
PENALTY: Final = 3.0
FOLDS: Final = 5
# Fewest children whose pairs are counted.
LEAST: Final = 20
# Digits that are kept of a fitted number.
DIGITS: Final = 5
Mask = NDArray[np.bool_]


def fit_youth(
    photos: Sequence[Path],
    prompts: Mapping[str, str],
    detector: Detector,
    recognisers: Sequence[Recogniser],
    *,
    rates: tuple[float, float],
    dataset: str,
    command: str,
    report: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Youth:
    """Fit how young faces are to SFace, and above what two children match.

    Args:
        photos: of somebody else each; those whose prompt tells no age are left out.
        prompts: by the photos' names.
        detector: finds the photos' subjects; photos without one are left out.
        recognisers: whose thresholds are fitted; SFace must be one of them.
        rates: shares of pairs of different children that may match, and that may where one stays visible.
        dataset: name for the provenance.
        command: for the provenance.
        report: called with what is being done, how much of it is, and the total.

    Raises:
        InputError: too few children, or too few grown-ups.
    """
    told = {photo: age_of(prompts.get(photo.name, "")) for photo in photos}
    aged = [photo for photo, age in told.items() if np.isfinite(age)]
    ages = np.array([told[photo] for photo in aged], np.float32)
    if min((ages <= CHILDHOOD).sum(), (ages >= GROWN_UP).sum()) < LEAST:
        raise InputError(f"{LEAST} children and as many grown-ups are needed; the prompts of these photos tell fewer.")
    progress = partial(report, "embedding faces")
    (embedded,) = embed_photos(aged, detector, recognisers, (np.inf,), progress=progress)
    usable = np.all([np.isfinite(rows).all(1) for rows in embedded.values()], 0)
    of, ages = {name: rows[usable] for name, rows in embedded.items()}, ages[usable]
    children, grown = ages <= CHILDHOOD, ages >= GROWN_UP
    told_by = of[TOLD_BY] / np.linalg.norm(of[TOLD_BY], axis=1, keepdims=True)
    growth = np.minimum(ages, GROWN_UP)
    direction, intercept = _ridge(told_by, growth)
    return Youth(
        direction=tuple(np.round(direction, DIGITS).tolist()),
        intercept=round(intercept, DIGITS),
        error=round(_error(told_by, growth), 2),
        among=tuple(_among(recogniser, of[recogniser.name], children, grown, rates) for recogniser in recognisers),
        dataset=dataset,
        people=len(ages),
        children=int(children.sum()),
        weights_sha256=weights.entry(TOLD_BY).sha256,
        command=command,
    )


def _among(
    recogniser: Recogniser, rows: FloatArray, children: Mask, grown: Mask, rates: tuple[float, float]
) -> AmongChildren:
    usual, strict = rates
    of_children, of_grown = (_pairs(recogniser, rows[which]) for which in (children, grown))
    above = threshold(recogniser.name).similarity
    return AmongChildren(
        recogniser=recogniser.name,
        shift=tuple(np.round(_unlike(recogniser, rows, children, grown), DIGITS).tolist()),
        similarity=round(float(np.quantile(of_children, 1 - usual)), 4),
        false_match_rate=usual,
        strict_similarity=round(float(np.quantile(of_children, 1 - strict)), 4),
        strict_false_match_rate=strict,
        false_match_rate_of_grown_ups=round(float((of_grown > above).mean()), 4),
        unadjusted_false_match_rate=round(float((of_children > above).mean()), 4),
        pairs=len(of_children),
    )


def _unlike(recogniser: Recogniser, rows: FloatArray, children: Mask, grown: Mask) -> FloatArray:
    """The mean embedding of children less that of grown-ups; SFace's as unit vectors, which it compares."""
    if recogniser.name == TOLD_BY:
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows[children].mean(0) - rows[grown].mean(0), np.float32)


def _pairs(recogniser: Recogniser, rows: FloatArray) -> FloatArray:
    """The similarities of all pairs of rows."""
    return recogniser.similarity(rows, rows)[np.triu_indices(len(rows), 1)]


def _error(rows: FloatArray, growth: FloatArray) -> float:
    """Root mean square of what is left of growth, n, on rows (n x d) that a fit to the others did not see."""
    fold = np.arange(len(rows)) % FOLDS
    left = np.zeros_like(growth)
    for each in range(FOLDS):
        direction, intercept = _ridge(rows[fold != each], growth[fold != each])
        left[fold == each] = rows[fold == each] @ direction + intercept - growth[fold == each]
    return float(np.sqrt((left**2).mean()))


def _ridge(rows: FloatArray, target: FloatArray) -> tuple[FloatArray, float]:
    centre, mean = rows.mean(0), float(target.mean())
    centred = rows - centre
    gram = centred.T @ centred + PENALTY * np.eye(rows.shape[1])
    direction = np.asarray(np.linalg.solve(gram, centred.T @ (target - mean)), np.float32)
    return direction, mean - float(centre @ direction)
