"""From a mesh that moves, and a texture that is replaced, to pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from reverse_personalization.engines.compact.frame import SIZE, CanonicalFrame, distance, polygons
from reverse_personalization.engines.compact.grain import Grained, grain
from reverse_personalization.faces import topology
from reverse_personalization.faces.compositing import Rendering, smoothstep
from reverse_personalization.faces.face import ByteArray, FloatArray, Mesh
from reverse_personalization.faces.regions import region_mask
from reverse_personalization.faces.warping import interpolate, rasterise

# Texels over which a change fades toward the face's outline. Where a texel is smaller than such a share of a pixel, no
# seam shows, and it fades over fewer, down to such a share: else little of a small face would change.
OUTLINE_FADE, LARGE, LEAST_FADE = 9.0, 0.75, 0.5
# Texels around the eyes that do not change, and over which the change begins.
EYE_MARGIN, EYE_FADE = 0.0, 1.5
MOUTH_FADE = 3.0
# Photos have no edges from one pixel to the next: so many blur the borders of a change, but not more than so many
# texels, and those of noses before cheeks, where neighbours are so many times as many texels apart as elsewhere. Gaps
# up to so many pixels are closed there.
PIXEL_BLUR, MOST_BLUR, APART, CLOSED = 1.0, 1.5, 2.5, 5
# Texels around the eyes over which nothing is moved: gaze is a matter of fractions of a pixel.
EYE_REST = 8.0
# A mouth moves as its least seen parts do, but for this share of it.
LEAST_OF_MOUTH = 0.05
# Share of the face's width over which the shape's change fades: the outline itself stays.
SHAPE_FADE = 0.22


@dataclass(frozen=True, eq=False)
class Laid:
    """A mesh laid on a picture, ready for textures.

    Attributes:
        rows: of the picture, that the mesh lies on.
        columns: likewise.
        before: uint8 h x w x 3, what is there.
        warped: float32 h x w x 3, the same with the mesh moved.
        texel_x: float32 h x w, which texel of a texture is seen.
        texel_y: likewise.
        share: float32 h x w, 0 to 1, how much may change at most.
        grain: float32 h x w x 3, of skin, hairs and camera.
        seams: float32 h x w, 0 to 1, edges of what the mesh hides a part of itself with, as far as they may change.
    """

    rows: slice
    columns: slice
    before: ByteArray
    warped: FloatArray
    texel_x: FloatArray
    texel_y: FloatArray
    share: FloatArray
    grain: FloatArray
    seams: FloatArray

    def drawn(self, texture_rgb: FloatArray, *, renewal: float) -> Rendering:
        """The picture with a texture on the mesh.

        Args:
            texture_rgb: float32 SIZE x SIZE x 3, 0 to 1, what is to be seen on the mesh.
            renewal: 0 to 1, how much of what was there it replaces.
        """
        new = 255 * _look_up(texture_rgb, self.texel_x, self.texel_y) + self.grain
        changed = self.warped + (renewal * self.share)[..., None] * (new - self.warped)
        if self.seams.any():
            blurred = cv2.GaussianBlur(changed, (0, 0), PIXEL_BLUR)
            changed += (renewal * self.seams)[..., None] * (blurred - changed)
        after = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
        return Rendering(self.rows, self.columns, after, (after != self.before).any(2))


class Renderer:
    """Draws new textures and shapes into pictures."""

    def __init__(self, frame: CanonicalFrame, *, keep: Sequence[str] = ()) -> None:
        """Prepare the fades of the canonical frame; parts of the face named in `keep` never change."""
        self._frame, self._keep = frame, tuple(keep)
        from_mouth = distance(polygons(frame.vertices, topology.INNER_LIPS))
        from_eyes = smoothstep((frame.from_eyes - EYE_MARGIN) / EYE_FADE)
        self._apart: FloatArray = np.asarray(smoothstep(from_mouth / MOUTH_FADE) * from_eyes, np.float32)
        self.fade = self._fading(OUTLINE_FADE)
        self._inner = smoothstep((frame.inward - OUTLINE_FADE) / OUTLINE_FADE)
        self.mobility = _mobility(frame.vertices)
        self._signs: FloatArray = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), (SIZE, SIZE))

    def _fading(self, outline: float) -> FloatArray:
        """How much of each texel may change, SIZE x SIZE, that fades over so many toward the outline."""
        return np.asarray(smoothstep(self._frame.inward / outline) * self._apart, np.float32)

    def laid(self, image_rgb: ByteArray, mesh: Mesh, coverage: FloatArray, shift: FloatArray) -> Laid:
        """A face whose texture is to change: worth keeping where it changes more than once.

        Args:
            image_rgb: uint8 H x W x 3; not changed itself.
            mesh: of the face in that picture.
            coverage: float32 SIZE x SIZE, 0 to 1: where the face may change.
            shift: float32 468 x 2, pixels that the mesh is moved by, where it is free to move.
        """
        moved = mesh.points + self.mobility * shift
        rows, columns = _bounds(moved, image_rgb.shape[:2])
        origin = np.array([columns.start, rows.start], np.float32)
        size = rows.stop - rows.start, columns.stop - columns.start
        covered = rasterise(moved - origin, self._frame.triangles, size, mesh.vertices[:, 2])
        values = np.concatenate([mesh.points - moved, self._frame.vertices], 1)
        field = interpolate(covered, moved - origin, self._frame.triangles, values)
        texel_x, texel_y = field[..., 2], field[..., 3]
        inside = covered >= 0

        def there(canonical: FloatArray) -> FloatArray:
            return _look_up(canonical, texel_x, texel_y) * inside

        across, down = np.ptp(moved, 0) / np.ptp(self._frame.vertices, 0)
        texel, large = float(across), float(max(across, down))
        fading = there(self._fading(OUTLINE_FADE * float(np.clip(large / LARGE, LEAST_FADE, 1))))
        seen = there(coverage)
        share = seen * cv2.GaussianBlur(fading, (0, 0), min(PIXEL_BLUR, MOST_BLUR * large))
        if self._keep:
            free = 1 - region_mask(self._keep, mesh.points - origin, size)
            seen, share = seen * free, share * free
        warped = _warp(image_rgb, field[..., :2] * self._moving(seen, texel_x, texel_y)[..., None], origin)
        frame = self._frame
        skin, bearded, brows = (there(one * coverage) for one in (frame.grained, frame.bearded, frame.brows))
        signs = _look_up(self._signs, texel_x, texel_y, cv2.INTER_NEAREST)
        grained = Grained(skin, bearded, brows, signs)
        # What is seen too obliquely to be trusted comes to no more than a line there, which would stay.
        closed = cv2.morphologyEx(share, cv2.MORPH_CLOSE, np.ones((CLOSED, CLOSED), np.uint8))
        seams = there(self._inner) * _seams(field[..., 2:], inside, APART / texel)
        share += seams * (closed - share)
        return Laid(
            rows,
            columns,
            image_rgb[rows, columns],
            warped,
            texel_x,
            texel_y,
            share,
            grain(warped, grained, texel),
            seams * closed,
        )

    def _moving(self, seen: FloatArray, texel_x: FloatArray, texel_y: FloatArray) -> FloatArray:
        """How much of a mesh's way is gone where it is `seen` (float32 h x w, like the result): by mouths as a whole.

        The few texels inside of closed lips are seen all over an open mouth: what lies on some would tear its teeth.
        """
        mouth = _look_up(self._frame.lips, texel_x, texel_y)
        inside = seen[mouth > 0.5]
        least = float(np.quantile(inside, LEAST_OF_MOUTH)) if inside.size else 1.0
        return np.asarray(seen + np.clip(mouth, 0, 1) * (np.minimum(seen, least) - seen), np.float32)


def _mobility(vertices: FloatArray) -> FloatArray:
    """How freely each vertex moves, 468 x 1: not at all on the outline and around the eyes."""

    def apart_from(ring: tuple[int, ...]) -> FloatArray:
        apart = vertices[:, None] - vertices[list(ring)][None]
        return np.asarray(np.linalg.norm(apart, axis=2).min(1), np.float32)

    of_outline = smoothstep(apart_from(topology.FACE_OVAL) / (SHAPE_FADE * SIZE))
    of_eyes = smoothstep(apart_from((*topology.RIGHT_EYE, *topology.LEFT_EYE)) / EYE_REST)
    return (of_outline * of_eyes)[:, None]


def _seams(texels: FloatArray, covered: NDArray[np.bool_], apart: float) -> FloatArray:
    """Where neighbours of what is covered (h x w) are so many texels (h x w x 2) apart, float32 h x w, 0 to 1."""
    found = np.zeros(covered.shape, np.uint8)
    beside, below = np.s_[:, 1:], np.s_[1:]
    for there, here in ((beside, np.s_[:, :-1]), (below, np.s_[:-1])):
        jumps = (np.linalg.norm(texels[there] - texels[here], axis=2) > apart) & covered[there] & covered[here]
        found[there] |= jumps
        found[here] |= jumps
    return np.asarray(cv2.GaussianBlur(cv2.dilate(found, np.ones((3, 3))).astype(np.float32), (0, 0), PIXEL_BLUR))


def _bounds(points: FloatArray, size: tuple[int, int]) -> tuple[slice, slice]:
    low = np.floor(points.min(0)).astype(int)
    high = np.ceil(points.max(0)).astype(int) + 1
    left, right = (int(v) for v in np.clip([low[0], high[0]], 0, size[1]))
    top, bottom = (int(v) for v in np.clip([low[1], high[1]], 0, size[0]))
    return slice(top, bottom), slice(left, right)


def _look_up(canonical: FloatArray, x: FloatArray, y: FloatArray, how: int = cv2.INTER_CUBIC) -> FloatArray:
    return cast(FloatArray, cv2.remap(canonical, x, y, how, borderMode=cv2.BORDER_REPLICATE))


def _warp(image_rgb: ByteArray, shift: FloatArray, origin: FloatArray) -> FloatArray:
    """The picture seen through a field of shifts, float32 h x w x 3; exact where the shift is zero."""
    height, width = shift.shape[:2]
    x = np.arange(width, dtype=np.float32) + origin[0] + shift[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + origin[1] + shift[..., 1]
    warped = cv2.remap(image_rgb, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return cast(FloatArray, warped.astype(np.float32))
