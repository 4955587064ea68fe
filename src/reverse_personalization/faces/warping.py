"""Piecewise-linear maps over the mesh: which triangle covers a pixel, and what lies there."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reverse_personalization.faces.face import FloatArray

# Fractional bits of cv2's polygon corners.
SUBPIXEL = 4
# A triangle of less height, pixels, is drawn beyond itself, too: what its corners have bounds what is found there.
SLIVER = 2.0


def rasterise(
    points: FloatArray, triangles: NDArray[np.int32], size: tuple[int, int], depth: FloatArray | None = None
) -> NDArray[np.int32]:
    """Which triangle covers each pixel.

    Args:
        points: float32 n x 2, pixels.
        triangles: int32 t x 3, into `points`.
        size: height, width of the result.
        depth: float32 n, growing away from the camera; nearer triangles hide farther ones.

    Returns:
        int32 height x width, -1 where no triangle lies.
    """
    covered = np.full(size, -1, np.int32)
    order = range(len(triangles)) if depth is None else np.argsort(-depth[triangles].mean(1))
    corners = np.round(points[triangles] * (1 << SUBPIXEL)).astype(np.int32)
    for t in order:
        cv2.fillConvexPoly(covered, corners[t], int(t), lineType=cv2.LINE_8, shift=SUBPIXEL)
    return covered


def interpolate(
    covered: NDArray[np.int32], points: FloatArray, triangles: NDArray[np.int32], values: FloatArray
) -> FloatArray:
    """Vertex values at every pixel, linear within each triangle.

    Args:
        covered: from `rasterise`, height x width.
        points: float32 n x 2, the vertices in the pixels of `covered`.
        triangles: int32 t x 3.
        values: float32 n x k.

    Returns:
        float32 height x width x k; zero where no triangle lies.
    """
    maps = _affine_maps(points[triangles], values[triangles])
    rows, columns = np.nonzero(covered >= 0)
    of_pixel = maps[covered[rows, columns]]
    result = np.zeros((*covered.shape, values.shape[1]), np.float32)
    found = of_pixel[:, :, 0] * columns[:, None] + of_pixel[:, :, 1] * rows[:, None] + of_pixel[:, :, 2]
    sliver = _heights(points[triangles])[covered[rows, columns]] < SLIVER
    corners = values[triangles[covered[rows[sliver], columns[sliver]]]]
    found[sliver] = np.clip(found[sliver], corners.min(1), corners.max(1))
    result[rows, columns] = found
    return result


def _heights(corners: FloatArray) -> FloatArray:
    """The least heights of t x 3 x 2 triangles."""
    sides = np.roll(corners, -1, 1) - corners
    doubled = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0])
    return np.asarray(doubled / np.maximum(np.linalg.norm(sides, axis=2).max(1), 1e-6), np.float32)


def _affine_maps(corners: FloatArray, values: FloatArray) -> FloatArray:
    """Maps, t x k x 3, from (x, y, 1) to values, given t x 3 x 2 corners and t x 3 x k values there."""
    homogeneous = np.concatenate([corners, np.ones_like(corners[:, :, :1])], 2).astype(np.float64)
    flat = np.abs(np.linalg.det(homogeneous)) < 1e-6
    homogeneous[flat] = np.eye(3)
    maps = np.linalg.solve(homogeneous, values.astype(np.float64)).transpose(0, 2, 1)
    maps[flat, :, :2] = 0
    maps[flat, :, 2] = values[flat].mean(1)
    return maps.astype(np.float32)
