"""A new texture as the photo would show it: as sharp, with skin as smooth as the source's, and no more exposed."""

from __future__ import annotations

import numpy as np

from reverse_personalization.engines.compact.textures import luma_of, smooth
from reverse_personalization.faces.face import FloatArray

# Components blur; detail finer than so many texels is made so much stronger.
SHARP_SCALE, SHARPENING = 1.5, 0.7
# Quantiles of a face's luma beyond which nothing new shines or is dark, and the share that stays of what would be:
# the photo's exposure holds for the stranger, too.
EXPOSED = (0.02, 0.97)
OVEREXPOSED = 0.2
# Texels that part the structure of skin into bands. In each of them, and over so many times its texels, a stranger's
# skin is no rougher than the source's, or than so much: a child gets no wrinkles, and blurred faces stay blurred.
BANDS, AROUND, SMOOTHEST = (1.5, 3.0, 6.0, 12.0), 2.0, 0.004
# What changes more slowly than all bands is changed by no more than about so much.
MOST_SLOW = 0.05


def finished(source_rgb: FloatArray, texture_rgb: FloatArray, seen: FloatArray, skin: FloatArray) -> FloatArray:
    """Make a texture fit the photo that the source's was taken from.

    Args:
        source_rgb: float32 SIZE x SIZE x 3, 0 to 1, what was there.
        texture_rgb: the same, what is to be there.
        seen: float32 SIZE x SIZE, 0 to 1.
        skin: float32 SIZE x SIZE, 0 to 1: where it is plain skin.
    """
    texture = texture_rgb - _rougher(source_rgb, texture_rgb, seen * skin)
    texture += SHARPENING * (texture - smooth(texture, seen, SHARP_SCALE)) * seen[..., None]
    return np.asarray(texture - _overexposure(source_rgb, texture, seen)[..., None], np.float32)


def _rougher(source_rgb: FloatArray, texture_rgb: FloatArray, skin: FloatArray) -> FloatArray:
    """What of a texture's skin has more structure than the source's, SIZE x SIZE x 3."""
    *old, old_rest = _bands(source_rgb, skin)
    *new, new_rest = _bands(texture_rgb, skin)
    slow = new_rest - old_rest
    excess = slow - MOST_SLOW * np.tanh(slow / MOST_SLOW)
    for was, became, scale in zip(old, new, BANDS, strict=True):
        allowed, there = (_strength(band, skin, AROUND * scale) for band in (was, became))
        excess += np.maximum(1 - (allowed + SMOOTHEST) / (there + 1e-6), 0) * became
    return np.asarray(excess * skin[..., None], np.float32)


def _bands(texture_rgb: FloatArray, skin: FloatArray) -> list[FloatArray]:
    """A texture in bands from fine to coarse, and what is left, each SIZE x SIZE x 3; their sum is the texture."""
    bands, left = [], texture_rgb
    for scale in BANDS:
        slow = smooth(left, skin, scale)
        bands.append(left - slow)
        left = slow
    return [*bands, left]


def _strength(band_rgb: FloatArray, skin: FloatArray, scale: float) -> FloatArray:
    """How strong a band is around each texel: the root mean square of its luma, SIZE x SIZE x 1."""
    return np.sqrt(smooth(luma_of(band_rgb)[..., None] ** 2, skin, scale))


def _overexposure(source_rgb: FloatArray, texture_rgb: FloatArray, seen: FloatArray) -> FloatArray:
    """What of a texture's luma leaves the range of the source's, SIZE x SIZE."""
    luma = luma_of(texture_rgb)
    if not (seen > 0.5).any():
        return np.zeros_like(luma)
    low, high = np.quantile(luma_of(source_rgb)[seen > 0.5], EXPOSED)
    return np.asarray((1 - OVEREXPOSED) * (np.maximum(luma - high, 0) + np.minimum(luma - low, 0)), np.float32)
