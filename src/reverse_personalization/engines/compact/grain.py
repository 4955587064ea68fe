"""The grain of a photo: what of skin, hairs and camera is finer than textures hold."""

from __future__ import annotations

from typing import NamedTuple, cast

import cv2
import numpy as np

from reverse_personalization.faces.compositing import smoothstep
from reverse_personalization.faces.face import FloatArray

# Detail finer than so many texels is grain, as far as it is no stronger than so many levels and so many times its
# median: wrinkles are stronger. It is taken from so many texels aside: it draws nobody's.
FINE, MOST, LIMIT, ASIDE = 1.5, 12.0, 1.5, (5.0, 4.0)
# What is finer than so many texels is the sum of lines and noise, and its lines tell who somebody is, wherever they are
# put: it is given other signs at random, a texel a sign. Limits, and textures that hold nothing as fine, cost skin half
# of it: what is left is made so many times as strong.
FINEST, STRONGER = 0.75, 1.6
# Hairs may be so many times as strong as over so many texels, by roots, in which lines apart hardly count.
HAIRS, HAIRS_AROUND, MOST_HAIRS = 2.0, 6.0, 40.0
# Where the median below the nose is so many times that above, none to all of it is a beard.
BEARD = 1.5, 2.0
# Hairs of brows are the finest detail, taken from so many texels along them: coarser, it would draw the old ones.
ALONG = 5.0, 0.0


class Grained(NamedTuple):
    """Where a picture's grain may be taken from, and is put, float32 h x w, 0 to 1.

    Attributes:
        skin: all of a face that changes, but its eyes.
        bearded: where beards may grow.
        brows: brows.
        signs: plus and minus 1 instead, at random, the same everywhere on a face: so videos do not flicker.
    """

    skin: FloatArray
    bearded: FloatArray
    brows: FloatArray
    signs: FloatArray


def grain(image_rgb: FloatArray, where: Grained, texel: float) -> FloatArray:
    """The grain of a h x w x 3 picture in levels, likewise; a texel is so many pixels large."""
    fine, finest = (image_rgb - cv2.GaussianBlur(image_rgb, (0, 0), scale * texel) for scale in (FINE, FINEST))
    coarser = fine - finest

    def taken(detail: FloatArray, most: FloatArray | float, aside: tuple[float, float]) -> FloatArray:
        return _moved(np.clip(detail, -most, most) * where.skin[..., None], aside, texel)

    def hairs(detail: FloatArray, place: FloatArray, aside: tuple[float, float]) -> FloatArray:
        most = np.clip(HAIRS * _hairy(_strength(detail), place, texel), _usual(detail, where), MOST_HAIRS)
        return place[..., None] * (taken(detail, most[..., None], aside) - found)

    found = taken(coarser, _usual(coarser, where), ASIDE)
    found += STRONGER * where.signs[..., None] * taken(finest, _usual(finest, where), ASIDE)
    if beard := _beard(_strength(fine), where, texel):
        found += beard * hairs(fine, where.bearded, ASIDE)
    found += hairs(finest, where.brows, ALONG)
    return cast(FloatArray, found * where.skin[..., None])


def _strength(detail: FloatArray) -> FloatArray:
    """Of detail (h x w x 3), h x w."""
    return cast(FloatArray, np.abs(detail).mean(2))


def _usual(detail: FloatArray, where: Grained) -> float:
    """How strong detail (h x w x 3) of skin may be to be grain, in levels."""
    plain = detail[where.skin > 0.5]
    return min(LIMIT * float(np.median(np.abs(plain))), MOST) if plain.size else 0.0


def _moved(fine: FloatArray, aside: tuple[float, float], texel: float) -> FloatArray:
    """Detail (h x w x 3) so many texels aside."""
    across, down = np.rint(np.multiply(aside, texel))
    way = np.array([[1, 0, across], [0, 1, down]])
    return cast(FloatArray, cv2.warpAffine(fine, way, fine.shape[1::-1], flags=cv2.INTER_NEAREST))


def _hairy(strength: FloatArray, place: FloatArray, texel: float) -> FloatArray:
    """How strong hairs are around each pixel (h x w), given how strong detail is, and where they grow."""
    roots = np.sqrt(strength) * place
    around, there = (cv2.GaussianBlur(one, (0, 0), HAIRS_AROUND * texel) for one in (roots, place))
    return cast(FloatArray, (around / (there + 1e-3)) ** 2)


def _beard(strength: FloatArray, where: Grained, texel: float) -> float:
    """How far detail of such strength (h x w) is that of a beard, 0 to 1."""
    below = _hairy(strength, where.bearded, texel)[where.bearded > 0.5]
    above = strength[(where.skin > 0.5) & (where.bearded < 0.05)]
    if not (below.size and above.size):
        return 0.0
    denser = float(np.median(below)) / max(float(np.median(above)), 1e-3)
    low, high = BEARD
    return float(smoothstep(np.asarray((denser - low) / (high - low), np.float32)))
