"""Curves, judges and resemblance: the arithmetic, and the commands on real photos."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pytest
from PIL import Image
from scipy.stats import mannwhitneyu
from typer.testing import CliRunner

from reverse_personalization.bench.asking import ask
from reverse_personalization.bench.judging import (
    Judge,
    area_under_curve,
    features,
    kept_attributes,
    labelled,
    train_judges,
)
from reverse_personalization.bench.methods import EngineMethod, Outcome
from reverse_personalization.bench.observing import Observation
from reverse_personalization.bench.running import Bench
from reverse_personalization.bench.statistics import Rate
from reverse_personalization.bench.strength import Curve, fit_curve
from reverse_personalization.cli import main
from reverse_personalization.cli.bench import app
from reverse_personalization.errors import InputError


def test_the_curve_goes_through_what_was_measured() -> None:
    true = Curve("r", "own photo", 2.0, -4.0, {})
    rates = {s: Rate(round(10_000 * true.at(s)), 10_000) for s in (0.1, 0.25, 0.5, 1.0, 1.5)}
    intercept, slope = fit_curve(rates)
    assert (intercept, slope) == pytest.approx((2.0, -4.0), abs=0.02)
    assert all(np.isfinite(fit_curve({0.5: Rate(0, 50), 1.0: Rate(0, 50)})))


def test_judges_learn_from_some_and_are_measured_on_others() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 400).astype(np.float32)
    given = generator.standard_normal((400, 16)).astype(np.float32)
    noise = given.copy()
    given[:, 3] += 4 * labels
    learners = np.arange(400) % 2 == 0
    (judge,) = train_judges(given, {"woman": labels}, learners)
    assert judge.area > 0.97
    assert judge.people == 200
    (guesser,) = train_judges(noise, {"woman": labels}, learners)
    assert 0.35 < guesser.area < 0.65
    with pytest.raises(InputError, match="Too few"):
        train_judges(given, {"beard": np.zeros(400, np.float32)}, learners)
    some = {"beard": np.zeros(400, np.float32), "woman": labels}
    assert [judge.attribute for judge in train_judges(given, some, learners)] == ["woman"]


def test_the_area_under_the_curve_is_that_of_its_definition() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 200)
    scores = np.round(generator.standard_normal(200) + labels, 1)
    positive, negative = scores[labels == 1], scores[labels == 0]
    pairs = mannwhitneyu(positive, negative).statistic
    assert area_under_curve(scores, labels) == pytest.approx(pairs / (len(positive) * len(negative)))


def test_attributes_are_kept_where_the_judge_says_the_same(seen_of: Callable[[float], Observation]) -> None:
    judge = Judge("woman", np.array([1.0, 0.0, -0.1]), 0.9, 100)
    before, after = [seen_of(1), seen_of(1), seen_of(-1), seen_of(1)], [seen_of(1), seen_of(-1), seen_of(-1)]
    (kept,) = kept_attributes([judge], before, [*after, seen_of(np.nan)])
    assert (kept.hits, kept.trials) == (2, 3)


@pytest.fixture
def seen_of() -> Callable[[float], Observation]:
    nothing = np.zeros(3, np.float32)
    return lambda x: Observation(
        {"sface": np.array([x, 0.5], np.float32)}, 1, 80, np.zeros((468, 2)), np.eye(3), nothing[:2], nothing, nothing
    )


def test_labels_say_nothing_where_the_prompt_does_not() -> None:
    photos = [Path("a.jpg"), Path("b.jpg"), Path("c.jpg")]
    prompts = {"a.jpg": "White woman", "b.jpg": "70-year-old man with a beard"}
    np.testing.assert_array_equal(labelled(photos, prompts, "woman"), [1, 0, np.nan])
    np.testing.assert_array_equal(labelled(photos, prompts, "beard"), [0, 1, np.nan])
    np.testing.assert_array_equal(labelled(photos, prompts, "child"), [0, 0, np.nan])
    aged = {"a.jpg": "60-year-old man", "b.jpg": "44-year-old man", "c.jpg": "50-year-old woman"}
    np.testing.assert_array_equal(labelled(photos, aged, "old"), [1, 0, np.nan])
    np.testing.assert_array_equal(labelled(photos, prompts, "old"), [np.nan, 1, np.nan])


def test_judges_look_by_whom_they_are_told(seen_of: Callable[[float], Observation]) -> None:
    seen = replace(seen_of(1), embeddings={"sface": np.array([3, 4], np.float32), "mine": np.array([5], np.float32)})
    np.testing.assert_allclose(features([seen]), [[1, 0.6, 0.8]])
    np.testing.assert_allclose(features([seen], ["mine"]), [[1]])


def test_a_wish_that_nobody_judges_is_not_measured(seen_of: Callable[[float], Observation]) -> None:
    class Answering:
        source: ClassVar = [
            replace(seen_of(x), expression=np.full(3, x + n, np.float32)) for n, x in enumerate((-1, -1, 1))
        ]

        def results(self, method: EngineMethod) -> list[Observation]:
            """As asked, for once."""
            return [seen_of(1 if "woman" in method.name else -1)] * 3

    woman = Judge("woman", np.array([1.0, 0.0, 0.0]), 1.0, 100)
    answers = ask(cast(Bench, Answering()), [woman], seed=0)
    assert [(one.asked, one.after.hits, one.after.trials, one.before.hits) for one in answers] == [
        ("a woman", 2, 2, 0),
        ("a man", 1, 1, 1),
    ]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, astronaut: Any, hopper: Any) -> Path:
    root = tmp_path_factory.mktemp("questions") / "pair"
    for name, portrait in (("astronaut", astronaut), ("hopper", hopper)):
        (root / name).mkdir(parents=True)
        image = Image.fromarray(portrait.image_rgb)
        image.save(root / name / "1.png")
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(root / name / "2.png")
    return root


def asked(*arguments: str | Path) -> str:
    ran = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert ran.exit_code == 0, ran.output
    return ran.output


def test_consistent_photos_show_one_stranger(people: Path, tmp_path: Path) -> None:
    told = asked("consistency", "--dataset", people, "--out", tmp_path, "--seed", "2")
    assert told.count("results of one person match 100.0%") == 2
    # Strangers are more alike than people, `docs/privacy.md` tells how often, and thresholds come from two people here.
    assert told.count("results of different people match 100.0%") < 2


def test_what_no_number_can_be_had_from_is_said(people: Path, tmp_path: Path, capsys: Any) -> None:
    for folder in ("alone/hopper", "faceless/nobody", "faceless/none"):
        (tmp_path / folder).mkdir(parents=True)
    for photo in ("1.png", "2.png"):
        shutil.copy(people / "hopper" / photo, tmp_path / "alone" / "hopper")
    for folder in ("nobody", "none"):
        Image.new("RGB", (60, 60)).save(tmp_path / "faceless" / folder / "1.png")
    (tmp_path / "file").touch()
    alone, faceless = tmp_path / "alone", tmp_path / "faceless"
    for code, words, question, *options in (
        (4, "at least two people", "strength", "--dataset", alone),
        (4, "at least two people", "strength", "--dataset", faceless),
        (4, "two photos", "consistency", "--dataset", faceless),
        (4, "in the training photos", "nearest", "--dataset", people, "--training", faceless),
        (4, "of the data set", "nearest", "--dataset", faceless, "--training", people),
        (5, "cannot be made a folder", "consistency", "--dataset", people, "--out", tmp_path / "file"),
        (2, "--at", "strength", "--dataset", people, "--at", ""),
    ):
        assert main(["bench", question, "--out", str(tmp_path / "out"), *map(str, options)]) == code
        assert words in capsys.readouterr().err
    told = asked("consistency", "--dataset", alone, "--out", tmp_path / "out")
    assert told.count("not measured (0/0)") == 6
    assert "(0/1)" not in told


def test_strangers_are_compared_with_the_photos_of_training(people: Path, tmp_path: Path) -> None:
    told = asked("nearest", "--dataset", people, "--training", people, "--out", tmp_path)
    assert told.count("nearest of 4 photos: results median") == 2
    assert "highest 1.000" not in told.split(";")[0]
    assert "100.0%" in told  # the sources are in the folder


def test_strangers_that_there_are_none_of_are_not_compared(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def obscured(method: EngineMethod, photos: Any, folder: Path, progress: Any) -> list[Outcome]:
        return [Outcome("obscured", photo) for photo in photos]

    monkeypatch.setattr(EngineMethod, "run", obscured)
    told = asked("nearest", "--dataset", people, "--training", people, "--out", tmp_path)
    sentence = (
        "nearest of 4 photos: nothing to measure, since no result shows an anonymized face; the untouched sources 1"
    )
    assert told.count(sentence) == 2
    assert "nan" not in told


def test_strength_is_measured_and_drawn(people: Path, tmp_path: Path) -> None:
    told = asked("strength", "--dataset", people, "--out", tmp_path, "--at", "0.01,1")
    assert "strength 0.01: 100.0%" in told
    assert (tmp_path / "strength.json").exists()
    assert Image.open(tmp_path / "strength.png").size[0] > 100
