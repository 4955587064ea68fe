"""Fitting what children, and women, have in common to recognisers, and how ages show in SFace's embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reverse_personalization import weights
from reverse_personalization.bench.embedding import embed_photos
from reverse_personalization.bench.judging import labelled
from reverse_personalization.bench.statistics import ridge
from reverse_personalization.errors import InputError
from reverse_personalization.faces.detection import Detector
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.identity.kinds import TOLD_BY, Fitted, Kinds
from reverse_personalization.identity.thresholds import threshold
from reverse_personalization.prompts import age_of

# Years after which faces do not grow up any more; and those up to which people are children.
GROWN_UP, CHILDHOOD = 20.0, 10.0
PENALTY: Final = 3.0
FOLDS: Final = 5
# Fewest people of a kind.
LEAST: Final = 20
# Digits that are kept of a fitted number.
DIGITS: Final = 5


@dataclass(frozen=True, eq=False)
class Told:
    """What is known of n people.

    Attributes:
        ages: years.
        woman: 1 of women, 0 of men, a half where it is not known.
        folders: whose photos these are: what photographers, or generators, have in common is no kind's.
    """

    ages: FloatArray
    woman: FloatArray
    folders: NDArray[np.str_]

    @classmethod
    def of(cls, photos: Sequence[Path], prompts: Mapping[str, str]) -> Told:
        """Read the prompts of photos."""
        ages = np.array([age_of(prompts[photo.name]) for photo in photos], np.float32)
        woman = np.nan_to_num(labelled(photos, prompts, "woman"), nan=0.5)
        return cls(ages, woman, np.array([photo.parent.name for photo in photos]))

    @property
    def children(self) -> NDArray[np.bool_]:
        """Who is a child."""
        return np.asarray(self.ages <= CHILDHOOD)

    @property
    def grown(self) -> NDArray[np.bool_]:
        """Who is grown up."""
        return np.asarray(self.ages >= GROWN_UP)

    def among(self, which: NDArray[np.bool_]) -> Told:
        """Some of them."""
        return Told(self.ages[which], self.woman[which], self.folders[which])


def fit_kinds(
    photos: Sequence[Path],
    prompts: Mapping[str, str],
    detector: Detector,
    recognisers: Sequence[Recogniser],
    *,
    rates: tuple[float, float],
    dataset: str,
    command: str,
    report: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Fitted:
    """Fit what people of a kind have in common, how young faces are to SFace, and above what two children match.

    Args:
        photos: of somebody else each; those whose prompt tells no age are left out.
        prompts: by the photos' names.
        detector: finds the photos' subjects; photos without one are left out.
        recognisers: for whom it is fitted; SFace must be one of them.
        rates: shares of pairs of different children that may match, and that may where one stays visible.
        dataset: name for the provenance.
        command: for the provenance.
        report: called with what is being done, how much of it is, and the total.

    Raises:
        InputError: too few children, or too few grown-ups.
    """
    aged = [photo for photo in photos if np.isfinite(age_of(prompts.get(photo.name, "")))]
    told = Told.of(aged, prompts)
    if min(told.children.sum(), told.grown.sum()) < LEAST:
        raise InputError(f"{LEAST} children and as many grown-ups are needed; the prompts of these photos tell fewer.")
    (embedded,) = embed_photos(aged, detector, recognisers, (np.inf,), progress=partial(report, "embedding faces"))
    usable = np.all([np.isfinite(rows).all(1) for rows in embedded.values()], 0)
    told, of = told.among(usable), {name: rows[usable] for name, rows in embedded.items()}
    units, growth = _units(of[TOLD_BY]), np.minimum(told.ages, GROWN_UP)
    direction, intercept = _ridge(units, growth)
    return Fitted(
        growth=_rounded(direction),
        intercept=round(intercept, DIGITS),
        error=round(_error(units, growth), 2),
        kinds=tuple(_kinds(recogniser, of[recogniser.name], told, rates) for recogniser in recognisers),
        dataset=dataset,
        people=len(told.ages),
        children=int(told.children.sum()),
        weights_sha256=weights.entry(TOLD_BY).sha256,
        command=command,
    )


def _kinds(recogniser: Recogniser, rows: FloatArray, told: Told, rates: tuple[float, float]) -> Kinds:
    usual, strict = rates
    of_children, of_grown = (_pairs(recogniser, rows[which]) for which in (told.children, told.grown))
    above = threshold(recogniser.name).similarity
    if recogniser.name == TOLD_BY:  # which compares unit vectors
        rows = _units(rows)
    return Kinds(
        recogniser=recogniser.name,
        child=_rounded(_children(rows, told)),
        woman=_rounded(_women(rows, told)),
        similarity=round(float(np.quantile(of_children, 1 - usual)), 4),
        false_match_rate=usual,
        strict_similarity=round(float(np.quantile(of_children, 1 - strict)), 4),
        strict_false_match_rate=strict,
        unadjusted_false_match_rate=round(float((of_children > above).mean()), 4),
        grown_up_false_match_rate=round(float((of_grown > above).mean()), 4),
        pairs=len(of_children),
    )


def _children(rows: FloatArray, told: Told) -> FloatArray:
    """The mean of rows (n x d) of children less that of grown-ups, d."""
    return np.asarray(rows[told.children].mean(0) - rows[told.grown].mean(0), np.float32)


def _women(rows: FloatArray, told: Told) -> FloatArray:
    """By how much rows (n x d) of grown-up women differ from those of men in their folder, d."""
    folders = told.folders[told.grown, None] == np.unique(told.folders[told.grown])
    known = np.column_stack([told.woman[told.grown], folders]).astype(np.float32)
    return np.asarray(np.linalg.lstsq(known, rows[told.grown], rcond=None)[0][0], np.float32)


def _units(rows: FloatArray) -> FloatArray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _rounded(values: FloatArray) -> tuple[float, ...]:
    return tuple(np.round(values, DIGITS).tolist())


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
    direction = np.asarray(ridge(rows - centre, target - mean, PENALTY), np.float32)
    return direction, mean - float(centre @ direction)
