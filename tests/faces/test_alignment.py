"""Similarity transforms are recovered, and crops do not alias."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reverse_personalization.faces.alignment import (
    ARCFACE_TEMPLATE,
    arcface_crop,
    invert_transform,
    similarity_transform,
    transform_points,
    warp_square,
)
from reverse_personalization.faces.face import FloatArray

coordinates = st.floats(-100, 100, width=32)


def rotation(angle: float, axis: FloatArray) -> FloatArray:
    """Rodrigues's formula."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross, np.float32)


@settings(deadline=None)
@given(angle=st.floats(-3, 3), scale=st.floats(0.05, 20), shift=st.tuples(coordinates, coordinates))
def test_similarity_of_the_plane_is_recovered(angle: float, scale: float, shift: tuple[float, float]) -> None:
    linear = scale * rotation(angle, np.array([0, 0, 1], np.float32))[:2, :2]
    target = ARCFACE_TEMPLATE @ linear.T + np.array(shift, np.float32)
    matrix = similarity_transform(ARCFACE_TEMPLATE, target)
    np.testing.assert_allclose(matrix[:, :2], linear, atol=1e-3 * scale)
    np.testing.assert_allclose(transform_points(matrix, ARCFACE_TEMPLATE), target, atol=0.01 * max(scale, 1))


@settings(deadline=None)
@given(angle=st.floats(-3, 3), scale=st.floats(0.05, 20), seed=st.integers(0, 99))
def test_similarity_of_space_is_recovered(angle: float, scale: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    points = generator.standard_normal((12, 3), np.float32)
    linear = scale * rotation(angle, generator.standard_normal(3, np.float32))
    matrix = similarity_transform(points, points @ linear.T + 5)
    np.testing.assert_allclose(matrix[:, :3], linear, atol=1e-3 * scale)


def test_reflections_are_not_similarities() -> None:
    mirrored = ARCFACE_TEMPLATE * np.array([-1, 1], np.float32)
    assert np.linalg.det(similarity_transform(ARCFACE_TEMPLATE, mirrored)[:, :2]) > 0


def test_inverse_undoes_a_transform() -> None:
    matrix = np.array([[0.8, -0.3, 12], [0.3, 0.8, -7]], np.float32)
    there = transform_points(matrix, ARCFACE_TEMPLATE)
    np.testing.assert_allclose(transform_points(invert_transform(matrix), there), ARCFACE_TEMPLATE, atol=1e-3)


@pytest.mark.parametrize("shrink", [4, 8, 13])
def test_a_fine_checkerboard_shrinks_to_grey(shrink: int) -> None:
    board = (np.indices((1024, 1024)).sum(0) % 2 * 255).astype(np.uint8)
    scale = 1 / shrink
    matrix = np.array([[scale, 0, 0.3], [0, scale, 0.1]], np.float32)
    crop = warp_square(np.repeat(board[..., None], 3, 2), matrix, 64)[4:-4, 4:-4]
    assert np.abs(crop.astype(float) - 127.5).max() < 16


@pytest.mark.parametrize("scale", [0.5, 0.25, 0.11])
def test_shrinking_does_not_shift(scale: float) -> None:
    # A linear ramp keeps its values at the transform's places, whichever way the crop is made.
    ramp = np.broadcast_to((np.arange(240) * 1.0)[None, :, None], (240, 240, 3)).astype(np.uint8)
    crop = warp_square(ramp, np.array([[scale, 0, 0], [0, scale, 0]], np.float32), 24)
    expected = np.arange(3, 21) / scale
    np.testing.assert_allclose(crop[12, 3:21, 0], expected, atol=1.5)


def test_arcface_crop_puts_keypoints_on_the_template(portrait: Any) -> None:
    crop, matrix = arcface_crop(portrait.image_rgb, portrait.face.keypoints)
    assert crop.shape == (112, 112, 3)
    there = transform_points(matrix, portrait.face.keypoints)
    assert np.abs(there - ARCFACE_TEMPLATE).max() < 8
