"""The paper's crop: a square turned with the face, from 33 landmarks, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import cv2
import numpy as np

from reverse_personalization.faces import topology
from reverse_personalization.faces.alignment import invert_transform, similarity_transform, transform_points
from reverse_personalization.faces.compositing import Rendering, smoothstep
from reverse_personalization.faces.face import ByteArray, FloatArray, Mesh
from reverse_personalization.faces.regions import region_mask

# Vertices of the mesh at points 17 to 48 and 54 of the 68-point scheme: brows, nose, eyes, mouth corners.
LANDMARKS: Final = (
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 197, 5, 4, 98, 97, 2, 326, 327),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380, 61, 291),
)
# The same points of dlib's average face (Boost licence), which spans the unit square.
_X: Final = (
    *(0.000213256, 0.0752622, 0.18113, 0.29077, 0.393397, 0.586856, 0.689483, 0.799124, 0.904991, 0.98004),
    *(0.490127, 0.490127, 0.490127, 0.490127, 0.36688, 0.426036, 0.490127, 0.554217, 0.613373, 0.121737),
    *(0.187122, 0.265825, 0.334606, 0.260918, 0.182743, 0.645647, 0.714428, 0.793132, 0.858516, 0.79751),
    *(0.719335, 0.254149, 0.726104),
)
_Y: Final = (
    *(0.106454, 0.038915, 0.0187482, 0.0344891, 0.0773906, 0.0773906, 0.0344891, 0.0187482, 0.038915),
    *(0.106454, 0.203352, 0.307009, 0.409805, 0.515625, 0.587326, 0.609345, 0.628106, 0.609345, 0.587326),
    *(0.216423, 0.178758, 0.179852, 0.231733, 0.245099, 0.244077, 0.231733, 0.179852, 0.178758, 0.216423),
    *(0.244077, 0.245099, 0.780233, 0.780233),
)
TEMPLATE: Final[FloatArray] = np.array([_X, _Y], np.float32).T
CENTRE: Final = (0.5, 0.43)
SIDE: Final = 2 * (0.40 * np.sqrt(2) + 0.5)
"""Side of the square in units of the template: 2.131."""
# Share of the face's width over which a result fades into the picture.
FADE = 0.08


@dataclass(frozen=True, eq=False)
class Crop:
    """A square of a picture.

    Attributes:
        matrix: float32 2 x 3, from picture to crop pixels.
        mesh: of the face, in the picture.
        image_rgb: uint8 S x S x 3; white outside the picture.
    """

    matrix: FloatArray
    mesh: Mesh
    image_rgb: ByteArray


def crop(image_rgb: ByteArray, mesh: Mesh, size: int) -> Crop:
    """The square around a meshed face, `size` pixels wide; its corners map to (0, 0) and (size, size)."""
    to_template = similarity_transform(mesh.points[list(LANDMARKS)], TEMPLATE)
    to_crop = np.array([[1, 0, SIDE / 2 - CENTRE[0]], [0, 1, SIDE / 2 - CENTRE[1]]]) * (size / SIDE)
    matrix = (to_crop @ np.vstack([to_template, [0, 0, 1]])).astype(np.float32)
    return Crop(matrix, mesh, _warped(image_rgb, matrix, (size, size)))


def paste_back(image_rgb: ByteArray, cut: Crop, generated_rgb: ByteArray, keep: Sequence[str] = ()) -> Rendering:
    """The part of the picture under the face's mask, from a crop made anew, fading toward the outline.

    Parts of the face named in `keep` are left out.
    """
    height, width = image_rgb.shape[:2]
    outline = cut.mesh.points[list(topology.FACE_OVAL)]
    left, top = np.clip(np.floor(outline.min(0)).astype(int), 0, (width, height))
    right, bottom = np.clip(np.ceil(outline.max(0)).astype(int) + 1, 0, (width, height))
    rows, columns = slice(int(top), int(bottom)), slice(int(left), int(right))
    before = image_rgb[rows, columns]
    if before.size == 0:
        return Rendering(rows, columns, before, np.zeros(before.shape[:2], bool))
    back = invert_transform(cut.matrix)
    back[:, 2] -= (left, top)
    face = _warped(generated_rgb, back, (before.shape[1], before.shape[0])).astype(np.float32)
    alpha = _mask(outline - (left, top), before.shape[:2])[..., None]
    if keep:
        alpha = alpha * (1 - region_mask(keep, cut.mesh.points - (left, top), before.shape[:2]))[..., None]
    after = np.rint(before + alpha * (face - before)).astype(np.uint8)
    return Rendering(rows, columns, after, (after != before).any(2))


def latent_mask(cut: Crop, keep: Sequence[str], shape: tuple[int, int]) -> FloatArray:
    """Where the named parts are in a latent of the crop, float32 h x w, 0 to 1."""
    side = len(cut.image_rgb)
    mask = region_mask(keep, transform_points(cut.matrix, cut.mesh.points), (side, side))
    return cast(FloatArray, cv2.resize(mask, shape[::-1], interpolation=cv2.INTER_AREA))


def _mask(outline: FloatArray, size: tuple[int, int]) -> FloatArray:
    """1 inside the face's outline, falling to 0 at it, float32 h x w."""
    inside = np.zeros((size[0] + 2, size[1] + 2), np.uint8)
    cv2.fillPoly(inside, [np.round(outline + 1).astype(np.int32)], 1)
    distance = np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, 5), np.float32)[1:-1, 1:-1]
    return smoothstep((distance - 1) / max(FADE * float(np.ptp(outline[:, 0])), 1.0))


def _warped(image_rgb: ByteArray, matrix: FloatArray, size: tuple[int, int]) -> ByteArray:
    """A picture through a similarity, width and height in `size`, antialiased where it shrinks."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale < 1:
        image_rgb = cast(ByteArray, cv2.GaussianBlur(image_rgb, (0, 0), 0.5 * np.sqrt(1 / scale**2 - 1) + 1e-3))
    warped = cv2.warpAffine(
        image_rgb,
        matrix,
        size,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(255,) * 3,
    )
    return cast(ByteArray, warped)
