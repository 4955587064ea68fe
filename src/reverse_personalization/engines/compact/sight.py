"""What the guide sees of a face whose codes change, and the way from them that it notices most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reverse_personalization.engines.compact.codec import Encoding, FaceCodec
from reverse_personalization.engines.compact.rendering import Renderer
from reverse_personalization.engines.compact.textures import smooth
from reverse_personalization.faces import topology
from reverse_personalization.faces.alignment import arcface_crop, transform_points
from reverse_personalization.faces.compositing import paste
from reverse_personalization.faces.face import ByteArray, Face, FloatArray, Mesh
from reverse_personalization.identity.sface import SFace
from reverse_personalization.identity.sface_gradient import SFaceGradient

# What changes more slowly than over so many texels is light, and stays.
LIGHT_SCALE = 7.0
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

    def __init__(self, codec: FaceCodec, renderer: Renderer, recogniser: SFace) -> None:
        """Take what makes codes a picture, and who looks at it."""
        self._codec, self._renderer, self._recogniser = codec, renderer, recogniser
        self._gradient = SFaceGradient()
        self._modelled = codec.frame.modelled.astype(np.float32)

    def away(
        self, view: View, encoding: Encoding, codes: FloatArray, own: FloatArray, *, length: float, never: FloatArray
    ) -> FloatArray:
        """The way from codes along which the face loses its likeness to somebody most, float32 d.

        Args:
            view: of the face as it was.
            encoding: the face taken apart.
            codes: float32 d, from where.
            own: float32 128, somebody's embedding, a unit vector.
            length: of the way, standard deviations of a code.
            never: float32 d x k, orthonormal: what stays.
        """
        noticed = self._noticed(view, encoding, codes, own)
        noticed = noticed - never @ (never.T @ noticed)
        return np.asarray(-length / max(float(np.linalg.norm(noticed)), 1e-9) * noticed, np.float32)

    def _noticed(self, view: View, encoding: Encoding, codes: FloatArray, own: FloatArray) -> FloatArray:
        """How the likeness follows the codes, apart from the light that they change, float32 d."""
        decoding = self._codec.decode(encoding, codes)
        face = view.crop_rgb, view.mesh, encoding.coverage, decoding.texture, UNMOVED
        seen = paste(view.crop_rgb, self._renderer.render(*face, renewal=decoding.renewal))
        embedding = self._recogniser.embed_crop(seen)
        length = max(float(np.linalg.norm(embedding)), 1e-6)
        here = embedding / length
        of_pixels = self._gradient(seen, np.asarray((own - (here @ own) * here) / length, np.float32))
        changing = (encoding.coverage * self._renderer.fade)[..., None]
        of_texels = changing * self._codec.frame.gathered(of_pixels, view.mesh.points)
        return self._codec.follow(encoding, of_texels - smooth(of_texels, self._modelled, LIGHT_SCALE))
