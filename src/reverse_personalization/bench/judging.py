"""Judges of attributes: they learn from labelled photos of other people, and tell how well they judge the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reverse_personalization.bench.observing import Observation, observe_all
from reverse_personalization.bench.statistics import Rate, fit_logistic
from reverse_personalization.errors import InputError
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.onnx_recogniser import OnnxFile
from reverse_personalization.identity.plugged import PluginName
from reverse_personalization.media.images import photos_below
from reverse_personalization.prompts import age_of, says

# Attributes that are judged: words for it, and words against it.
JUDGED: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "woman": (("woman", "girl"), ("man", "boy")),
    "beard": (("beard", "moustache"), ("woman", "girl", "boy")),
    "child": (("boy", "girl"), ("man", "woman")),
    "old": ((), ()),
}
# Years below which, where a prompt tells them, somebody is a child; from which on old; and below which not.
CHILD, OLD, NOT_OLD = 18, 60, 45
PENALTY = 3.0
# Fewest labelled photos of either kind.
LEAST = 12


@dataclass(frozen=True, eq=False)
class Judge:
    """A logistic classifier of one attribute, on embeddings.

    Attributes:
        attribute: which one.
        weights: float d + 1, the bias last.
        area: under the ROC curve, on people that it did not learn from: 0.5 is chance, 1 is always right.
        people: how many these are.
    """

    attribute: str
    weights: NDArray[np.float64]
    area: float
    people: int

    def says(self, features: FloatArray) -> NDArray[np.float64]:
        """Probability of the attribute, n, for features n x d."""
        return np.asarray(1 / (1 + np.exp(-(features @ self.weights[:-1] + self.weights[-1]))))


def labelled(photos: Sequence[Path], prompts: Mapping[str, str], attribute: str) -> FloatArray:
    """1, 0, or NaN where a photo's prompt says nothing of an attribute."""
    there, missing = JUDGED[attribute]
    told = [prompts.get(photo.name, "") for photo in photos]
    values = [1.0 if says(t, there) else 0.0 if says(t, missing) else np.nan for t in told]
    ages = np.array([age_of(t) for t in told])
    if attribute == "child":
        return np.where(np.isfinite(ages), ages < CHILD, values).astype(np.float32)
    if attribute == "old":
        return np.where(ages >= OLD, 1, np.where(ages < NOT_OLD, 0, np.nan)).astype(np.float32)
    return np.array(values, np.float32)


def features(seen: Sequence[Observation], by: Sequence[str] = ()) -> FloatArray:
    """Embeddings `by` some recognisers, or else by all, each of length 1, n x d; NaN where no face is found."""
    names = sorted(by or seen[0].embeddings)
    parts = [np.stack([o.embeddings[name] for o in seen]) for name in names]
    return np.concatenate([part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts], 1)


def train_judges(given: FloatArray, labels: Mapping[str, FloatArray], learners: NDArray[np.bool_]) -> list[Judge]:
    """A judge for each attribute, from those of n photos that are learners; its area is measured on the others.

    There is none of what too few photos are labelled with.

    Raises:
        InputError: that is so of all.
    """
    usable = np.isfinite(given).all(1)
    # The bias is not penalised.
    penalty = np.append(np.full(given.shape[1], PENALTY), 1e-6)
    judges = []
    for attribute, values in labels.items():
        known = usable & np.isfinite(values)
        some, others = known & learners, known & ~learners
        if min(np.bincount(values[part].astype(int), minlength=2).min() for part in (some, others)) < LEAST:
            continue
        x = np.column_stack([given[some], np.ones(int(some.sum()))])
        # Both kinds weigh alike: few have beards, say, and a judge that knew would hardly ever find one.
        alike = np.where(values[some] == 1, 0.5 / values[some].mean(), 0.5 / (1 - values[some].mean()))
        weights = fit_logistic(x, alike * values[some], alike, penalty)
        judge = Judge(attribute, weights, 0.0, 0)
        area = area_under_curve(judge.says(given[others]), values[others])
        judges.append(Judge(attribute, weights, area, int(others.sum())))
    if not judges:
        raise InputError(
            f"Too few photos are labelled to judge {', '.join(labels)}; {LEAST} of each kind are needed twice."
        )
    return judges


def area_under_curve(scores: NDArray[np.floating], labels: NDArray[np.floating]) -> float:
    """Share of pairs of a positive and a negative whose scores are in the right order; ties count half."""
    positive, negative = scores[labels == 1][:, None], scores[labels == 0][None]
    return float(((positive > negative) + 0.5 * (positive == negative)).mean())


def learn(
    folder: Path,
    prompts: Mapping[str, str],
    kept: Path,
    *,
    seed: int,
    workers: int,
    report: Callable[[str, int, int], None],
    files: tuple[OnnxFile | PluginName, ...] = (),
    by: Sequence[str] = (),
) -> tuple[list[Judge], list[Path]]:
    """Judges that learned from one half of the photos below a folder that have a prompt, and the other half.

    They judge by all recognisers, those of `files` too, or `by` some of them.

    Raises:
        InputError: too few photos are labelled.
    """
    photos = [path for path in photos_below(folder) if path.name in prompts]
    if not photos:
        raise InputError(f"{folder.name}: holds no photo that is in the table of labels.")
    drawn = np.random.default_rng(seed).permutation(len(photos))
    learners = np.zeros(len(photos), bool)
    learners[drawn[::2]] = True
    seen = observe_all(
        photos,
        kept / "observations",
        files=files,
        workers=workers,
        progress=lambda done, total: report("observing labelled photos", done, total),
    )
    labels = {name: labelled(photos, prompts, name) for name in JUDGED}
    return train_judges(features(seen, by), labels, learners), [photos[i] for i in drawn[1::2]]


def kept_attributes(judges: Sequence[Judge], before: Sequence[Observation], after: Sequence[Observation]) -> list[Rate]:
    """For each judge, in how many results it finds what it finds in the source; photos without a face are left out."""
    one, other = features(before), features(after)
    known = np.isfinite(one + other).all(1)
    same = [(judge.says(one[known]) > 0.5) == (judge.says(other[known]) > 0.5) for judge in judges]
    return [Rate(int(of.sum()), len(of)) for of in same]
