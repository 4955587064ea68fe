"""Piecewise-linear maps: exact where the truth is affine, and near hides far."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reverse_personalization.faces.warping import interpolate, rasterise

# A 40 x 30 rectangle of four triangles around a point that is not its centre.
POINTS = np.array([[0, 0], [39, 0], [39, 29], [0, 29], [11, 17]], np.float32)
FAN = np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]], np.int32)
TWO = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
TWO_POINTS = np.array([[0, 0], [19, 0], [0, 19], [0, 0], [19, 0], [0, 19]], np.float32)

weights = st.floats(-3, 3, width=32)


def test_a_rectangle_is_covered_by_its_triangles() -> None:
    covered = rasterise(POINTS, FAN, (30, 40))
    assert set(np.unique(covered)) == {0, 1, 2, 3}
    assert covered[1, 20] == 0
    assert covered[15, 37] == 1


def test_outside_the_triangles_nothing_lies() -> None:
    covered = rasterise(POINTS + 5, FAN, (50, 60))
    assert (covered[:5] == -1).all()
    assert (covered[:, 45:] == -1).all()
    values = interpolate(covered, POINTS + 5, FAN, np.ones((5, 1), np.float32))
    np.testing.assert_array_equal(values[..., 0] != 0, covered >= 0)


@settings(deadline=None)
@given(a=weights, b=weights, c=weights)
def test_affine_functions_are_interpolated_exactly(a: float, b: float, c: float) -> None:
    values = (POINTS @ np.array([[a], [b]], np.float32) + c).astype(np.float32)
    covered = rasterise(POINTS, FAN, (30, 40))
    rows, columns = np.mgrid[:30, :40]
    result = interpolate(covered, POINTS, FAN, values)[..., 0]
    np.testing.assert_allclose(result, a * columns + b * rows + c, atol=1e-3)


def test_vertices_keep_their_values() -> None:
    values = np.array([[1.0, 9], [2, 8], [3, 7], [4, 6], [5, 5]], np.float32)
    result = interpolate(rasterise(POINTS, FAN, (30, 40)), POINTS, FAN, values)
    for (x, y), value in zip(POINTS.astype(int), values, strict=True):
        np.testing.assert_allclose(result[y, x], value, atol=1e-3)


@pytest.mark.parametrize(("depths", "nearer"), [((1, 2), 0), ((2, 1), 1)])
def test_nearer_triangles_hide_farther_ones(depths: tuple[float, float], nearer: int) -> None:
    depth = np.repeat(np.array(depths, np.float32), 3)
    covered = rasterise(TWO_POINTS, TWO, (20, 20), depth)
    assert set(np.unique(covered)) == {-1, nearer}


def test_flat_triangles_give_finite_values() -> None:
    points = np.array([[2, 2], [10, 2], [18, 2]], np.float32)
    triangle = np.array([[0, 1, 2]], np.int32)
    covered = rasterise(points, triangle, (8, 20))
    assert (covered >= 0).any()
    values = interpolate(covered, points, triangle, np.array([[1], [2], [6]], np.float32))
    assert np.isfinite(values).all()
    assert values.max() == pytest.approx(3)


def test_slivers_lead_no_farther_than_their_corners() -> None:
    points = np.array([[2, 10.0], [18, 10.02], [10, 10.3]], np.float32)
    triangle = np.array([[0, 1, 2]], np.int32)
    values = np.array([[0.0], [1.0], [5.0]], np.float32)
    covered = rasterise(points, triangle, (20, 20))
    found = interpolate(covered, points, triangle, values)[covered == 0]
    assert len(found) > 5
    assert found.min() >= 0
    assert found.max() <= 5
