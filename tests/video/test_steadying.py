"""Landmarks move as the picture does, but a face that stirs is followed at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from video_clips import SIZE, swinging

from reverse_personalization.video.steadying import Steadier

JITTER, WIDTH = 0.25, 90.0


@pytest.fixture(scope="module")
def landmarks() -> Any:
    """468 points of a face around 0, pixels."""
    generator = np.random.default_rng(0)
    return (generator.uniform(-0.5, 0.5, (468, 3)) * WIDTH).astype(np.float32)


def at(landmarks: Any, centre: Any) -> Any:
    return (landmarks + np.array([*centre, 0])).astype(np.float32)


def test_jitter_is_taken_out_of_a_moving_face(astronaut: Any, landmarks: Any) -> None:
    generator, steadier, left = np.random.default_rng(1), Steadier(), []
    for i in range(16):
        picture, centre = swinging(astronaut, i)
        true = at(landmarks, centre)
        # The whole mesh is off, as well as each of its points.
        off = generator.normal(0, JITTER, (1, 3)) + generator.normal(0, JITTER, (468, 3))
        left.append((steadier.steadied(picture, (true + off).astype(np.float32)) - true)[:, :2])
    steps = np.diff(np.array(left), axis=0)[4:]
    # From frame to frame two independent errors of two frames each differ: 2 * JITTER, unless they are eased.
    assert steps.std() < 0.5 * 2 * JITTER


def test_a_face_that_stirs_is_followed_at_once(astronaut: Any, landmarks: Any) -> None:
    steadier, (picture, centre) = Steadier(), swinging(astronaut, 0)
    before = at(landmarks, centre)
    steadier.steadied(picture, before)
    opened = before.copy()
    opened[:60, 1] += 0.04 * WIDTH
    now = steadier.steadied(picture, opened)
    np.testing.assert_allclose(now[:60], opened[:60], atol=0.1)
    np.testing.assert_allclose(now[60:], before[60:], atol=0.1)


def test_landmarks_stay_as_given_where_flow_cannot_be_trusted(astronaut: Any, landmarks: Any) -> None:
    steadier, (picture, centre) = Steadier(), swinging(astronaut, 0)
    noise = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
    for image in (picture, noise, np.zeros_like(picture), picture):
        given = at(landmarks, centre + np.random.default_rng(2).normal(0, 1, 2))
        assert np.array_equal(steadier.steadied(image, given), given)
    outside = at(landmarks, (-500, -500))
    assert np.array_equal(steadier.steadied(picture, outside), outside)
    assert np.array_equal(steadier.steadied(picture, at(landmarks, centre)), at(landmarks, centre))
    assert np.array_equal(steadier.steadied(picture[:50, :50], at(landmarks, centre)), at(landmarks, centre))
