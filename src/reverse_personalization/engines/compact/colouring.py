"""The colour of a new texture: that of the photo's skin and lips, shaded and shining as they do in photos."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from reverse_personalization.engines.compact.frame import HAIRLINE, CanonicalFrame
from reverse_personalization.engines.compact.textures import LEAST_LUMA, Blurring, beyond, luma_of
from reverse_personalization.faces.compositing import smoothstep
from reverse_personalization.faces.face import FloatArray

# Skin has the photo's hue over so many texels. Over so many fewer it differs from that as nobody's does, whose noses
# are redder than cheeks; lips keep their own over so many.
AROUND_SKIN, NEAR_SKIN, WITHIN_LIPS = 12.0, 5.0, 4.0
# Skin that gets darker usually keeps so much of its colour, and of what it gets brighter by, so much is white: on 240
# training faces .3 to .5, most on noses, and .8 to 1. Photos differ, up to all of either, as far as their own shades
# tell, if these are no fainter than so much; so many rounds count less what is farther off than so much (moles, hairs).
SHADED, SHINING = 0.45, 0.8
ROUNDS, FAR_OFF, FAINT = 3, 0.02, 0.01
# Apart from that, a texture's colour differs from nobody's by about so much at most: else shades look like dirt.
MOST_OWN = 0.015
# Channels brighter than this are being cut off, and tell so much less of a colour.
CLIPPING, CUT_OFF = 0.85, 0.85
# Where nothing else is near, texels count so much for the hue, and grey so much of a unit.
LEAST_SHARE = 1e-3
_AS_USUAL = np.zeros((2, 3), np.float32)


class Hues(NamedTuple):
    """Colours around each texel, SIZE x SIZE x 3, whose luma is 1: of skin near it and farther around, and of lips."""

    near: FloatArray
    around: FloatArray
    lips: FloatArray

    @classmethod
    def of(cls, texture_rgb: FloatArray, seen: FloatArray, frame: CanonicalFrame) -> Hues:
        """Look at what is seen (SIZE x SIZE) of a texture (SIZE x SIZE x 3)."""
        luma = luma_of(texture_rgb)
        # What shines counts no more than the rest: it is white.
        middle = np.median(luma[seen > 0.5]) if (seen > 0.5).any() else 1
        dimmed = texture_rgb * np.minimum(middle / np.maximum(luma, LEAST_LUMA), 1)[..., None]
        coloured = seen * (1 - CUT_OFF * smoothstep((texture_rgb.max(2) - CLIPPING) / (1 - CLIPPING)))
        inner = coloured * frame.tinted * smoothstep(frame.inward / HAIRLINE)
        parts = (inner, NEAR_SKIN), (inner, AROUND_SKIN), (coloured * frame.lips, WITHIN_LIPS)
        slow = (Blurring(part + LEAST_SHARE * seen)(dimmed, scale) + LEAST_SHARE for part, scale in parts)
        return cls(*(one / luma_of(one)[..., None] for one in slow))


@dataclass(frozen=True, eq=False)
class Colour:
    """What colours a face's photo lets a new texture of it have.

    Attributes:
        hue: float32 SIZE x SIZE x 3, RGB where luma is 1, of skin and lips.
        plain: float32 SIZE x SIZE, 0 to 1: where there are neither hairs nor eyes nor lips.
        shade: float32 SIZE x SIZE, luma that changes slowly: what is darker is shaded, what is brighter shines.
        nobody: float32 SIZE x SIZE x 3, RGB without luma: what nobody's face has apart from what its hue lets expect.
        tinge: float32 2 x 3, RGB without luma: what a unit of luma more or less than `shade`, where skin shines and
            where it is shaded, takes off the photo's colours beyond what it usually does.
    """

    hue: FloatArray
    plain: FloatArray
    shade: FloatArray
    nobody: FloatArray
    tinge: FloatArray

    @classmethod
    def of(
        cls, texture_rgb: FloatArray, nobody_rgb: FloatArray, shade: FloatArray, seen: FloatArray, frame: CanonicalFrame
    ) -> Colour:
        """Look at a face.

        Args:
            texture_rgb: float32 SIZE x SIZE x 3, 0 to 1.
            nobody_rgb: likewise, under the null identity.
            shade: float32 SIZE x SIZE, its luma that changes slowly.
            seen: float32 SIZE x SIZE, 0 to 1.
            frame: where things are.
        """
        source, nobody = (Hues.of(one, seen, frame) for one in (texture_rgb, nobody_rgb))
        plain, nearer = seen * frame.plain, nobody.near - nobody.around
        of_nobody = cls(_mixed(nobody.near, nobody.lips, frame), plain, shade, np.zeros_like(nearer), _AS_USUAL)
        hue = _mixed(source.around + nearer, source.lips, frame)
        usual = cls(hue, plain, shade, of_nobody.own(nobody_rgb), _AS_USUAL)
        return replace(usual, tinge=usual._tinge(texture_rgb, plain * (frame.inward > HAIRLINE)))

    def given(self, luma: FloatArray, texture_rgb: FloatArray) -> FloatArray:
        """A luma (SIZE x SIZE) in these colours and a texture's own, SIZE x SIZE x 3."""
        own = self.own(texture_rgb)
        expected = self._usual(luma) - self._brighter(luma) @ self.tinge
        return np.asarray(expected + own - beyond(own - self.nobody, MOST_OWN), np.float32)

    def own(self, texture_rgb: FloatArray) -> FloatArray:
        """What a texture's colour is apart from what its luma lets expect, SIZE x SIZE x 3."""
        return np.asarray(texture_rgb - self._usual(luma_of(texture_rgb)), np.float32)

    def _usual(self, luma: FloatArray) -> FloatArray:
        """A luma (SIZE x SIZE) as skin and lips would show it, SIZE x SIZE x 3."""
        darker = self.shade - luma
        colourful = luma + self.plain * np.where(darker > 0, SHADED, SHINING) * darker
        return luma[..., None] + colourful[..., None] * (self.hue - 1)

    def _brighter(self, luma: FloatArray) -> FloatArray:
        """By how much plain skin of such a luma (SIZE x SIZE) shines, and is shaded (below 0), SIZE x SIZE x 2."""
        brighter = self.plain * (luma - self.shade)
        return np.stack([np.maximum(brighter, 0), np.minimum(brighter, 0)], 2)

    def _tinge(self, texture_rgb: FloatArray, weight: FloatArray) -> FloatArray:
        """The tinge of a photo's texture (SIZE x SIZE x 3), told where it counts (SIZE x SIZE), 2 x 3."""
        own, total = self.own(texture_rgb), weight.sum() + 1e-6
        hue = np.einsum("ij,ijk->k", weight, self.hue - 1) / total
        signs = np.moveaxis(self._brighter(luma_of(texture_rgb)), 2, 0)
        told = zip(signs, (SHINING, SHADED), strict=True)
        return np.stack([_bounded(_slope(one, own, weight), hue, usual) for one, usual in told])


def _slope(by: FloatArray, colour: FloatArray, weight: FloatArray) -> FloatArray:
    """By how much colours (SIZE x SIZE x 3) fall with something (SIZE x SIZE), 3: robust ridge regression."""
    slope, prior = np.zeros(3, np.float32), FAINT**2 * float(weight.sum()) + 1e-6
    for _ in range(ROUNDS):
        off = np.linalg.norm(colour + by[..., None] * slope, axis=2)
        counted = by * weight * np.minimum(FAR_OFF / np.maximum(off, FAR_OFF), 1)
        slope = -np.einsum("ij,ijk->k", counted, colour) / (np.vdot(counted, by) + prior)
    return np.asarray(slope, np.float32)


def _bounded(slope: FloatArray, hue: FloatArray, usual: float) -> FloatArray:
    """A slope (3) that takes no more than all of a colour (3), of which so much is usual."""
    along = float(slope @ hue) / max(float(hue @ hue), 1e-6)
    return np.asarray(slope - max(usual + along - 1, 0) * hue, np.float32)


def _mixed(of_skin: FloatArray, of_lips: FloatArray, frame: CanonicalFrame) -> FloatArray:
    """Skin's hue, and that of lips where they are, SIZE x SIZE x 3."""
    return np.asarray(of_skin + frame.lips[..., None] * (of_lips - of_skin), np.float32)
