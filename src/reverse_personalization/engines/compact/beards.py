"""Beards that are wished for, or wished away: hair as dark as brows, where it grows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from reverse_personalization.engines.compact.frame import SIZE, CanonicalFrame
from reverse_personalization.engines.compact.textures import Blurring, luma_of
from reverse_personalization.faces.face import FloatArray

KINDS: Final = ("moustache", "beard")
# Hair is as the darkest share of brows, but at most so bright, as a share of skin: even fair beards are seen.
DARKEST_OF_BROWS, BRIGHTEST = 0.25, 0.6
# Of hair, so much comes and goes from one to the next; they are so many texels wide and long.
LOOSE, WIDE, LONG = 0.35, 0.6, 1.6
# Fewer texels of brows than this tell no colour; hair is so bright then, as a share of skin.
LEAST_BROWS, USUAL = 30, 0.4
# Skin that was under a beard is so bright, as a share of that around brows, which turns to the light; so much of the
# way leads there, as codes lead there, too.
BARE, SHAVED = 0.8, 0.6
# A texel counts that is seen so much. Skin's colour is that over so many texels.
SEEN, SLOW = 0.5, 4.0


class Beards:
    """Where beards grow, as measured on men with and without (`training.beards`)."""

    def __init__(self, growing: Mapping[str, NDArray[np.floating]]) -> None:
        """Take how much of skin hair of each of `KINDS` covers, SIZE x SIZE, 0 to 1."""
        self._growing = np.stack([np.asarray(growing[kind], np.float32) for kind in KINDS])
        drawn = np.random.default_rng(0).standard_normal((SIZE, SIZE), np.float32)
        hairs = cv2.GaussianBlur(drawn, (0, 0), sigmaX=WIDE, sigmaY=LONG)
        self._hairs: FloatArray = np.maximum(1 + LOOSE * hairs / hairs.std(), 0)

    def __call__(self, amounts: FloatArray) -> FloatArray:
        """How much more of skin hair covers, SIZE x SIZE, where so much of `KINDS` is added (float32 2, -1 to 1).

        It is negative, down to -1, where it covers less.
        """
        covered = np.tensordot(amounts, self._growing, 1)
        return np.clip(covered * np.where(covered > 0, self._hairs, 1), -1, 1).astype(np.float32)


def grown(
    texture_rgb: FloatArray, seen: Blurring, light: FloatArray, hair: FloatArray, frame: CanonicalFrame
) -> FloatArray:
    """What more hair changes of a texture.

    Args:
        texture_rgb: float32 SIZE x SIZE x 3, 0 to 1.
        seen: blurs what is seen of it.
        light: float32 SIZE x SIZE, around 1.
        hair: how much more of skin it covers, SIZE x SIZE; less below 0.
        frame: where brows and skin are.

    Returns:
        float32 SIZE x SIZE x 3.
    """
    plain, brows = (texture_rgb[part * seen.mask > SEEN] for part in (frame.near_brows, frame.brows))
    if not len(plain):
        return np.zeros_like(texture_rgb)
    skin = np.median(plain, 0)
    of_hair = light[..., None] * _colour(brows, skin)
    becomes = np.where(hair[..., None] > 0, of_hair, BARE * skin)
    covered = np.where(hair > 0, hair, -SHAVED * hair)[..., None]
    # The face's own lines are not to be drawn once more.
    return np.asarray(covered * (becomes - seen(texture_rgb, SLOW)), np.float32)


def _colour(brows: FloatArray, skin: FloatArray) -> FloatArray:
    """Of hair, float32 3, by brows (n x 3) and by skin (3)."""
    if len(brows) < LEAST_BROWS:
        return np.asarray(USUAL * skin, np.float32)
    luma = luma_of(brows)
    colour = brows[luma <= np.quantile(luma, DARKEST_OF_BROWS)].mean(0)
    most = BRIGHTEST * float(luma_of(skin))
    return np.asarray(colour * min(1.0, most / max(float(luma_of(colour)), 1e-3)), np.float32)
