"""Following a face over pictures by optical flow, for as long as that can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from reverse_personalization.faces.face import ByteArray, Face, FloatArray

# Points of a face that are followed at most, and at least.
MOST_POINTS, LEAST_POINTS = 80, 8
# Share of the first points that must still be followed, and lie where one similarity moves them.
LEAST_SHARE = 0.3
# Pixels by which a point may miss its start when it is followed forth and back.
RETURN = 1.0
# Correlation of the face with what lies where it was followed to: what passes before a face also flows.
LIKENESS = 0.7
# Factor by which a face may grow or shrink.
GROWTH = 1.6
# Share of the box's sides that the points and the likeness are of, and pixels of the side of what is compared.
INNER, PATCH = 0.8, 32
WINDOW, LEVELS = (15, 15), 3


def follow(greys: Sequence[ByteArray], face: Face, scale: float = 1.0) -> list[Face]:
    """Where a face goes, by pyramidal Lucas-Kanade flow checked forth and back (Kalal et al., 2010).

    Args:
        greys: uint8 h x w, pictures in the order in which the face is followed.
        face: where it is in the first one, in pixels of the full picture.
        scale: pixels of `greys` for a pixel of the full picture.

    Returns:
        The face in the second picture and on, with scores of 0, up to where it can no longer be trusted: too few
        points come back to where they began, they do not move as one, or what lies there does not look alike.
    """
    if len(greys) < 2:
        return []
    box = cast(FloatArray, np.array(face.box, np.float32) * scale)
    start = now = _points(greys[0], box)
    least = max(LEAST_POINTS, LEAST_SHARE * len(start))
    looks, found = _patch(greys[0], box, np.eye(2, 3, dtype=np.float32)), list[Face]()
    for before, after in pairwise(greys):
        if len(start) < least:
            break
        now, kept = flow(before, after, now)
        start, now = start[kept], now[kept]
        matrix, kept = _similarity(start, now, least)
        if matrix is None or _correlation(looks, _patch(after, box, matrix)) < LIKENESS:
            break
        start, now = start[kept], now[kept]
        found.append(_moved(face, matrix, scale))
    return found


def _points(grey: ByteArray, box: FloatArray) -> FloatArray:
    """Corners in the inner part of a face, float32 n x 2."""
    x, y, w, h = (float(v) for v in box)
    mask = np.zeros(grey.shape, np.uint8)
    centre, axes = (round(x + w / 2), round(y + h / 2)), (round(INNER * w / 2), round(INNER * h / 2))
    cv2.ellipse(mask, centre, (max(1, axes[0]), max(1, axes[1])), 0, 0, 360, 255, -1)
    corners = cv2.goodFeaturesToTrack(grey, MOST_POINTS, 0.01, max(2.0, max(w, h) / 20), mask=mask)
    return np.zeros((0, 2), np.float32) if corners is None else corners.reshape(-1, 2).astype(np.float32)


def flow(before: ByteArray, after: ByteArray, points: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Points in the next picture, float32 n x 2, and bool n, whether each comes back to where it was.

    Args:
        before: uint8 h x w.
        after: uint8 h x w.
        points: float32 n x 2, x and y in pixels of `before`.
    """

    def step(one: ByteArray, other: ByteArray, at: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
        there, status, _ = cv2.calcOpticalFlowPyrLK(one, other, at, at.copy(), winSize=WINDOW, maxLevel=LEVELS)
        return cast(FloatArray, there), status.ravel() > 0

    forth, seen = step(before, after, points)
    back, seen_again = step(after, before, forth)
    return forth, seen & seen_again & (np.linalg.norm(back - points, axis=1) < RETURN)


def _similarity(start: FloatArray, now: FloatArray, least: float) -> tuple[FloatArray | None, NDArray[np.bool_]]:
    """What moves most points, 2 x 3, or None if too few or by too much; and which points these are."""
    nothing = np.zeros(len(start), bool)
    if len(start) < least:
        return None, nothing
    reach = max(1.5, 0.04 * float(np.ptp(start, 0).max()))
    matrix, inliers = cv2.estimateAffinePartial2D(start, now, ransacReprojThreshold=reach)
    if matrix is None or inliers.sum() < least:
        return None, nothing
    if not 1 / GROWTH <= float(np.hypot(matrix[0, 0], matrix[1, 0])) <= GROWTH:
        return None, nothing
    return matrix.astype(np.float32), inliers.ravel() > 0


def _patch(grey: ByteArray, box: FloatArray, matrix: FloatArray) -> FloatArray:
    """What now lies where the inner part of a box was moved to, float32 `PATCH` x `PATCH`."""
    centre, half = box[:2] + box[2:] / 2, INNER * box[2:] / 2
    to_box = np.array([[2 * half[0] / PATCH, 0, centre[0] - half[0]], [0, 2 * half[1] / PATCH, centre[1] - half[1]]])
    both = matrix @ np.vstack([to_box, [0, 0, 1]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(grey, both, (PATCH, PATCH), flags=flags).astype(np.float32)


def _correlation(one: FloatArray, other: FloatArray) -> float:
    """Normalised, -1 to 1; -1 where there is nothing to compare."""
    one, other = one - one.mean(), other - other.mean()
    norms = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((one * other).sum()) / norms if norms > 1e-3 else -1.0


def _moved(face: Face, matrix: FloatArray, scale: float) -> Face:
    """The face, moved by a matrix of the scaled picture."""
    turn, shift = matrix[:, :2], matrix[:, 2] / scale
    x, y, w, h = face.box
    grown = float(np.hypot(turn[0, 0], turn[1, 0]))
    cx, cy = (float(v) for v in turn @ np.array([x + w / 2, y + h / 2], np.float32) + shift)
    keypoints = (face.keypoints @ turn.T + shift).astype(np.float32)
    return Face((cx - grown * w / 2, cy - grown * h / 2, grown * w, grown * h), keypoints, 0.0)
