"""The colour of a new texture: that of the photo's skin and lips, shaded and shining as they do in photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reverse_personalization.engines.compact.frame import HAIRLINE, CanonicalFrame
from reverse_personalization.engines.compact.textures import LEAST_LUMA, Blurring, beyond, luma_of
from reverse_personalization.faces.compositing import smoothstep
from reverse_personalization.faces.face import FloatArray

# Skin has the photo's hue over so many texels. Over so many fewer it differs from that as nobody's does, whose noses
# are redder than cheeks; lips keep their own over so many.
AROUND_SKIN, NEAR_SKIN, WITHIN_LIPS = 12.0, 5.0, 4.0
# Skin that gets darker keeps so much of its colour, and of what it gets brighter by, so much is white: on 240 training
# faces .3 to .5, most on noses, and .8 to 1.
SHADED, SHINING = 0.45, 0.8
# Apart from that, a texture's colour differs from nobody's by about so much at most: else shades look like dirt.
MOST_OWN = 0.015
# Channels brighter than this are being cut off, and tell so much less of a colour.
CLIPPING, CUT_OFF = 0.85, 0.85
# Where nothing else is near, texels count so much for the hue, and grey so much of a unit.
LEAST_SHARE = 1e-3


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
    """

    hue: FloatArray
    plain: FloatArray
    shade: FloatArray
    nobody: FloatArray

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
        of_nobody = cls(_mixed(nobody.near, nobody.lips, frame), plain, shade, np.zeros_like(nearer))
        return cls(_mixed(source.around + nearer, source.lips, frame), plain, shade, of_nobody.own(nobody_rgb))

    def given(self, luma: FloatArray, texture_rgb: FloatArray) -> FloatArray:
        """A luma (SIZE x SIZE) in these colours and a texture's own, SIZE x SIZE x 3."""
        own = self.own(texture_rgb)
        return np.asarray(self._usual(luma) + own - beyond(own - self.nobody, MOST_OWN), np.float32)

    def own(self, texture_rgb: FloatArray) -> FloatArray:
        """What a texture's colour is apart from what its luma lets expect, SIZE x SIZE x 3."""
        return np.asarray(texture_rgb - self._usual(luma_of(texture_rgb)), np.float32)

    def _usual(self, luma: FloatArray) -> FloatArray:
        """A luma (SIZE x SIZE) as skin and lips would show it, SIZE x SIZE x 3."""
        darker = self.shade - luma
        colourful = luma + self.plain * np.where(darker > 0, SHADED, SHINING) * darker
        return luma[..., None] + colourful[..., None] * (self.hue - 1)


def _mixed(of_skin: FloatArray, of_lips: FloatArray, frame: CanonicalFrame) -> FloatArray:
    """Skin's hue, and that of lips where they are, SIZE x SIZE x 3."""
    return np.asarray(of_skin + frame.lips[..., None] * (of_lips - of_skin), np.float32)
