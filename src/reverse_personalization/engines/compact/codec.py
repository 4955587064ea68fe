"""Canonical face space: a face as few numbers, and a change of those numbers as a change of the face.

The mesh takes a face apart into *placement* (a similarity, which holds pose and size), *shape* (the mesh
without placement) and *texture* (what lies on the mesh, in the canonical frame, with tone and contrast
divided out). Shape and texture are linear in the codes, which are standardised: a standard normal vector is
a face. Only differences of codes are decoded, so an unchanged code leaves every pixel as it was; the detail
that the codes do not hold stays in the picture, the less the farther the codes move.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reverse_personalization.engines.compact.frame import SIZE, CanonicalFrame
from reverse_personalization.faces import topology
from reverse_personalization.faces.alignment import similarity_transform
from reverse_personalization.faces.compositing import smoothstep
from reverse_personalization.faces.face import ByteArray, FloatArray, Mesh

# Chroma is worth less than luma to the eye and to recognisers.
CHROMA_WEIGHT = 0.7
LEAST_CONTRAST = 0.04
LEAST_LUMA = 0.1
# Variance of a texel that the codes do not hold (luma has variance 1): the prior's weight in the fit.
TEXEL_NOISE = 0.3
# One texel of so many stands for its neighbours, and texels that miss less than this count as seen.
SPARSE, HARDLY = 3, 0.1
# Residuals of this many standard deviations are something on the face, not the face: hair, frames, hands.
OUTLIER = 2.5
# Distance of codes (root mean square) at which what is left of the source's own detail falls to 1 / e: fine
# lines are somebody's too, and would draw the old brows over the new ones.
DETAIL_FADE = 0.8
# Detail finer than so many texels stays on the skin, where it tells of age and camera more than of somebody.
SKIN_SCALE = 3.0
# Distances at which a change begins to be bold, and is: so well is somebody known that more must change.
NEAR, FAR = 1.35, 1.95
# What changes more slowly than over so many texels is the scene's light and its tint, and stays.
LIGHT_SCALE, TINT_SCALE = 7.0, 8.0
# By how many standard deviations of luma a change may make skin brighter or darker than the skin around it, and the
# share that stays of what goes beyond: new brows are no darker than the face's own hair, and what shines is the light.
SHINE, SHADE = 0.3, 0.7
SHINING, SHADY = 0.1, 0.2


@dataclass(frozen=True, eq=False)
class Tone:
    """What is divided out of a texture, and stays with the picture.

    Attributes:
        luma: mean luma, 0 to 1.
        contrast: standard deviation of luma.
        chroma: float32 2, mean B - Y and mean R - Y.
    """

    luma: float
    contrast: float
    chroma: FloatArray


@dataclass(frozen=True, eq=False)
class Encoding:
    """A face taken apart.

    Attributes:
        codes: float32 d, standardised.
        placement: float32 3 x 4, the similarity from picture to canonical coordinates.
        tone: what was divided out of the texture.
        coverage: float32 SIZE x SIZE, 0 to 1: where the face is seen, and is what the codes say.
        detail: float32 SIZE x SIZE x 3 RGB, in units of the picture's 0 to 1: the texture that the codes do
            not hold.
    """

    codes: FloatArray
    placement: FloatArray
    tone: Tone
    coverage: FloatArray
    detail: FloatArray

    @property
    def scale(self) -> float:
        """Canonical units a pixel; the placement's rotation is undone by its transpose over this, squared."""
        return float(np.cbrt(np.linalg.det(self.placement[:, :3])))

    def distance(self, codes: FloatArray) -> float:
        """Of codes from the face's own, root mean square."""
        return float(np.sqrt(((codes - self.codes) ** 2).mean()))

    def boldness(self, codes: FloatArray) -> float:
        """0 for codes near the face's own, 1 for codes far from it, for which skin and lids must give way."""
        return float(smoothstep(np.array((self.distance(codes) - NEAR) / (FAR - NEAR), np.float32)))


class FaceCodec:
    """Encodes meshed faces and decodes differences of codes."""

    def __init__(self, tensors: Mapping[str, NDArray[np.floating]]) -> None:
        """Take the codec's tensors.

        Args:
            tensors: `mean_shape` 468 x 3; `shape_basis` s x 1404 and `texture_basis` t x p, whose rows are
                one standard deviation of a component; `mean_texture` p; `rotation` (t + s) x (t + s),
                orthonormal, from components (texture first) to codes; `kept` t + s, 1 for the codes that
                hold pose, expression and light, else 0.
        """
        self._tensors = {name: np.asarray(tensor, np.float32) for name, tensor in tensors.items()}
        self.frame = CanonicalFrame(self.mean_shape)
        self._shape_variance = (self._tensors["shape_basis"] ** 2).sum(1)
        self._gram: FloatArray = self._tensors["texture_basis"] @ self._tensors["texture_basis"].T
        self._sparse_basis = np.ascontiguousarray(self._tensors["texture_basis"][:, ::SPARSE])

    @property
    def dimensions(self) -> int:
        """Length of a code."""
        return len(self._tensors["rotation"])

    @property
    def mean_shape(self) -> FloatArray:
        """float32 468 x 3, canonical units; the eyes' outer corners are one apart."""
        return self._tensors["mean_shape"]

    @property
    def kept(self) -> FloatArray:
        """float32 d, 1 for the codes that hold pose, expression and light, which are nobody's; else 0."""
        return self._tensors["kept"]

    def encode(self, image_rgb: ByteArray, mesh: Mesh) -> Encoding:
        """Take a meshed face of a uint8 H x W x 3 picture apart."""
        placement, shape = place(mesh, self.mean_shape)
        visible = self.frame.visibility(mesh, image_rgb.shape[:2])
        texture, tone = normalise(self.frame.sample(image_rgb, mesh.points), visible * self.frame.modelled)
        residual = pack(texture, self.frame) - self._tensors["mean_texture"]
        seen = pack_mask(visible, self.frame)
        components = self._fit(residual, seen)
        explained = self._explained(residual - components @ self._tensors["texture_basis"], visible)
        if (explained < 1).any():
            components = self._fit(residual, seen * pack_mask(explained, self.frame))
        left = unpack(residual - components @ self._tensors["texture_basis"], self.frame)
        offset = (shape - self.mean_shape).ravel()
        of_shape = self._tensors["shape_basis"] @ offset / self._shape_variance
        codes = self._tensors["rotation"] @ np.concatenate([components, of_shape])
        return Encoding(codes.astype(np.float32), placement, tone, visible * explained, denormalise(left, tone))

    def decode_difference(self, encoding: Encoding, codes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What moving from `encoding.codes` to `codes` changes.

        Returns:
            The texture's change, float32 SIZE x SIZE x 3 RGB in units of the picture's 0 to 1, and the mesh's
            change, float32 468 x 3 in pixels of the picture.
        """
        components = self._tensors["rotation"].T @ (codes - encoding.codes)
        of_texture = len(self._tensors["texture_basis"])
        packed = components[:of_texture] @ self._tensors["texture_basis"]
        offset = (components[of_texture:] @ self._tensors["shape_basis"]).reshape(topology.VERTICES, 3)
        faded = 1 - np.exp(-encoding.distance(codes) / DETAIL_FADE)
        seen = encoding.coverage * self.frame.modelled
        drawn = unpack(packed, self.frame)
        drawn -= self._light(drawn, seen)
        caution = np.float32(1 - encoding.boldness(codes))
        lost = np.float32(faded) * (encoding.detail - caution * self._grain(encoding.detail, seen))
        return denormalise(drawn, encoding.tone) - lost, offset @ encoding.placement[:, :3] / encoding.scale**2

    def tempered(self, encoding: Encoding, codes: FloatArray, change: FloatArray) -> FloatArray:
        """A change of texture (SIZE x SIZE x 3 RGB) that hardly leaves the range of the skin around, or the face's own.

        The bolder the codes are, the more of it stays: for a face so well known that it must.
        """
        source, contrast = self._explained_by(encoding.codes), encoding.tone.contrast
        luma = _luma(denormalise(source, encoding.tone) + encoding.detail)[..., None]
        around = smooth(luma, encoding.coverage * self.frame.modelled, LIGHT_SCALE)
        moved = _luma(change)[..., None]
        shine = np.maximum(luma + moved - np.maximum(around + SHINE * contrast, luma), 0)
        shade = np.minimum(luma + moved - np.minimum(around - SHADE * contrast, luma), 0)
        excess = (1 - SHINING) * shine + (1 - SHADY) * shade  # of the sign of `moved`, and smaller
        share = np.divide(excess, moved, out=np.zeros_like(moved), where=excess != 0)
        return np.asarray(change * (1 - (1 - encoding.boldness(codes) ** 2) * share), np.float32)

    def _explained_by(self, codes: FloatArray) -> FloatArray:
        """The texture that codes stand for, SIZE x SIZE x 3."""
        components = (self._tensors["rotation"].T @ codes)[: len(self._tensors["texture_basis"])]
        packed = self._tensors["mean_texture"] + components @ self._tensors["texture_basis"]
        return unpack(np.asarray(packed, np.float32), self.frame)

    def _light(self, change: FloatArray, seen: FloatArray) -> FloatArray:
        """What of a change of luma and chroma would be a change of the light."""
        luma, chroma = change[..., :1], change[..., 1:]
        return np.concatenate([smooth(luma, seen, LIGHT_SCALE), smooth(chroma, seen, TINT_SCALE)], 2)

    def _grain(self, detail: FloatArray, seen: FloatArray) -> FloatArray:
        """What of the detail is the grain of the skin."""
        return self.frame.skin[..., None] * (detail - smooth(detail, seen, SKIN_SCALE))

    def _fit(self, residual: FloatArray, seen: FloatArray) -> FloatArray:
        """Most probable components given the texels that are seen (ridge regression)."""
        missing = 1 - seen[::SPARSE]
        hidden = np.flatnonzero(missing > HARDLY)
        columns = self._sparse_basis[:, hidden]
        gram = self._gram - SPARSE * (columns * missing[hidden]) @ columns.T
        gram[np.diag_indices_from(gram)] += TEXEL_NOISE
        return np.asarray(np.linalg.solve(gram, self._tensors["texture_basis"] @ (seen * residual)), np.float32)

    def _explained(self, residual: FloatArray, visible: FloatArray) -> FloatArray:
        """Where the codes explain the texture, float32 SIZE x SIZE, 0 or 1 with soft borders."""
        error = np.abs(unpack(residual, self.frame)[..., 0]) * visible
        error = np.asarray(cv2.GaussianBlur(error, (0, 0), 2.0), np.float32)
        spread = float(np.sqrt((error[self.frame.modelled] ** 2).mean())) + 1e-6
        outlier = cv2.dilate((error > OUTLIER * max(spread, 0.15)).astype(np.float32), np.ones((5, 5)))
        return np.asarray(1 - cv2.GaussianBlur(outlier, (0, 0), 1.5), np.float32)


def place(mesh: Mesh, mean_shape: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The placement of a mesh (3 x 4, picture to canonical), and the mesh in canonical coordinates."""
    rigid = list(topology.RIGID)
    placement = similarity_transform(mesh.vertices[rigid], mean_shape[rigid])
    return placement, mesh.vertices @ placement[:, :3].T + placement[:, 3]


def normalise(texture_rgb: FloatArray, seen: FloatArray) -> tuple[FloatArray, Tone]:
    """Divide tone and contrast out of a float SIZE x SIZE x 3 RGB texture; gives luma, B - Y, R - Y."""
    luma = _luma(texture_rgb)
    chroma = texture_rgb[..., [2, 0]] - luma[..., None]
    weight = seen / max(float(seen.sum()), 1e-6)
    mean = float((luma * weight).sum())
    contrast = float(np.sqrt(((luma - mean) ** 2 * weight).sum()))
    tone = Tone(
        luma=max(mean, LEAST_LUMA),
        contrast=max(contrast, LEAST_CONTRAST),
        chroma=(chroma * weight[..., None]).sum((0, 1)).astype(np.float32),
    )
    planes = ((luma - mean) / tone.contrast, *np.moveaxis((chroma - tone.chroma) / tone.luma, 2, 0))
    return np.stack(planes, 2).astype(np.float32), tone


def denormalise(change: FloatArray, tone: Tone) -> FloatArray:
    """The RGB change, in units of 0 to 1, that a change of luma, B - Y and R - Y stands for."""
    luma = change[..., 0] * tone.contrast
    blue, red = change[..., 1] * tone.luma, change[..., 2] * tone.luma
    green = -(0.299 * red + 0.114 * blue) / 0.587
    return luma[..., None] + np.stack([red, green, blue], 2)


def _luma(texture_rgb: FloatArray) -> FloatArray:
    """Of RGB, SIZE x SIZE."""
    return np.asarray(texture_rgb @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def smooth(texture: FloatArray, seen: FloatArray, scale: float) -> FloatArray:
    """A SIZE x SIZE x k texture blurred by a Gaussian of `scale` texels, where it is seen."""
    total = cv2.GaussianBlur(texture * seen[..., None], (0, 0), scale).reshape(texture.shape)
    return np.asarray(total / (cv2.GaussianBlur(seen, (0, 0), scale)[..., None] + 1e-3), np.float32)


def pack(texture: FloatArray, frame: CanonicalFrame) -> FloatArray:
    """The modelled texels as one vector: luma at full, chroma at half resolution."""
    chroma = CHROMA_WEIGHT * _halved(frame, texture[..., 1:])
    return np.concatenate([texture[..., 0][frame.modelled], chroma.T.ravel()]).astype(np.float32)


def pack_mask(mask: FloatArray, frame: CanonicalFrame) -> FloatArray:
    """A SIZE x SIZE mask in the order of `pack`."""
    of_chroma = _halved(frame, mask)
    return np.concatenate([mask[frame.modelled], of_chroma, of_chroma]).astype(np.float32)


def unpack(packed: FloatArray, frame: CanonicalFrame) -> FloatArray:
    """Undo `pack`: float32 SIZE x SIZE x 3, zero where nothing is modelled."""
    luma = np.zeros((SIZE, SIZE), np.float32)
    count = int(frame.modelled.sum())
    luma[frame.modelled] = packed[:count]
    small = np.zeros((SIZE // 2, SIZE // 2, 2), np.float32)
    modelled = frame.modelled[::2, ::2]
    small[modelled] = packed[count:].reshape(2, -1).T / CHROMA_WEIGHT
    chroma = cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    return np.concatenate([luma[..., None], chroma], 2)


def _halved(frame: CanonicalFrame, full: FloatArray) -> FloatArray:
    """The modelled texels of a picture at half its resolution."""
    half = cv2.resize(full, (SIZE // 2, SIZE // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(half[frame.modelled[::2, ::2]], np.float32)
