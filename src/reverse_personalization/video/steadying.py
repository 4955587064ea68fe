"""Steadying a face's mesh by the motion of the picture itself: jitter of landmarks looks like flicker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from reverse_personalization.faces.compositing import smoothstep
from reverse_personalization.faces.face import ByteArray, FloatArray
from reverse_personalization.video.following import flow

# Weight of the present frame's landmarks against those before, moved along.
PRESENT = 0.2
# Share of the face's width: a landmark as far from where it was moved to is no jitter, but of a head that turns or a
# face that stirs, and the present frame's counts alone.
STIRRED = 0.03
# Share of the landmarks that must come back to where they began, and move as one.
TRUSTED = 0.5
# Pixels by which landmarks may miss where the common motion takes them.
APART = 1.0
# How far the picture that is kept reaches beyond the face, in its longer sides.
REACH = 0.25


@dataclass(frozen=True, eq=False)
class _Before:
    """The frame before: float32 468 x 3 landmarks, and the grey picture around them with its left and top."""

    vertices: FloatArray
    grey: ByteArray
    origin: tuple[int, int]


class Steadier:
    """Eases the landmarks of one face from frame to frame; keeps a grey picture of that face alone."""

    def __init__(self) -> None:
        """Begin without a frame before."""
        self._before: _Before | None = None

    def steadied(self, image_rgb: ByteArray, vertices: FloatArray) -> FloatArray:
        """Landmarks eased by those before, which are moved by the optical flow of the picture.

        Args:
            image_rgb: uint8 H x W x 3, the source's frame.
            vertices: float32 468 x 3, x and y in its pixels.

        Returns:
            float32 468 x 3: as they were given where flow cannot be trusted, as after a frame without the face.
        """
        moved = None if self._before is None else _moved(self._before, image_rgb)
        if moved is not None:
            off = np.linalg.norm((moved - vertices)[:, :2], axis=1)[:, None] / max(float(np.ptp(vertices[:, 0])), 1e-6)
            share = PRESENT + (1 - PRESENT) * smoothstep((off / STIRRED).astype(np.float32))
            vertices = (share * vertices + (1 - share) * moved).astype(np.float32)
        self._before = _noted(image_rgb, vertices)
        return vertices


def _noted(image_rgb: ByteArray, vertices: FloatArray) -> _Before | None:
    """What is kept of a frame, or None where the face lies outside."""
    low, high = vertices[:, :2].min(0), vertices[:, :2].max(0)
    reach = REACH * float((high - low).max())
    height, width = image_rgb.shape[:2]
    left, right = (int(v) for v in np.clip([low[0] - reach, high[0] + reach], 0, width))
    top, bottom = (int(v) for v in np.clip([low[1] - reach, high[1] + reach], 0, height))
    if right <= left or bottom <= top:
        return None
    grey = cv2.cvtColor(image_rgb[top:bottom, left:right], cv2.COLOR_RGB2GRAY)
    return _Before(vertices, cast(ByteArray, grey), (left, top))


def _moved(before: _Before, image_rgb: ByteArray) -> FloatArray | None:
    """The landmarks before, moved as most of them move, or None if that cannot be trusted."""
    (left, top), (height, width) = before.origin, before.grey.shape
    now = image_rgb[top : top + height, left : left + width]
    if now.shape[:2] != (height, width):
        return None
    start = (before.vertices[:, :2] - np.array(before.origin, np.float32)).astype(np.float32)
    there, kept = flow(before.grey, cast(ByteArray, cv2.cvtColor(now, cv2.COLOR_RGB2GRAY)), start)
    least = TRUSTED * len(start)
    if kept.sum() < least:
        return None
    matrix, inliers = cv2.estimateAffine2D(start[kept], there[kept], ransacReprojThreshold=APART)
    if matrix is None or inliers.sum() < least:
        return None
    plane = start @ matrix[:, :2].T + matrix[:, 2] + np.array(before.origin)
    depth = before.vertices[:, 2:] * np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    return np.concatenate([plane, depth], 1).astype(np.float32)
