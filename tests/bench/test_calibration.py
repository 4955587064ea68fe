"""Thresholds have the false-match rate they state, and are not fitted on too little."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bench_people import ColourDetector, ColourRecogniser, make_people
from PIL import Image

from reverse_personalization import weights
from reverse_personalization.bench.calibration import SIZES, calibrate
from reverse_personalization.bench.datasets import Person, load_people
from reverse_personalization.bench.embedding import embed_photos, middlemost
from reverse_personalization.errors import InputError
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.base import cosine


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[Person]:
    return make_people(tmp_path_factory.mktemp("people"), 60)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_the_threshold_has_the_stated_rate(rate: float, people: list[Person]) -> None:
    recogniser = ColourRecogniser()
    (fitted,) = calibrate(
        people, ColourDetector(), [recogniser], false_match_rate=rate, dataset="colours", command="test"
    )
    first = embed_photos([person.photos[0] for person in people], ColourDetector(), [recogniser], [np.inf])[0]["sface"]
    impostors = recogniser.similarity(first, first)[np.triu_indices(len(people), 1)]
    assert (impostors > fitted.similarity).mean() == pytest.approx(rate, abs=2 / len(impostors))
    assert (fitted.people, fitted.impostor_pairs, fitted.genuine_pairs) == (60, 1770, 60)
    assert fitted.true_match_rate > 0.9
    assert (fitted.dataset, fitted.command, fitted.false_match_rate) == ("colours", "test", rate)
    assert fitted.weights_sha256 == weights.entry("sface").sha256


class SizedDetector:
    """Finds the square that is not black."""

    def detect(self, image_rgb: ByteArray) -> list[Face]:
        rows, columns = (np.flatnonzero(image_rgb.any(2).any(axis)) for axis in (1, 0))
        box = columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1
        return [Face(tuple(float(value) for value in box), np.zeros((5, 2), np.float32), 0.9)]  # type: ignore[arg-type]


class SizeRecogniser:
    """Knows people by the hue of their squares, and the less of it the smaller they are."""

    name = "sface"

    def embed(self, image_rgb: ByteArray, face: Face) -> FloatArray:
        seen = image_rgb[image_rgb.any(2)].mean(0) / 255
        return np.array([*(seen * min(face.size / 64, 1)), 0.5], np.float32)

    def similarity(self, a: FloatArray, b: FloatArray) -> FloatArray:
        return cosine(a, b)


def test_small_faces_get_thresholds_of_their_own(tmp_path: Path) -> None:
    generator, people = np.random.default_rng(0), []
    for name in range(60):
        colour = generator.uniform(60, 255, 3)
        paths = []
        for photo in range(2):
            picture = np.zeros((120, 120, 3), np.uint8)
            picture[20:100, 20:100] = colour + generator.uniform(-3, 0, 3)
            paths.append(tmp_path / f"{name}-{photo}.png")
            Image.fromarray(picture).save(paths[-1])
        people.append(Person(str(name), tuple(paths)))
    (fitted,) = calibrate(
        people,
        SizedDetector(),  # type: ignore[arg-type]
        [SizeRecogniser()],
        false_match_rate=0.05,
        dataset="squares",
        command="test",
    )
    assert [small.size for small in fitted.smaller] == list(SIZES)
    limits = [small.similarity for small in fitted.smaller]
    # The smaller, the more alike all are to it, up to the size that it knows best.
    assert limits[:5] == sorted(limits[:5], reverse=True)
    assert limits[0] > limits[2] > limits[4] > fitted.similarity
    assert 0 < fitted.smaller[0].true_match_rate <= 1


def test_too_few_people_are_refused(people: list[Person]) -> None:
    with pytest.raises(InputError, match="too few"):
        calibrate(
            people[:10],
            ColourDetector(),
            [ColourRecogniser()],
            false_match_rate=0.001,
            dataset="colours",
            command="test",
        )


def test_folders_are_people(tmp_path: Path) -> None:
    made = make_people(tmp_path, 3)
    (tmp_path / "notes.txt").write_text("no person")
    (tmp_path / "empty").mkdir()
    (tmp_path / "person-000" / "notes.txt").write_text("no photo")
    assert load_people(tmp_path) == made


@pytest.mark.parametrize("layout", ["missing", "empty"])
def test_other_layouts_are_refused(layout: str, tmp_path: Path) -> None:
    root = tmp_path / layout
    if layout != "missing":
        root.mkdir()
    with pytest.raises(InputError, match=layout):
        load_people(root)


def test_the_subject_is_the_middlemost_face() -> None:
    keypoints = np.zeros((5, 2), np.float32)
    faces = [Face((x, 40, 20, 20), keypoints, 0.9) for x in (0, 38, 80)]
    assert middlemost(faces, np.zeros((100, 100, 3), np.uint8)) is faces[1]
    assert middlemost([], np.zeros((100, 100, 3), np.uint8)) is None
