"""Putting parts back into pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from reverse_personalization.faces.face import ByteArray, Face, FloatArray

# Toward a neighbour who is as near, a face fades over so much of its size.
GIVING_WAY = 0.25
# Around eyes at rest, a face changes less over such a share of the width of both.
AT_REST = 0.09


@dataclass(frozen=True, eq=False)
class Rendering:
    """A part of a picture, made anew.

    Attributes:
        rows: of the picture.
        columns: of the picture.
        image_rgb: uint8 h x w x 3, what is there now.
        changed: bool h x w, where that differs from what was there.
    """

    rows: slice
    columns: slice
    image_rgb: ByteArray
    changed: NDArray[np.bool_]


def paste(image_rgb: ByteArray, rendering: Rendering) -> ByteArray:
    """A copy of the picture with the changed pixels of `rendering` in it."""
    pasted = image_rgb.copy()
    target = pasted[rendering.rows, rendering.columns]
    target[rendering.changed] = rendering.image_rgb[rendering.changed]
    return pasted


def kept_apart(rendering: Rendering, image_rgb: ByteArray, face: Face, others: Iterable[Face]) -> Rendering:
    """A face's rendering that leaves to others what is nearer to them, as large as they are.

    Args:
        rendering: of the face.
        image_rgb: uint8 H x W x 3, what it is to be pasted into.
        face: where it is.
        others: faces beside it; where they overlap, what lies between them fades to the picture.
    """
    own, shares = remoteness(rendering.rows, rendering.columns, face), []
    for other in others:
        theirs = remoteness(rendering.rows, rendering.columns, other)
        if theirs.min(initial=np.inf) < 1 + GIVING_WAY:
            shares.append(smoothstep((theirs - own) / GIVING_WAY))
    if not shares:
        return rendering
    return faded(rendering, image_rgb, np.min(shares, 0))


def eyes_rested(rendering: Rendering, image_rgb: ByteArray, eyes: Sequence[FloatArray]) -> Rendering:
    """A face's rendering that leaves what is close to its eyes as it was.

    Args:
        rendering: of the face.
        image_rgb: uint8 H x W x 3, what it is to be pasted into.
        eyes: float32 n x 2 pixels each, the rings of lids.
    """
    origin = np.array([rendering.columns.start, rendering.rows.start], np.float32)
    apart = np.ones(rendering.changed.shape, np.uint8)
    for ring in eyes:
        cv2.fillPoly(apart, [np.rint(ring - origin).astype(np.int32)], 0)
    corners = np.concatenate(eyes)
    width = float(np.linalg.norm(np.ptp(corners, 0))) + 1e-6
    from_eyes = cv2.distanceTransform(apart, cv2.DIST_L2, 5) / width
    return faded(rendering, image_rgb, smoothstep(np.asarray(from_eyes / AT_REST, np.float32)))


def faded(rendering: Rendering, image_rgb: ByteArray, share: FloatArray) -> Rendering:
    """A rendering of which so much is seen (float32 h x w, 0 to 1), over a uint8 H x W x 3 picture."""
    before = image_rgb[rendering.rows, rendering.columns]
    change = share[..., None] * (rendering.image_rgb - before.astype(np.float32))
    mixed = np.rint(before + change).astype(np.uint8)
    return replace(rendering, image_rgb=mixed, changed=rendering.changed & (mixed != before).any(2))


def remoteness(rows: slice, columns: slice, face: Face) -> FloatArray:
    """How far pixels of a region are from a face's middle: 1 on the ellipse in its box."""
    x, y, w, h = face.box
    across = (np.arange(columns.start, columns.stop) - x - w / 2) / max(w / 2, 1)
    down = (np.arange(rows.start, rows.stop) - y - h / 2) / max(h / 2, 1)
    return np.asarray(np.hypot(across, down[:, None]), np.float32)


def ellipse(rows: slice, columns: slice, face: Face, margin: float) -> NDArray[np.bool_]:
    """The ellipse around a face's box, `margin` times its sides wider on each side, within a region."""
    x, y, w, h = face.box
    mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
    centre = round(x + w / 2 - columns.start), round(y + h / 2 - rows.start)
    axes = max(1, round((0.5 + margin) * w)), max(1, round((0.5 + margin) * h))
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 1, -1)
    return mask > 0


def smoothstep(x: FloatArray) -> FloatArray:
    """From 0 to 1 as x is, with no bend at either end."""
    x = np.clip(x, 0, 1)
    return (x * x * (3 - 2 * x)).astype(np.float32)
