"""Putting parts back into pictures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reverse_personalization.faces.face import ByteArray, Face, FloatArray


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
