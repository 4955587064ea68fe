"""Pictures for the page: previews, numbered faces, crops; and what was painted on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np

from reverse_personalization.faces.face import ByteArray, Face

# Longer sides are scaled down for the page; files are not.
PREVIEW: Final = 1400
YELLOW: Final = (255, 210, 0)
Box = tuple[float, float, float, float]


def preview(image_rgb: ByteArray) -> ByteArray:
    """The picture as the page shows it, scaled down if it is large."""
    scale = PREVIEW / max(image_rgb.shape[:2])
    if scale >= 1:
        return image_rgb
    shown: ByteArray = cv2.resize(image_rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return shown


def numbered(image_rgb: ByteArray, faces: Sequence[Face]) -> ByteArray:
    """The preview with its faces numbered."""
    shown = preview(image_rgb).copy()
    scale = shown.shape[1] / image_rgb.shape[1]
    for number, face in enumerate(faces, 1):
        x, y, w, h = (round(v * scale) for v in face.box)
        size = face.size * scale
        thickness = max(2, round(size / 50))
        cv2.rectangle(shown, (x, y), (x + w, y + h), YELLOW, thickness)
        cv2.putText(
            shown, str(number), (x, max(y - 6, 16)), cv2.FONT_HERSHEY_SIMPLEX, size / 120 + 0.4, YELLOW, thickness
        )
    return shown


def crop(image_rgb: ByteArray, box: Box) -> ByteArray:
    """A face with some of what is around it, at most 240 pixels long."""
    x, y, w, h = box
    height, width = image_rgb.shape[:2]
    left, top = max(0, int(x - w / 4)), max(0, int(y - h / 4))
    right, bottom = min(width, int(x + 1.25 * w) + 1), min(height, int(y + 1.25 * h) + 1)
    part = image_rgb[top:bottom, left:right]
    scale = min(1.0, 240 / max(*part.shape[:2], 1))
    if not part.size or scale == 1:
        return part
    small: ByteArray = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return small


def painted_boxes(brushed: dict[str, Any] | None, size: tuple[int, int] | None = None) -> list[Box]:
    """Boxes, x, y, width and height, around what was painted on the layers of an image editor.

    Args:
        brushed: the editor's value.
        size: width and height of the photo, where its preview is smaller.
    """
    boxes: list[Box] = []
    for layer in (brushed or {}).get("layers") or ():
        painted = np.asarray(layer)
        if painted.ndim != 3 or painted.shape[2] != 4:
            continue
        across, down = (1.0, 1.0) if size is None else (size[0] / painted.shape[1], size[1] / painted.shape[0])
        _, _, stats, _ = cv2.connectedComponentsWithStats((painted[..., 3] > 0).astype(np.uint8))
        boxes += [
            (float(x) * across, float(y) * down, float(w) * across, float(h) * down) for x, y, w, h, _ in stats[1:]
        ]
    return boxes
