"""Whether strangers become what `--attributes` asks for, by a judge that learned from other people's labels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from reverse_personalization.bench import utility
from reverse_personalization.bench.datasets import Person, draw_trials
from reverse_personalization.bench.judging import Judge, features, learn
from reverse_personalization.bench.methods import EngineMethod
from reverse_personalization.bench.observing import Observation
from reverse_personalization.bench.running import Bench, Evaluators, Report
from reverse_personalization.bench.statistics import Rate

# What is asked for, and what the judge should then say.
ASKED: Final = {
    "a woman": ("woman", True),
    "a man": ("woman", False),
    "a man with a beard": ("beard", True),
    "clean-shaven": ("beard", False),
    "a child": ("child", True),
    "50 years old": ("child", False),
    "an old person": ("old", True),
    "a young person": ("old", False),
}


@dataclass(frozen=True)
class Answer:
    """What became of a wish.

    Attributes:
        asked: the wish.
        judge: the attribute that decides.
        before: results without a wish that are as asked, of the faces that were not so themselves.
        after: the same with the wish.
        moved: mean change of the probability of other attributes, by attribute, against results without a wish;
            empty where all faces were so themselves.
        pose, expression: medians as in `utility`, with the wish.
    """

    asked: str
    judge: str
    before: Rate
    after: Rate
    moved: dict[str, float]
    pose: float
    expression: float


def ask(bench: Bench, judges: Sequence[Judge], *, seed: int, by: Sequence[str] = ()) -> list[Answer]:
    """Anonymize every trial with each wish of `ASKED` that there is a judge for, and let it say what came out.

    Judges judge `by` the recognisers that they learned by.
    """
    source = features(bench.source, by)
    plain = features(_results(bench, None, seed), by)
    answers = []
    for wish, (attribute, wanted) in ASKED.items():
        judge = next((judge for judge in judges if judge.attribute == attribute), None)
        if judge is None:
            continue
        seen = _results(bench, wish, seed)
        given = features(seen, by)
        open_to = np.isfinite(given + plain + source).all(1) & ((judge.says(source) > 0.5) != wanted)
        count = int(open_to.sum())
        before, after = ((judge.says(of[open_to]) > 0.5) == wanted for of in (plain, given))
        moved = {
            other.attribute: float(np.mean(other.says(given[open_to]) - other.says(plain[open_to])))
            for other in judges
            if count and other is not judge
        }
        answers.append(
            Answer(
                wish,
                attribute,
                Rate(int(before.sum()), count),
                Rate(int(after.sum()), count),
                moved,
                utility.spread(utility.pose_change(bench.source, seen)).median,
                utility.spread(utility.expression_change(bench.source, seen)).median,
            )
        )
    return answers


def _results(bench: Bench, wish: str | None, seed: int) -> list[Observation]:
    return bench.results(EngineMethod(f"asked for {wish or 'nothing'}", attributes=wish, seed=seed))


def judged_bench(
    folder: Path,
    prompts: Mapping[str, str],
    kept: Path,
    *,
    limit: int,
    seed: int,
    report: Report,
    evaluators: Evaluators,
) -> tuple[Bench, list[Judge]]:
    """Judges that learned from one half of labelled photos, and a bench of `limit` photos of the other half.

    The recognisers of `evaluators`, if any, judge in place of those that are built in, which guide.

    Raises:
        InputError: too few photos are labelled.
    """
    workers = os.cpu_count() or 1
    judges, others = learn(
        folder,
        prompts,
        kept,
        seed=seed,
        workers=workers,
        report=report,
        files=evaluators.networks,
        by=evaluators.names,
    )
    people = [Person(photo.stem, (photo,)) for photo in sorted(others[:limit])]
    bench = Bench(people, draw_trials(people), kept, evaluators=evaluators, workers=workers, report=report)
    return bench, judges
