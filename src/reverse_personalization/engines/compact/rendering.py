"""From a change of the mesh and of its texture to pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from reverse_personalization.engines.compact.frame import SIZE, CanonicalFrame, polygons
from reverse_personalization.faces import topology
from reverse_personalization.faces.compositing import Rendering, smoothstep
from reverse_personalization.faces.face import ByteArray, FloatArray, Mesh
from reverse_personalization.faces.regions import region_mask
from reverse_personalization.faces.warping import interpolate, rasterise

# Texels over which a change fades toward the face's outline.
OUTLINE_FADE = 9.0
# Texels around the eyes that do not change, and over which the change begins: of a cautious and of a bold change.
EYE_MARGINS, EYE_FADES = (1.0, 0.0), (4.0, 1.5)
MOUTH_FADE = 3.0
# Texels around the eyes over which nothing is moved: gaze is a matter of fractions of a pixel.
EYE_REST = 8.0
# Share of the face's width over which the shape's change fades: the outline itself stays.
SHAPE_FADE = 0.22


class Renderer:
    """Applies changes of texture and shape to pictures."""

    def __init__(self, frame: CanonicalFrame, *, keep: Sequence[str] = ()) -> None:
        """Prepare the fades of the canonical frame; parts of the face named in `keep` never change."""
        self._frame, self._keep = frame, tuple(keep)
        inside = (frame.spread(np.ones((topology.VERTICES, 1), np.float32))[..., 0] > 0).astype(np.uint8)
        distance = np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, 5), np.float32)
        from_eyes = _distance(polygons(frame.vertices, topology.RIGHT_EYE, topology.LEFT_EYE))
        from_mouth = _distance(polygons(frame.vertices, topology.INNER_LIPS))
        inner = smoothstep(distance / OUTLINE_FADE) * smoothstep(from_mouth / MOUTH_FADE)
        margins = zip(EYE_MARGINS, EYE_FADES, strict=True)
        self._cautious, self._bold = (inner * smoothstep((from_eyes - margin) / fade) for margin, fade in margins)
        self.mobility = _mobility(frame.vertices)

    def render(
        self,
        image_rgb: ByteArray,
        mesh: Mesh,
        coverage: FloatArray,
        texture_change: FloatArray,
        shift: FloatArray,
        *,
        boldness: float,
    ) -> Rendering:
        """Change a face.

        Args:
            image_rgb: uint8 H x W x 3; not changed itself.
            mesh: of the face in that picture.
            coverage: float32 SIZE x SIZE, 0 to 1: where the face may change.
            texture_change: float32 SIZE x SIZE x 3 RGB, in units of 0 to 1.
            shift: float32 468 x 2, pixels that the mesh is moved by, where it is free to move.
            boldness: 0 to 1, how close to the eyes the change may go.
        """
        moved = mesh.points + self.mobility * shift
        rows, columns = _bounds(moved, image_rgb.shape[:2])
        origin = np.array([columns.start, rows.start], np.float32)
        size = rows.stop - rows.start, columns.stop - columns.start
        covered = rasterise(moved - origin, self._frame.triangles, size, mesh.vertices[:, 2])
        values = np.concatenate([mesh.points - moved, self._frame.vertices], 1)
        field = interpolate(covered, moved - origin, self._frame.triangles, values)
        texel_x, texel_y = field[..., 2], field[..., 3]
        seen = _look_up(coverage, texel_x, texel_y) * (covered >= 0)
        fade = (coverage * (self._cautious + boldness * (self._bold - self._cautious))).astype(np.float32)
        change = _look_up(texture_change * fade[..., None], texel_x, texel_y)
        change[covered < 0] = 0
        if self._keep:
            free = 1 - region_mask(self._keep, mesh.points - origin, size)
            seen, change = seen * free, change * free[..., None]
        shift = field[..., :2] * seen[..., None]
        before = image_rgb[rows, columns]
        warped = _warp(image_rgb, shift, origin)
        after = np.clip(np.rint(warped + 255 * change), 0, 255).astype(np.uint8)
        return Rendering(rows, columns, after, (after != before).any(2))


def _mobility(vertices: FloatArray) -> FloatArray:
    """How freely each vertex moves, 468 x 1: not at all on the outline and around the eyes."""

    def distance(ring: tuple[int, ...]) -> FloatArray:
        apart = vertices[:, None] - vertices[list(ring)][None]
        return np.asarray(np.linalg.norm(apart, axis=2).min(1), np.float32)

    of_outline = smoothstep(distance(topology.FACE_OVAL) / (SHAPE_FADE * SIZE))
    of_eyes = smoothstep(distance((*topology.RIGHT_EYE, *topology.LEFT_EYE)) / EYE_REST)
    return (of_outline * of_eyes)[:, None]


def _distance(mask: NDArray[np.bool_]) -> FloatArray:
    """Texels from what is in a mask."""
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def _bounds(points: FloatArray, size: tuple[int, int]) -> tuple[slice, slice]:
    low = np.floor(points.min(0)).astype(int)
    high = np.ceil(points.max(0)).astype(int) + 1
    left, right = (int(v) for v in np.clip([low[0], high[0]], 0, size[1]))
    top, bottom = (int(v) for v in np.clip([low[1], high[1]], 0, size[0]))
    return slice(top, bottom), slice(left, right)


def _look_up(canonical: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    return cast(FloatArray, cv2.remap(canonical, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))


def _warp(image_rgb: ByteArray, shift: FloatArray, origin: FloatArray) -> FloatArray:
    """The picture seen through a field of shifts, float32 h x w x 3; exact where the shift is zero."""
    height, width = shift.shape[:2]
    x = np.arange(width, dtype=np.float32) + origin[0] + shift[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + origin[1] + shift[..., 1]
    warped = cv2.remap(image_rgb, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return cast(FloatArray, warped.astype(np.float32))
