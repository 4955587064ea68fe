"""What the guide sees of a face whose codes change, and the way from them that it notices most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reverse_personalization.engines.compact.codec import Encoding, FaceCodec
from reverse_personalization.engines.compact.rendering import Renderer
from reverse_personalization.engines.compact.textures import Blurring
from reverse_personalization.faces import topology
from reverse_personalization.faces.alignment import arcface_crop, transform_points
from reverse_personalization.faces.compositing import paste
from reverse_personalization.faces.face import ByteArray, Face, FloatArray, Mesh
from reverse_personalization.identity.sface_gradient import SFaceGradient

# What changes more slowly than over so many texels is light, and stays.
LIGHT_SCALE = 7.0
# A way is gone in strides until the cosine can be expected to be so low, as slopes keep such a share of themselves over
# a stride: each so long at most, in standard deviations, and all of them so long at least. Strangers' cosines lie
# around 0; what goes beyond is for recognisers that see other things.
UNLIKE, KEPT_SLOPE = -0.55, 0.65
LONGEST, SHORTEST = 7.0, 5.0
# So many strides at most; in a hurry, fewer.
MOST_STRIDES, FEW_STRIDES = 5, 3
# Levels of a picture for each unit of a texture.
LEVELS = 255.0
# From codes (float32 d) to a likeness, and how it follows them (float32 d).
Noticing = Callable[[FloatArray], tuple[float, FloatArray]]
UNMOVED: FloatArray = np.zeros((topology.VERTICES, 2), np.float32)


@dataclass(frozen=True, eq=False)
class View:
    """A face as a recogniser looks at it.

    Attributes:
        crop_rgb: uint8 112 x 112 x 3, on ArcFace's template.
        mesh: in the crop's pixels.
    """

    crop_rgb: ByteArray
    mesh: Mesh

    @classmethod
    def of(cls, image_rgb: ByteArray, face: Face, mesh: Mesh) -> View:
        """The view of a face in a uint8 H x W x 3 picture."""
        crop, matrix = arcface_crop(image_rgb, face.keypoints)
        depth = mesh.vertices[:, 2:] * np.sqrt(abs(np.linalg.det(matrix[:, :2])))
        vertices = np.concatenate([transform_points(matrix, mesh.points), depth], 1)
        return cls(crop, Mesh(vertices.astype(np.float32), mesh.score))


class Sight:
    """SFace, told not only what it sees, but also how that follows codes; not for several threads at a time."""

    def __init__(self, codec: FaceCodec, renderer: Renderer, *, strides: int = MOST_STRIDES) -> None:
        """Take what makes codes a picture, and how many strides a way has at most."""
        self._codec, self._renderer, self._strides = codec, renderer, strides
        self._gradient = SFaceGradient()
        self._blurred = Blurring(codec.frame.modelled.astype(np.float32))

    def away(
        self,
        view: View,
        encoding: Encoding,
        start: FloatArray,
        own: FloatArray,
        *,
        never: FloatArray,
        within: Callable[[FloatArray], FloatArray],
    ) -> FloatArray:
        """Codes, float32 d, to which a face walks as it loses its likeness to somebody, until little of it is left.

        Args:
            view: of the face as it was.
            encoding: the face taken apart.
            start: float32 d, codes to start from.
            own: float32 128, somebody's embedding, a unit vector.
            never: float32 d x k, orthonormal: what stays.
            within: brings codes back to what faces have.
        """
        here, gone, noticing = start, 0.0, self._noticing(view, encoding, own)
        for _ in range(self._strides):
            likeness, noticed = noticing(here)
            noticed = noticed - never @ (never.T @ noticed)
            slope = max(float(np.linalg.norm(noticed)), 1e-6)
            left = (likeness - UNLIKE) / (KEPT_SLOPE * slope)
            length = min(max(left, SHORTEST - gone), LONGEST)
            if length <= 0:
                break
            here = within(np.asarray(here - length / slope * noticed, np.float32))
            gone += length
            if length >= left:
                break
        return here

    def _noticing(self, view: View, encoding: Encoding, own: FloatArray) -> Noticing:
        """What tells a face's likeness to somebody, and how it follows codes, apart from the light that they change."""
        laid = self._renderer.laid(view.crop_rgb, view.mesh, encoding.coverage, UNMOVED)
        gathered = self._codec.frame.gathering(view.mesh.points)
        changing = LEVELS * (encoding.coverage * self._renderer.fade)[..., None]

        def noticed(codes: FloatArray) -> tuple[float, FloatArray]:
            decoding = self._codec.decode(encoding, codes)
            seen = paste(view.crop_rgb, laid.drawn(decoding.texture, renewal=decoding.renewal))
            likeness, of_pixels = self._gradient(seen, own)
            of_texels = changing * gathered(of_pixels)
            return likeness, self._codec.follow(encoding, of_texels - self._blurred(of_texels, LIGHT_SCALE))

        return noticed
