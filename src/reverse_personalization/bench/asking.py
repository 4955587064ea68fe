"""Whether strangers become what `--attributes` asks for, by a judge that learned from other people's labels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reverse_personalization.bench import utility
from reverse_personalization.bench.datasets import Person, draw_trials
from reverse_personalization.bench.methods import EngineMethod
from reverse_personalization.bench.observing import Observation, observe_all
from reverse_personalization.bench.running import Bench, Report
from reverse_personalization.bench.statistics import Rate, fit_logistic
from reverse_personalization.errors import InputError
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.media.images import photos_below
from reverse_personalization.prompts import age_of, says

# Attributes that are judged: words for it, and words against it.
JUDGED: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "woman": (("woman", "girl"), ("man", "boy")),
    "beard": (("beard", "moustache"), ("woman", "girl", "boy")),
    "child": (("boy", "girl"), ("man", "woman")),
}
# What is asked for, and what the judge should then say.
ASKED: Final = {
    "a woman": ("woman", True),
    "a man": ("woman", False),
    "a man with a beard": ("beard", True),
    "clean-shaven": ("beard", False),
    "a child": ("child", True),
    "50 years old": ("child", False),
}
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


@dataclass(frozen=True)
class Answer:
    """What became of a wish.

    Attributes:
        asked: the wish.
        judge: the attribute that decides.
        before: results without a wish that are as asked, of the faces that were not so themselves.
        after: the same with the wish.
        moved: mean change of the probability of other attributes, by attribute, against results without a wish.
        pose, expression: medians as in `utility`, with the wish.
    """

    asked: str
    judge: str
    before: Rate
    after: Rate
    moved: dict[str, float]
    pose: float
    expression: float


def labelled(photos: Sequence[Path], prompts: Mapping[str, str], attribute: str) -> FloatArray:
    """1, 0, or NaN where a photo's prompt says nothing of an attribute."""
    there, missing = JUDGED[attribute]
    told = [prompts.get(photo.name, "") for photo in photos]
    values = [1.0 if says(t, there) else 0.0 if says(t, missing) else np.nan for t in told]
    if attribute == "child":
        ages = [age_of(t) for t in told]
        values = [float(a < 18) if np.isfinite(a) else v for a, v in zip(ages, values, strict=True)]
    return np.array(values, np.float32)


def features(seen: Sequence[Observation]) -> FloatArray:
    """Embeddings of all recognisers, each of length 1, n x d; NaN where no face is found."""
    names = sorted(seen[0].embeddings)
    parts = [np.stack([o.embeddings[name] for o in seen]) for name in names]
    return np.concatenate([part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts], 1)


def train_judges(given: FloatArray, labels: Mapping[str, FloatArray], learners: NDArray[np.bool_]) -> list[Judge]:
    """A judge for each attribute, from those of n photos that are learners; its area is measured on the others.

    Raises:
        InputError: too few photos are labelled.
    """
    usable = np.isfinite(given).all(1)
    # The bias is not penalised.
    penalty = np.append(np.full(given.shape[1], PENALTY), 1e-6)
    judges = []
    for attribute, values in labels.items():
        known = usable & np.isfinite(values)
        some, others = known & learners, known & ~learners
        if min(np.bincount(values[part].astype(int), minlength=2).min() for part in (some, others)) < LEAST:
            raise InputError(
                f"Too few photos are labelled to judge {attribute}; {LEAST} of each kind are needed twice."
            )
        x = np.column_stack([given[some], np.ones(int(some.sum()))])
        weights = fit_logistic(x, values[some], np.ones(len(x)), penalty)
        judge = Judge(attribute, weights, 0.0, 0)
        area = area_under_curve(judge.says(given[others]), values[others])
        judges.append(Judge(attribute, weights, area, int(others.sum())))
    return judges


def area_under_curve(scores: NDArray[np.floating], labels: NDArray[np.floating]) -> float:
    """Share of pairs of a positive and a negative whose scores are in the right order; ties count half."""
    positive, negative = scores[labels == 1][:, None], scores[labels == 0][None]
    return float(((positive > negative) + 0.5 * (positive == negative)).mean())


def ask(bench: Bench, judges: Sequence[Judge], *, seed: int) -> list[Answer]:
    """Anonymize every trial with each wish of `ASKED`, and let the judges say what came out."""
    source = features(bench.source)
    plain = features(_results(bench, None, seed))
    answers = []
    for wish, (attribute, wanted) in ASKED.items():
        judge = next(judge for judge in judges if judge.attribute == attribute)
        seen = _results(bench, wish, seed)
        given = features(seen)
        open_to = np.isfinite(given + plain + source).all(1) & ((judge.says(source) > 0.5) != wanted)
        count = int(open_to.sum())
        before, after = ((judge.says(of[open_to]) > 0.5) == wanted for of in (plain, given))
        moved = {
            other.attribute: float(np.mean(other.says(given[open_to]) - other.says(plain[open_to])))
            if count
            else np.nan
            for other in judges
            if other is not judge
        }
        answers.append(
            Answer(
                wish,
                attribute,
                Rate(int(before.sum()), count),
                Rate(int(after.sum()), count),
                moved,
                float(np.nanmedian(utility.pose_change(bench.source, seen))),
                float(np.nanmedian(utility.expression_change(bench.source, seen))),
            )
        )
    return answers


def _results(bench: Bench, wish: str | None, seed: int) -> list[Observation]:
    return bench.results(EngineMethod(f"asked for {wish or 'nothing'}", attributes=wish, seed=seed))


def judged_bench(
    folder: Path, prompts: Mapping[str, str], kept: Path, *, limit: int, seed: int, report: Report
) -> tuple[Bench, list[Judge]]:
    """Judges that learned from one half of labelled photos, and a bench of `limit` photos of the other half.

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
        workers=os.cpu_count() or 1,
        progress=lambda done, total: report("observing labelled photos", done, total),
    )
    judges = train_judges(features(seen), {name: labelled(photos, prompts, name) for name in JUDGED}, learners)
    chosen = [photos[i] for i in sorted(drawn[1::2][:limit])]
    people = [Person(photo.stem, (photo,)) for photo in chosen]
    return Bench(people, draw_trials(people), kept, workers=os.cpu_count() or 1, report=report), judges
