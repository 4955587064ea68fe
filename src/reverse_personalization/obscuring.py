"""Fill, pixelate, blur, solid: what happens to a face that cannot be replaced, and the classical baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from reverse_personalization.faces.compositing import GIVING_WAY, Rendering, ellipse, remoteness, smoothstep
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.settings import Fallback

# The ellipse reaches this far beyond the detector's box on every side, as a share of the box's sides.
MARGIN = 0.22
# How much of what lies around the ellipse is looked at, in the same unit.
SEEN_AROUND = 0.1
# Pixels along a side of which what is so smooth needs no more.
SMOOTH_SIDE = 512
# Where nothing is seen around a face: grey.
UNKNOWN = 128
# Share of a face that another one's may overlap, so that it is still hidden where that one is left out.
MOST_SPARED = 1 / 3
# Beside the ellipse that is left out for a neighbour, what hides a face begins over so much of the neighbour's size.
BESIDE = 0.06
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
        kind: how. "fill" and "solid" leave nothing of what was there but, for "solid", its average colour.
        strength: at 2, blocks are twice as large and blur is twice as wide; "fill" and "solid" know no strength.
        spared: faces that are dealt with by themselves; the ellipses in their boxes are left out, and what is nearer
            to them than to this face, as large as they are, with a soft border, unless much of this face lies in one.
    """
    rows, columns = _region(image_rgb, face)
    before = image_rgb[rows, columns]
    if before.size == 0:
        return Rendering(rows, columns, before, np.zeros(before.shape[:2], bool))
    whole = ellipse(rows, columns, face, MARGIN)
    share = whole.astype(np.float32)
    for other in spared:
        share *= _left_by(rows, columns, face, other)
    hidden = _KINDS[kind](before, whole, face.size, strength)
    soft = (share > 0) & (share < 1)
    hidden[soft] = np.rint(before[soft] + share[soft, None] * (hidden[soft] - before[soft].astype(np.float32)))
    return Rendering(rows, columns, hidden, (share > 0) & (hidden != before).any(2))


def _left_by(rows: slice, columns: slice, face: Face, other: Face) -> FloatArray:
    """What another face leaves for hiding a face, h x w, 0 to 1: what is farther from it, and not in its box."""
    own, theirs = ellipse(rows, columns, face, 0), ellipse(rows, columns, other, 0)
    if (own & theirs).sum() > MOST_SPARED * own.sum():
        return np.ones(own.shape, np.float32)
    to_other = remoteness(rows, columns, other)
    # What hides a face fades on its neighbour's side of the border, on hair and not on the neighbour's face.
    beyond = (remoteness(rows, columns, face) - to_other) / GIVING_WAY
    fading = smoothstep(1 - beyond) * smoothstep((to_other - 1) / GIVING_WAY - 0.5)
    beside = smoothstep((to_other - 1) / BESIDE)
    return np.where(theirs, 0, np.where(beyond > 0, fading, beside)).astype(np.float32)


def _region(image_rgb: ByteArray, face: Face) -> tuple[slice, slice]:
    """Rows and columns of the ellipse and of what is seen around it."""
    x, y, w, h = face.box
    height, width = image_rgb.shape[:2]
    reach = MARGIN + SEEN_AROUND
    left, right = np.clip([x - reach * w - 1, x + (1 + reach) * w + 2], 0, width)
    top, bottom = np.clip([y - reach * h - 1, y + (1 + reach) * h + 2], 0, height)
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def _fill(crop: ByteArray, hidden: NDArray[np.bool_], size: float, strength: float) -> ByteArray:
    """What lies around runs in, from colours of the rim alone."""
    del size, strength
    height, width = hidden.shape
    shrink = max(1.0, max(height, width) / SMOOTH_SIDE)
    small = max(1, round(width / shrink)), max(1, round(height / shrink))
    seen = cv2.resize(hidden.astype(np.float32), small, interpolation=cv2.INTER_AREA) == 0
    if not seen.any():
        return np.full_like(crop, UNKNOWN)
    around = cv2.resize(crop, small, interpolation=cv2.INTER_AREA).astype(np.float32)
    filled = np.rint(_spread(around, seen.astype(np.float32))).astype(np.uint8)
    return cast(ByteArray, cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR))


def _spread(colours: cv2.typing.MatLike, known: cv2.typing.MatLike) -> cv2.typing.MatLike:
    """Colours h x w x 3 where they are known (h x w, 0 to 1), spread elsewhere: pull and push, Gortler et al. 1996."""
    height, width = known.shape
    if known.min() >= 1 or max(height, width) == 1:
        return colours
    weight = cv2.pyrDown(known)
    mean = cv2.pyrDown(colours * known[..., None]) / np.maximum(weight, 1e-6)[..., None]
    below = cv2.pyrUp(_spread(mean, np.minimum(4 * weight, 1)), dstsize=(width, height))
    return below + known[..., None] * (colours - below)


def _pixelate(crop: ByteArray, hidden: NDArray[np.bool_], size: float, strength: float) -> ByteArray:
    del hidden
    height, width = crop.shape[:2]
    block = max(size / PIXELATE_BLOCKS * strength, 2.0)
    coarse = max(1, round(width / block)), max(1, round(height / block))
    small = cv2.resize(crop, coarse, interpolation=cv2.INTER_AREA)
    return cast(ByteArray, cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST))


def _blur(crop: ByteArray, hidden: NDArray[np.bool_], size: float, strength: float) -> ByteArray:
    del hidden
    sigma = max(BLUR_SIGMA * size * strength, 2.0)
    return cast(ByteArray, cv2.GaussianBlur(crop, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


def _solid(crop: ByteArray, hidden: NDArray[np.bool_], size: float, strength: float) -> ByteArray:
    del hidden, size, strength
    return np.broadcast_to(np.rint(crop.mean((0, 1))).astype(np.uint8), crop.shape).copy()


_KINDS: dict[Fallback, Callable[[ByteArray, NDArray[np.bool_], float, float], ByteArray]] = {
    "fill": _fill,
    "pixelate": _pixelate,
    "blur": _blur,
    "solid": _solid,
}
