"""The recognisers tell the two portraits apart, and know each from its mirror image."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from reverse_personalization.errors import EngineError
from reverse_personalization.faces.face import Face
from reverse_personalization.identity.base import Recogniser, cosine
from reverse_personalization.identity.sface import SFace
from reverse_personalization.identity.thresholds import threshold


@pytest.fixture(scope="session", params=["sface", "dlib_resnet"])
def recogniser(request: pytest.FixtureRequest) -> Recogniser:
    given: Recogniser = request.getfixturevalue(request.param)
    return given


def mirrored(portrait: Any) -> tuple[Any, Face]:
    image_rgb, face = portrait.image_rgb, portrait.face
    x, y, w, h = face.box
    keypoints = face.keypoints[[1, 0, 2, 4, 3]].copy()
    keypoints[:, 0] = image_rgb.shape[1] - 1 - keypoints[:, 0]
    return np.ascontiguousarray(image_rgb[:, ::-1]), Face((image_rgb.shape[1] - x - w, y, w, h), keypoints, 1)


def test_embeddings_are_repeatable(recogniser: Recogniser, astronaut: Any) -> None:
    first, second = (recogniser.embed(astronaut.image_rgb, astronaut.face) for _ in range(2))
    assert first.shape == (128,)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, second)
    assert recogniser.similarity(first, second).item() == pytest.approx(1, abs=1e-5)


def test_a_mirrored_face_matches(recogniser: Recogniser, portrait: Any) -> None:
    own = recogniser.embed(portrait.image_rgb, portrait.face)
    mirror = recogniser.embed(*mirrored(portrait))
    assert recogniser.similarity(own, mirror).item() > threshold(recogniser.name).similarity


def test_different_people_do_not_match(recogniser: Recogniser, astronaut: Any, hopper: Any) -> None:
    one = recogniser.embed(astronaut.image_rgb, astronaut.face)
    other = recogniser.embed(hopper.image_rgb, hopper.face)
    assert recogniser.similarity(one, other).item() < threshold(recogniser.name).similarity


def test_similarity_is_of_every_pair(recogniser: Recogniser) -> None:
    rows = np.random.default_rng(0).standard_normal((5, 128), np.float32)
    all_pairs = recogniser.similarity(rows[:2], rows)
    assert all_pairs.shape == (2, 5)
    for i in range(2):
        for j in range(5):
            single = recogniser.similarity(rows[i], rows[j]).item()
            assert all_pairs[i, j] == pytest.approx(single, abs=1e-5)


def test_cosine_ignores_length() -> None:
    a, b = np.array([3, 4], np.float32), np.array([[30, 40], [-4, 3], [-3, -4]], np.float32)
    np.testing.assert_allclose(cosine(a, b), [[1, 0, -1]], atol=1e-6)


def test_an_opencv_that_cannot_run_sface_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "__version__", "5.0.0")
    with pytest.raises(EngineError, match=r"OpenCV 5\.0\.0.*pip install"):
        SFace()
