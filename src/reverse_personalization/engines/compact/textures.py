"""Textures in the canonical frame: their tone, and the order in which the codec has their texels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from reverse_personalization.engines.compact.frame import SIZE, CanonicalFrame
from reverse_personalization.faces.face import FloatArray

# Chroma is worth less than luma to the eye and to recognisers.
CHROMA_WEIGHT = 0.7
LEAST_CONTRAST = 0.04
LEAST_LUMA = 0.1


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


def normalise(texture_rgb: FloatArray, seen: FloatArray) -> tuple[FloatArray, Tone]:
    """Divide tone and contrast out of a float SIZE x SIZE x 3 RGB texture; gives luma, B - Y, R - Y."""
    luma = luma_of(texture_rgb)
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


def luma_of(texture_rgb: FloatArray) -> FloatArray:
    """Of RGB, SIZE x SIZE."""
    return np.asarray(texture_rgb @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def beyond(change: FloatArray, most: FloatArray | float) -> FloatArray:
    """What of a change is more than about so much."""
    return np.asarray(change - most * np.tanh(change / most), np.float32)


class Blurring:
    """Blurs what a mask shows of textures; how much of it is there is computed once for each scale."""

    def __init__(self, mask: FloatArray) -> None:
        """Take a mask: float32 SIZE x SIZE, 0 to 1."""
        self.mask = mask
        self._there: dict[float, FloatArray] = {}

    def __call__(self, texture: FloatArray, scale: float) -> FloatArray:
        """A SIZE x SIZE or SIZE x SIZE x k texture blurred by a Gaussian of `scale` texels."""
        if scale not in self._there:
            self._there[scale] = cv2.GaussianBlur(self.mask, (0, 0), scale) + np.float32(1e-3)
        mask, there = self.mask, self._there[scale]
        if texture.ndim > mask.ndim:
            mask, there = mask[..., None], there[..., None]
        total = cv2.GaussianBlur(texture * mask, (0, 0), scale).reshape(texture.shape)
        return np.asarray(total / there, np.float32)


def mirrored(texture: FloatArray, light: FloatArray) -> FloatArray:
    """What both halves of a SIZE x SIZE x k texture have in common, each in its own light (SIZE x SIZE)."""
    even = texture / light[..., None]
    return np.asarray((even + even[:, ::-1]) / 2 * light[..., None], np.float32)


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


def pack_gradient(gradient_rgb: FloatArray, tone: Tone, frame: CanonicalFrame) -> FloatArray:
    """How something follows a packed change of texture, given how it follows RGB: transposes `unpack`."""
    red, green, blue = np.moveaxis(gradient_rgb, 2, 0)
    luma = tone.contrast * (red + green + blue)
    differences = blue - 0.114 / 0.587 * green, red - 0.299 / 0.587 * green
    chroma = np.asarray(tone.luma * np.stack(differences, 2), np.float32)
    # A texel of halved chroma stands for four.
    of_chroma = 4 / CHROMA_WEIGHT * _halved(frame, chroma)
    return np.concatenate([luma[frame.modelled], of_chroma.T.ravel()]).astype(np.float32)


def _halved(frame: CanonicalFrame, full: FloatArray) -> FloatArray:
    """The modelled texels of a picture at half its resolution."""
    half = cv2.resize(full, (SIZE // 2, SIZE // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(half[frame.modelled[::2, ::2]], np.float32)
