"""The canonical frame: a fixed picture plane on which every meshed face lies the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from reverse_personalization.faces import topology
from reverse_personalization.faces.compositing import smoothstep
from reverse_personalization.faces.face import ByteArray, FloatArray, Mesh
from reverse_personalization.faces.regions import REGIONS
from reverse_personalization.faces.warping import interpolate, rasterise

SIZE = 128
MARGIN = 4.0
# Texels around brows, eyes and lips that are not counted as skin, and around noses: below them shadows are moustaches.
BORDER, OF_NOSE = 5, 3
# A nose's tip has the structure of nostrils, its bridge that of skin: they part at this vertex, over so many texels.
ABOVE_TIP, PARTING = 195, 4.0
# Beards grow below this vertex.
UNDER_NOSE = 2
# Moustaches grow between wings of noses and corners of mouths.
OF_MOUSTACHES = 98, 327, 291, 61
# Texels around lips that are red.
OF_RED = 2
# Texels around lips whose colour may be that of lips.
NEAR_LIPS = 13
# Texels around brows that are dark with them, and whose skin they stand out from.
OF_BROWS, NEAR_BROWS = 3, 17
# So many texels from the outline hair may reach over a face.
HAIRLINE = 12.0
# Below this cosine between a triangle and its frontal self, a texel is seen too obliquely to be trusted.
OBLIQUE, FRONTAL = 0.15, 0.45


class CanonicalFrame:
    """The mean face, laid on SIZE x SIZE texels."""

    def __init__(self, mean_shape: FloatArray) -> None:
        """Lay out `mean_shape`, float32 468 x 3 in canonical units, as large as the frame allows."""
        plane = mean_shape[:, :2]
        low, high = plane.min(0), plane.max(0)
        self.texels_per_unit = float((SIZE - 2 * MARGIN) / (high - low).max())
        self._offset = SIZE / 2 - (low + high) / 2 * self.texels_per_unit
        self.vertices = self.to_texels(plane)
        self.triangles = topology.triangles()
        self._covered = rasterise(self.vertices, self.triangles, (SIZE, SIZE), mean_shape[:, 2])
        self._areas = _signed_areas(self.vertices[self.triangles])
        self.interior = polygons(self.vertices, topology.RIGHT_EYE, topology.LEFT_EYE, topology.INNER_LIPS)
        self.modelled: NDArray[np.bool_] = (self._covered >= 0) & ~self.interior
        self.inward = distance(~((self._covered >= 0) | self.interior))
        brows, eyes = (topology.RIGHT_BROW, topology.LEFT_BROW), (topology.RIGHT_EYE, topology.LEFT_EYE)
        self.from_eyes = distance(polygons(self.vertices, *eyes))
        self.lips = _soft(self.vertices, topology.OUTER_LIPS)
        self.features = *(_soft(self.vertices, part) for part in (*brows, *eyes)), self.lips
        nose = _soft(self.vertices, *REGIONS["nose"], border=OF_NOSE)
        below = np.arange(SIZE, dtype=np.float32)[:, None] - self.vertices[ABOVE_TIP, 1]
        tip = smoothstep(below / PARTING + 0.5)
        self.nose: tuple[FloatArray, ...] = nose * tip, nose * (1 - tip)
        self.plain: FloatArray = 1 - np.max(self.features, 0)
        self.skin: FloatArray = np.minimum(self.plain, 1 - nose)
        self.tinted: FloatArray = np.minimum(
            self.plain, 1 - _soft(self.vertices, topology.OUTER_LIPS, border=NEAR_LIPS)
        )
        self.grained: FloatArray = 1 - _soft(self.vertices, *eyes)
        below_nose = np.arange(SIZE, dtype=np.float32)[:, None] - self.vertices[UNDER_NOSE, 1]
        lower = smoothstep(below_nose / PARTING)
        self.bearded: FloatArray = np.asarray(lower * (1 - self.lips), np.float32)
        self.shaven: FloatArray = np.asarray(
            lower * (1 - _soft(self.vertices, topology.OUTER_LIPS, border=OF_RED)), np.float32
        )
        self.moustache: FloatArray = self.shaven * _soft(self.vertices, OF_MOUSTACHES)
        inner, around = (_soft(self.vertices, *brows, border=border) for border in (OF_BROWS, NEAR_BROWS))
        self.brows, self.near_brows = (one * self.modelled for one in (inner, around * self.skin))

    def to_texels(self, plane: FloatArray) -> FloatArray:
        """Canonical x, y (n x 2) as texel coordinates."""
        return np.asarray(plane * self.texels_per_unit + self._offset, np.float32)

    def spread(self, values: FloatArray) -> FloatArray:
        """Vertex values (468 x k) at every texel, float32 SIZE x SIZE x k."""
        return interpolate(self._covered, self.vertices, self.triangles, values)

    def sample(self, image_rgb: ByteArray, points: FloatArray) -> FloatArray:
        """What a picture shows on the mesh.

        Args:
            image_rgb: uint8 H x W x 3.
            points: float32 468 x 2, the mesh in the picture's pixels.

        Returns:
            float32 SIZE x SIZE x 3, 0 to 1, antialiased when the face is larger than the frame.
        """
        low = np.maximum(np.floor(points.min(0)).astype(int) - 2, 0)
        high = np.maximum(np.ceil(points.max(0)).astype(int) + 3, low + 1)
        crop = image_rgb[low[1] : high[1], low[0] : high[0]]
        if crop.size == 0:
            return np.zeros((SIZE, SIZE, 3), np.float32)
        shrink = max(1.0, float(np.ptp(points, axis=0).max()) / SIZE)
        size = max(1, round(crop.shape[1] / shrink)), max(1, round(crop.shape[0] / shrink))
        small = cv2.resize(crop, size, interpolation=cv2.INTER_AREA) if shrink > 1 else crop
        scale = np.array([small.shape[1] / crop.shape[1], small.shape[0] / crop.shape[0]])
        # Pixel centres, not corners, keep their place.
        grid = self.spread(((points - low + 0.5) * scale - 0.5).astype(np.float32))
        sampled = cv2.remap(small, grid[..., 0], grid[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return cast(FloatArray, sampled.astype(np.float32) / 255)

    def gathering(self, points: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """What tells how something follows the texture on a mesh, given how it follows a picture: drawing, transposed.

        Args:
            points: float32 468 x 2, the mesh in the picture's pixels.

        Returns:
            A function of float32 h x w x 3, by pixel, to float32 SIZE x SIZE x 3, by texel.
        """
        grid = self.spread(points)
        areas = np.maximum(_signed_areas(points[self.triangles]) / self._areas, 0)
        pixels = np.where(self._covered >= 0, areas[self._covered], 0).astype(np.float32)[..., None]

        def gathered(of_pixels: FloatArray) -> FloatArray:
            found = cv2.remap(of_pixels, grid[..., 0], grid[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
            return cast(FloatArray, found * pixels)

        return gathered

    def visibility(self, mesh: Mesh, size: tuple[int, int]) -> FloatArray:
        """How well each texel is seen: turned away and outside the picture count for nothing.

        Args:
            mesh: in the picture's pixels.
            size: height, width of the picture.

        Returns:
            float32 SIZE x SIZE, 0 to 1.
        """
        areas = _signed_areas(mesh.points[self.triangles])
        facing = areas / self._areas * (np.abs(self._areas).sum() / max(float(np.abs(areas).sum()), 1e-6))
        of_triangle = np.clip((facing - OBLIQUE) / (FRONTAL - OBLIQUE), 0, 1)
        seen = np.where(self._covered >= 0, of_triangle[self._covered], 0).astype(np.float32)
        grid = self.spread(mesh.points)
        inside = (grid >= 0).all(2) & (grid <= np.array([size[1] - 1, size[0] - 1])).all(2)
        return cast(FloatArray, cv2.GaussianBlur(seen * inside, (0, 0), 1.5))


def _signed_areas(corners: FloatArray) -> FloatArray:
    """Signed areas of t x 3 x 2 triangles."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return (0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])).astype(np.float32)


def distance(mask: NDArray[np.bool_]) -> FloatArray:
    """Texels from what is in a mask."""
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def _soft(vertices: FloatArray, *parts: tuple[int, ...], border: int = BORDER) -> FloatArray:
    """float32 SIZE x SIZE: 1 on the hulls of parts and somewhat around them, 0 elsewhere, with soft borders."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for part in parts:
        cv2.fillConvexPoly(mask, cv2.convexHull(np.round(vertices[list(part)]).astype(np.int32)), 1)
    around = cv2.dilate(mask, np.ones((border, border))).astype(np.float32)
    # A blur of ones may come out above one, and what is left of skin must not be negative.
    return np.minimum(cv2.GaussianBlur(around, (0, 0), border / 2), np.float32(1))


def polygons(vertices: FloatArray, *rings: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for ring in rings:
        cv2.fillPoly(mask, [np.round(vertices[list(ring)]).astype(np.int32)], 1)
    return mask > 0
