"""Rank-1: all of nothing done, chance of somebody else's photo, and failures counted both ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_people import ColourDetector, ColourRecogniser, Result, make_people
from PIL import Image

from reverse_personalization.bench.datasets import Person
from reverse_personalization.bench.reidentification import Report, reidentify
from reverse_personalization.errors import InputError
from reverse_personalization.faces.face import ByteArray


class Replacing:
    """An anonymizer that makes a function of the picture of it."""

    def __init__(self, replace: Callable[[ByteArray], ByteArray]) -> None:
        self._replace = replace

    def anonymize(self, photo: Any) -> Result:
        return Result(self._replace(photo.image_rgb))


def run(people: list[Person], replace: Callable[[ByteArray], ByteArray], **options: Any) -> Report:
    anonymizer: Any = Replacing(replace)
    return reidentify(people, anonymizer, ColourDetector(), [ColourRecogniser()], **options)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[Person]:
    return make_people(tmp_path_factory.mktemp("people"), 40)


def test_nothing_done_is_always_recognised(people: list[Person]) -> None:
    report = run(people, lambda image_rgb: image_rgb)
    assert [row.gallery for row in report.rows] == ["own photo", "other photo"]
    own, other = report.rows
    assert own.after.value == 1
    assert own.before is None
    assert other.before == other.after
    assert other.after.value > 0.9
    assert own.people == own.after.trials == report.probes == 40
    assert own.failures == 0


def test_somebody_elses_photo_is_recognised_by_chance(people: list[Person]) -> None:
    generator = np.random.default_rng(3)

    def somebody(image_rgb: ByteArray) -> ByteArray:
        other = people[int(generator.integers(len(people)))]
        return np.asarray(Image.open(other.photos[0]))

    for row in run(people, somebody).rows:
        assert row.after.value < 0.15
        assert row.after.trials == 40


def test_a_lost_face_is_a_failure_and_at_worst_a_match(people: list[Person]) -> None:
    turn = iter(range(1000))

    def every_fourth_is_lost(image_rgb: ByteArray) -> ByteArray:
        return np.zeros_like(image_rgb) if next(turn) % 4 == 0 else 255 - image_rgb // 64

    report = run(people, every_fourth_is_lost)
    for row in report.rows:
        assert row.failures == 10
        assert row.after.trials == 30
        assert row.worst.trials == 40
        assert row.worst.hits == row.after.hits + 10
    assert report.verdicts == {"no face found": 40}


def test_all_lost_is_known_as_nothing_found(people: list[Person]) -> None:
    for row in run(people[:5], np.zeros_like).rows:
        assert row.after.trials == 0
        assert row.worst.value == 1


def test_probes_are_drawn_by_the_seed(people: list[Person]) -> None:
    drawn = [run(people, lambda image_rgb: image_rgb // 3, probes=7, seed=seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1]
    assert all(report.probes == 7 and report.rows[0].people == 40 for report in drawn)


def test_without_second_photos_there_are_no_probes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two photos"):
        run(make_people(tmp_path, 3, photos=1), lambda image_rgb: image_rgb)
