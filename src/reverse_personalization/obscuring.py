"""Pixelate, blur, solid: what happens to a face that cannot be replaced, and the classical baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import cv2
import numpy as np

from reverse_personalization.faces.compositing import Rendering, ellipse
from reverse_personalization.faces.face import ByteArray, Face
from reverse_personalization.settings import Fallback

# The ellipse reaches this far beyond the detector's box on every side, as a share of the box's sides.
MARGIN = 0.22
# Share of a face that another one's may overlap, so that it is still hidden where that one is left out.
MOST_SPARED = 1 / 3
PIXELATE_BLOCKS = 5
# Standard deviation of the blur, as a share of the face's size.
BLUR_SIGMA = 0.2


def obscure(
    image_rgb: ByteArray, face: Face, *, kind: Fallback, strength: float = 1.0, spared: Iterable[Face] = ()
) -> Rendering:
    """Hide a face under an ellipse.

    Args:
        image_rgb: uint8 H x W x 3; not changed itself.
        face: the face to hide.
        kind: how.
        strength: at 2, blocks are twice as large and blur is twice as wide; "solid" knows no strength.
        spared: faces that are dealt with by themselves; the ellipses in their boxes are left out, unless much of this
            face lies in one.
    """
    rows, columns = _region(image_rgb, face)
    before = image_rgb[rows, columns]
    if before.size == 0:
        return Rendering(rows, columns, before, np.zeros(before.shape[:2], bool))
    hidden = _KINDS[kind](before, face.size, strength)
    mask = ellipse(rows, columns, face, MARGIN)
    own = ellipse(rows, columns, face, 0)
    for other in spared:
        theirs = ellipse(rows, columns, other, 0)
        if (own & theirs).sum() <= MOST_SPARED * own.sum():
            mask &= ~theirs
    return Rendering(rows, columns, hidden, mask & (hidden != before).any(2))


def _region(image_rgb: ByteArray, face: Face) -> tuple[slice, slice]:
    """Rows and columns of the ellipse's bounds."""
    x, y, w, h = face.box
    height, width = image_rgb.shape[:2]
    left, right = np.clip([x - MARGIN * w - 1, x + (1 + MARGIN) * w + 2], 0, width)
    top, bottom = np.clip([y - MARGIN * h - 1, y + (1 + MARGIN) * h + 2], 0, height)
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def _pixelate(crop: ByteArray, size: float, strength: float) -> ByteArray:
    height, width = crop.shape[:2]
    block = max(size / PIXELATE_BLOCKS * strength, 2.0)
    coarse = max(1, round(width / block)), max(1, round(height / block))
    small = cv2.resize(crop, coarse, interpolation=cv2.INTER_AREA)
    return cast(ByteArray, cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST))


def _blur(crop: ByteArray, size: float, strength: float) -> ByteArray:
    sigma = max(BLUR_SIGMA * size * strength, 2.0)
    return cast(ByteArray, cv2.GaussianBlur(crop, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


def _solid(crop: ByteArray, size: float, strength: float) -> ByteArray:
    del size, strength
    return np.broadcast_to(np.rint(crop.mean((0, 1))).astype(np.uint8), crop.shape).copy()


_KINDS: dict[Fallback, Callable[[ByteArray, float, float], ByteArray]] = {
    "pixelate": _pixelate,
    "blur": _blur,
    "solid": _solid,
}
