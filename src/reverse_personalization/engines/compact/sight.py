"""What the guides see of a face whose codes change, and the way from them that they notice most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from reverse_personalization.engines.compact.codec import Decoding, Encoding, FaceCodec
from reverse_personalization.engines.compact.rendering import Renderer
from reverse_personalization.engines.compact.textures import Blurring
from reverse_personalization.faces import topology
from reverse_personalization.faces.alignment import arcface_crop, transform_points
from reverse_personalization.faces.compositing import paste
from reverse_personalization.faces.face import ByteArray, Face, FloatArray, Mesh
from reverse_personalization.identity.base import unit
from reverse_personalization.identity.dlib_gradient import DlibGradient, chip
from reverse_personalization.identity.kinds import kinds
from reverse_personalization.identity.sface_gradient import SFaceGradient

# What changes more slowly than over so many texels is light, and stays.
LIGHT_SCALE = 7.0


class Likeness(NamedTuple):
    """How alike different people are to a recogniser, so that two recognisers' words can be weighed.

    Attributes:
        mean: of similarities.
        spread: their standard deviation.
    """

    mean: float
    spread: float


class Kind(NamedTuple):
    """What stays of somebody on the way.

    Attributes:
        young: from 0, grown up, to 1, a child.
        feminine: from 0 to 1, a woman's.
    """

    young: float
    feminine: float


# Of all pairs of 60 held-out training faces.
BY_SFACE, BY_DLIB = Likeness(0.106, 0.108), Likeness(0.585, 0.057)
# A way is gone in strides until a face can be expected to be so unlike the source, on both recognisers' average and in
# standard deviations of what different people are, as slopes keep such a share of themselves over a stride: all of
# them so long at least and, in equal parts, at most, in standard deviations of codes. Strangers lie around 0; what goes
# beyond is for recognisers that see other things.
UNLIKE, KEPT_SLOPE = -6.0, 0.65
SHORTEST, FARTHEST = 5.0, 35.0
# How many times what children, or women, have in common is taken off whom they walk away from: walks lead to men of
# middle age, so once would not always do.
LESS_OF_A_KIND: Final = {"sface": Kind(1.25, 0.5), "dlib-resnet": Kind(3.0, 1.0)}
# So many strides at most; in a hurry, fewer.
MOST_STRIDES, FEW_STRIDES = 5, 2
# Levels of a picture for each unit of a texture.
LEVELS = 255.0
# From codes (float32 d) to a likeness, and how it follows them (float32 d).
Noticing = Callable[[FloatArray], tuple[float, FloatArray]]
# From what codes make of a face to a likeness, and how it follows the texture (float32 SIZE x SIZE x 3).
Looking = Callable[[Decoding], tuple[float, FloatArray]]
UNMOVED: FloatArray = np.zeros((topology.VERTICES, 2), np.float32)


@dataclass(frozen=True, eq=False)
class View:
    """A face as a recogniser looks at it.

    Attributes:
        crop_rgb: uint8 h x h x 3, aligned.
        mesh: in the crop's pixels.
    """

    crop_rgb: ByteArray
    mesh: Mesh

    @classmethod
    def through(cls, crop_rgb: ByteArray, matrix: FloatArray, mesh: Mesh) -> View:
        """The view in a crop to which a 2 x 3 transform leads from the mesh's picture."""
        depth = mesh.vertices[:, 2:] * np.sqrt(abs(np.linalg.det(matrix[:, :2])))
        vertices = np.concatenate([transform_points(matrix, mesh.points), depth], 1)
        return cls(crop_rgb, Mesh(vertices.astype(np.float32), mesh.score))


class Views(NamedTuple):
    """A face as both guides look at it."""

    sface: View
    dlib: View

    @classmethod
    def of(cls, image_rgb: ByteArray, face: Face, mesh: Mesh) -> Views:
        """The views of a face in a uint8 H x W x 3 picture."""
        cuts = arcface_crop(image_rgb, face.keypoints), chip(image_rgb, mesh)
        return cls(*(View.through(*cut, mesh) for cut in cuts))


class Known(NamedTuple):
    """Somebody's embeddings, float32 128 each: SFace's, a unit vector, and that of dlib's network."""

    sface: FloatArray
    dlib: FloatArray

    def apart_from(self, kind: Kind) -> Known:
        """Whom faces walk away from that stay of a kind: from what is somebody's own, not from what is the kind's."""
        return Known(unit(self.sface - _shared("sface", kind)), self.dlib - _shared("dlib-resnet", kind))


def _shared(recogniser: str, kind: Kind) -> FloatArray:
    """What to take off an embedding (float32 128), so that a walk away from it does not leave a kind."""
    fitted, times = kinds(recogniser), LESS_OF_A_KIND[recogniser]
    if fitted is None:
        raise KeyError(recogniser)
    child, woman = np.asarray(fitted.child, np.float32), np.asarray(fitted.woman, np.float32)
    return times.young * kind.young * child + times.feminine * kind.feminine * woman


class Sight:
    """SFace and dlib's ResNet, and how what they see follows codes; not for several threads at a time."""

    def __init__(self, codec: FaceCodec, renderer: Renderer, *, strides: int) -> None:
        """Take what makes codes a picture, and how many strides a way has at most."""
        self._codec, self._renderer, self._strides = codec, renderer, strides
        self._sface, self._dlib = SFaceGradient(), DlibGradient()
        self._blurred = Blurring(codec.frame.modelled.astype(np.float32))

    def away(
        self,
        views: Views,
        encoding: Encoding,
        start: FloatArray,
        known: Known,
        *,
        never: FloatArray,
        within: Callable[[FloatArray], FloatArray],
    ) -> FloatArray:
        """Codes, float32 d, to which a face walks as it loses its likeness to somebody, until little of it is left.

        Args:
            views: of the face as it was.
            encoding: the face taken apart.
            start: float32 d, codes to start from.
            known: whom it is not to be like.
            never: float32 d x k, orthonormal: what stays.
            within: brings codes back to what faces have.
        """
        here, gone, noticing = start, 0.0, self._noticing(views, encoding, known)
        for _ in range(self._strides):
            likeness, noticed = noticing(here)
            noticed = noticed - never @ (never.T @ noticed)
            slope = max(float(np.linalg.norm(noticed)), 1e-6)
            left = (likeness - UNLIKE) / (KEPT_SLOPE * slope)
            length = min(max(left, SHORTEST - gone), FARTHEST / self._strides)
            if length <= 0:
                break
            here = within(np.asarray(here - length / slope * noticed, np.float32))
            gone += length
            if length >= left:
                break
        return here

    def _noticing(self, views: Views, encoding: Encoding, known: Known) -> Noticing:
        """What tells a face's likeness to somebody, and how it follows codes, apart from the light that they change."""
        looks = (
            self._looking(views.sface, encoding, lambda crop: self._sface(crop, known.sface), BY_SFACE),
            self._looking(views.dlib, encoding, lambda crop: self._dlib(crop, known.dlib), BY_DLIB),
        )

        def noticed(codes: FloatArray) -> tuple[float, FloatArray]:
            decoding = self._codec.decode(encoding, codes)
            likenesses, slopes = zip(*(look(decoding) for look in looks), strict=True)
            of_texels = np.mean(slopes, 0)
            of_codes = self._codec.follow(encoding, of_texels - self._blurred(of_texels, LIGHT_SCALE))
            return float(np.mean(likenesses)), of_codes

        return noticed

    def _looking(
        self, view: View, encoding: Encoding, see: Callable[[ByteArray], tuple[float, FloatArray]], usual: Likeness
    ) -> Looking:
        """What tells how one recogniser, which `see`s crops, finds a face, where 0 is `usual` of different people."""
        laid = self._renderer.laid(view.crop_rgb, view.mesh, encoding.coverage, UNMOVED)
        gathered = self._codec.frame.gathering(view.mesh.points)
        changing = LEVELS / usual.spread * (encoding.coverage * self._renderer.fade)[..., None]

        def looked(decoding: Decoding) -> tuple[float, FloatArray]:
            similarity, of_pixels = see(paste(view.crop_rgb, laid.drawn(decoding.texture, renewal=decoding.renewal)))
            return (similarity - usual.mean) / usual.spread, changing * gathered(of_pixels)

        return looked
