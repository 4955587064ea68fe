"""The mesh's topology: which of its 468 vertices are which part of a face, and its triangles.

Vertex numbers and edges are those of MediaPipe's face mesh (Apache-2.0); `data/triangles.npy` holds the 852
triangles that its published edges enclose. "Left" and "right" are the subject's.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

VERTICES = 468

FACE_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
# Lids run from the outer to the inner corner and back, upper lid last.
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
RIGHT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
LEFT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
# Of the eyes, the outer one first.
RIGHT_CORNERS, LEFT_CORNERS = (33, 133), (263, 362)
NOSE_TIP, NOSE_BASE = 1, 2
CHIN = 152

# Little moved by expression: forehead, nose bridge, eye corners, temples.
RIGID = (10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 33, 133, 362, 263, 127, 356, 234, 454, 54, 284, 109, 338)


def _fill(ring: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Triangles of a hole whose ring runs along one lip and back along the other."""
    half = len(ring) // 2
    near, far = ring[: half + 1], (ring[0], *ring[:half:-1], ring[half])
    quads = [(near[i], near[i + 1], far[i], far[i + 1]) for i in range(half)]
    return [t for a, b, c, d in quads for t in ((a, b, d), (a, d, c)) if len(set(t)) == 3]


@cache
def triangles() -> NDArray[np.int32]:
    """int32 n x 3: the surface, with the eye openings and the mouth closed."""
    with (files("reverse_personalization.faces") / "data" / "triangles.npy").open("rb") as file:
        surface = np.load(file).astype(np.int32)
    holes = [triangle for ring in (RIGHT_EYE, LEFT_EYE, INNER_LIPS) for triangle in _fill(ring)]
    return np.concatenate([surface, np.array(holes, np.int32)])
