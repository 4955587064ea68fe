"""Parts of a face that may be kept as they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import cv2
import numpy as np

from reverse_personalization.faces import topology
from reverse_personalization.faces.face import FloatArray

NOSE: Final = (168, 193, 245, 188, 174, 236, 198, 209, 49, 48, 64, 98, 97, 2, 326, 327, 294, 278, 279)
NOSE_RIGHT: Final = (429, 420, 456, 399, 412, 465, 417)
# Rings and sets of vertices whose hulls are the parts, as in MediaPipe's mesh.
REGIONS: Final[dict[str, tuple[tuple[int, ...], ...]]] = {
    "eyes": (topology.RIGHT_EYE, topology.LEFT_EYE),
    "brows": (topology.RIGHT_BROW, topology.LEFT_BROW),
    "nose": ((*NOSE, *NOSE_RIGHT),),
    "mouth": (topology.OUTER_LIPS,),
}
# Shares of the face's width by which a part is widened, and over which it fades into what is new.
MARGIN, FADE = 0.03, 0.015


def region_mask(names: Iterable[str], points: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Where the named parts are.

    Args:
        names: keys of `REGIONS`.
        points: float32 468 x 2, the mesh in pixels.
        size: height, width.

    Returns:
        float32 h x w, 1 where a part is, falling to 0 around it.
    """
    inside = np.zeros(size, np.uint8)
    for ring in (ring for name in names for ring in REGIONS[name]):
        cv2.fillConvexPoly(inside, cv2.convexHull(np.round(points[list(ring)]).astype(np.int32)), 1)
    width = float(np.ptp(points[:, 0]))
    reach = 2 * round((MARGIN + FADE) * width) + 1
    widened = cv2.dilate(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    away = cv2.distanceTransform(widened, cv2.DIST_L2, 5)
    return np.asarray(np.clip(away / max(FADE * width, 1.0), 0, 1), np.float32)
