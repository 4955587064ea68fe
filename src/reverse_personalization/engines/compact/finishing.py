"""A new texture as the photo would show it: as sharp, in the same light, with features as bold and skin as smooth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from reverse_personalization.engines.compact.colouring import Colour
from reverse_personalization.engines.compact.frame import HAIRLINE, CanonicalFrame
from reverse_personalization.engines.compact.textures import Blurring, beyond, luma_of
from reverse_personalization.faces.compositing import smoothstep
from reverse_personalization.faces.face import FloatArray

# Components blur; detail finer than so many texels is made so much stronger, within what so many texels have.
SHARP_SCALE, SHARPENING, SHARP_AROUND = 1.5, 0.7, 3
# A photo is as much in focus as its features have more of what is finer than so many texels than of what is coarser, up
# to so many. What is more in focus, by more than is seen, is blurred by one of these: or patches with hard edges lie on
# blurred faces.
OF_FOCUS, AS_SHARP, SOFTER = (1.0, 3.0), 1.05, (0.6, 0.9, 1.2, 1.6, 2.0)
# The photo's exposure holds for the stranger, too: nothing new is darker than this quantile of a face's luma, or
# brighter than what so many texels around it are, but for such a share of what would be. Hair over the outline counts
# not: it had let brows end in dark spots.
DARKEST, BRIGHT_AROUND, BRIGHT_SOFT = 0.02, 13, 3.0
OVEREXPOSED = 0.2
# Below the nose nothing is darker, by more than so much, than the face is within so many texels, or nobody of its kind:
# shadows there are moustaches, where these grow as soon as it is darker than the face over so many texels.
STUBBLE, STUBBLE_AROUND, SHADOW = 0.02, 5, 2.0
# Texels that part structure into bands. In each of them, and over so many times its texels, a stranger's skin differs
# from nobody's in that light by no more than so much of what the source's does, or has, and so much more, nor than so
# much anywhere: a child gets no wrinkles, blurred faces stay blurred, and the shadows of hair and noses let no others
# fall beside them. Bounded as a whole, cheeks and chins had lost their light, and lay like masks within bright rims.
BANDS, AROUND, ROUGHEST, SMOOTHEST, MOST_ROUGH = (1.5, 3.0, 6.0, 12.0), 2.0, 0.8, 0.002, 0.02
# Where skin is to show age, bands up to so many texels have its lines; coarser ones would look like dirt.
LINES = 3.0
# What changes more slowly than all bands is mostly light. It changes by no more than about so much so many texels from
# the outline, by less nearer to it, as it goes on beyond, and by so much at least.
MOST_SLOW, INNER, LEAST_SLOW = 0.02, 50.0, 0.01
# Brows, eyes and lips are as a whole as bold as the source's in each of these bands: hair is as dark as elsewhere on
# the head, and make-up stays. What is fainter is made stronger, by so much at most. So are tips of noses; their bridges
# are no bolder. Counted as skin, they lost nostrils and sides, and together bridges were as bold as nostrils.
OF_FEATURES, MOST_GAIN = (1.5, 3.0, 6.0), 1.5
# What changes more slowly than those bands gets no brighter, and no darker, than by about so much there.
MOST_LIT, MOST_SHADED = 0.02, 0.05
# A feature of which fewer texels are seen sets no measure.
LEAST_SEEN = 20.0
# What is wished is no darker than this, where it would have no colour.
LEAST_WISHED = 0.02


class Feature(NamedTuple):
    """A part of a face that has structure of its own.

    Attributes:
        weight: float32 SIZE x SIZE, 0 to 1: where it is seen.
        boldness: in each of `OF_FEATURES`.
        most_gain: how many times as bold as it is a new one is made at most.
    """

    weight: FloatArray
    boldness: tuple[float, ...]
    most_gain: float


@dataclass(frozen=True, eq=False)
class Finish:
    """What a face's photo lets a new texture of it look like.

    Attributes:
        seen: blurs what is seen of it.
        skin: blurs what of that is plain skin.
        usual: nobody's skin in each of `BANDS`, float32 SIZE x SIZE, no rougher than the source's.
        roughness: how far from that skin may be in each of them, likewise.
        shade: float32 SIZE x SIZE, luma that changes more slowly.
        most: float32 SIZE x SIZE, by how much that may change.
        features: brows, eyes, lips and nose, as far as they are seen.
        coarse: float32 SIZE x SIZE, luma that changes more slowly than those.
        colour: of skin and lips.
        darkest: float32 SIZE x SIZE, luma.
        brightest: float32 SIZE x SIZE, luma.
        focus: how strong fine structure of its features is, as a share of that of coarser one.
        upper_lip: blurs what is seen where moustaches grow.
        shadow: float32 SIZE x SIZE, luma there.
    """

    seen: Blurring
    skin: Blurring
    usual: tuple[FloatArray, ...]
    roughness: tuple[FloatArray, ...]
    shade: FloatArray
    most: FloatArray
    features: tuple[Feature, ...]
    coarse: FloatArray
    colour: Colour
    darkest: FloatArray
    brightest: FloatArray
    focus: float
    upper_lip: Blurring
    shadow: FloatArray

    @classmethod
    def of(
        cls,
        texture_rgb: FloatArray,
        nobody_rgb: FloatArray,
        seen: FloatArray,
        frame: CanonicalFrame,
        *,
        change_rgb: FloatArray | None = None,
        rougher: float = 1.0,
    ) -> Finish:
        """Look at a face.

        Args:
            texture_rgb: float32 SIZE x SIZE x 3, 0 to 1.
            nobody_rgb: likewise, under the null identity.
            seen: float32 SIZE x SIZE, 0 to 1.
            frame: where things are.
            change_rgb: float32 SIZE x SIZE x 3, what is wished to be otherwise: measures are taken with it.
            rougher: how many times as rough as otherwise skin may be: more shows age, less youth.
        """
        whole, skin, upper_lip = (Blurring(part) for part in (seen, seen * frame.skin, seen * frame.moustache))
        if change_rgb is not None:
            texture_rgb, nobody_rgb = (np.clip(one + change_rgb, LEAST_WISHED, 1) for one in (texture_rgb, nobody_rgb))
        luma, of_nobody = luma_of(texture_rgb), luma_of(nobody_rgb)
        *bands, shade = _bands(luma, skin, BANDS)
        usual = _no_rougher(_bands(of_nobody, skin, BANDS), bands, skin)
        *of_features, coarse = _bands(luma, whole, OF_FEATURES)
        blurred = whole(luma, SHARP_SCALE)
        tip, bridge = frame.nose
        parts = *((one, MOST_GAIN) for one in (*frame.features, tip)), (bridge, 1.0)
        features = tuple(
            Feature(weight, _boldness(of_features, weight), gain)
            for one, gain in parts
            if (weight := seen * one).sum() >= LEAST_SEEN
        )
        return cls(
            whole,
            skin,
            usual,
            tuple(
                _allowed(band, nobody, skin, scale) * (rougher if scale <= LINES else min(rougher, 1.0))
                for band, nobody, scale in zip(bands, usual, BANDS, strict=True)
            ),
            shade,
            MOST_SLOW * smoothstep(frame.inward / INNER),
            features,
            coarse,
            Colour.of(texture_rgb, nobody_rgb, shade, seen, frame),
            _darkest(luma, np.minimum(blurred, whole(of_nobody, SHARP_SCALE)), seen, frame),
            _brightest(blurred, seen),
            _focus(luma, whole, whole.mask - skin.mask),
            upper_lip,
            upper_lip(luma, SHADOW),
        )

    @property
    def edged(self) -> FloatArray:
        """Where features are seen, SIZE x SIZE."""
        return self.seen.mask - self.skin.mask

    def applied(self, texture_rgb: FloatArray) -> FloatArray:
        """Make a texture (float32 SIZE x SIZE x 3, 0 to 1) fit the photo."""
        luma = self._focused(luma_of(texture_rgb))
        luma -= self.skin.mask * self._rougher(luma)
        luma -= self._bolder(luma)
        luma -= self._overexposure(luma)
        luma -= self._moustache(luma)
        return self.colour.given(luma, texture_rgb)

    def _focused(self, luma: FloatArray) -> FloatArray:
        """A texture's luma as sharp as can be without being more in focus than the photo, SIZE x SIZE."""
        sharp = luma + self.seen.mask * _sharper(luma, self.seen)
        softer = (luma + self.seen.mask * (self.seen(luma, scale) - luma) for scale in SOFTER)
        for one in (sharp, luma, *softer):
            if _focus(one, self.seen, self.edged) <= AS_SHARP * self.focus:
                break
        return one

    def _rougher(self, luma: FloatArray) -> FloatArray:
        """What of a texture's skin is farther from nobody's than it may be, SIZE x SIZE."""
        *bands, shade = _bands(luma, self.skin, BANDS)
        excess = beyond(shade - self.shade, np.maximum(self.most, LEAST_SLOW))
        for allowed, nobody, band, scale in zip(self.roughness, self.usual, bands, BANDS, strict=True):
            there = _roughness(band - nobody, self.skin, scale)
            excess += np.maximum(1 - allowed / (there + 1e-6), 0) * (band - nobody)
        return excess

    def _bolder(self, luma: FloatArray) -> FloatArray:
        """What of a texture's features is stronger than the source's, less what is missing, SIZE x SIZE."""
        *bands, coarse = _bands(luma, self.seen, OF_FEATURES)
        change = coarse - self.coarse
        excess = beyond(change, np.where(change > 0, MOST_LIT, MOST_SHADED)) * self.edged
        for feature in self.features:
            for band, wanted, there in zip(bands, feature.boldness, _boldness(bands, feature.weight), strict=True):
                gain = min(wanted / (there + 1e-6), feature.most_gain)
                # What is made bolder gets darker: brighter as well, brows would stand in light.
                excess += (1 - gain) * feature.weight * (band if gain < 1 else np.minimum(band, 0))
        return excess

    def _moustache(self, luma: FloatArray) -> FloatArray:
        """What of a texture is a moustache that the source has not, SIZE x SIZE."""
        darker = self.upper_lip(luma, SHADOW) - self.shadow
        return np.asarray(self.upper_lip.mask * np.minimum(darker + STUBBLE, 0), np.float32)

    def _overexposure(self, luma: FloatArray) -> FloatArray:
        """What of a texture's luma leaves the range of the source's, SIZE x SIZE."""
        beyond = np.maximum(luma - self.brightest, 0) + np.minimum(luma - self.darkest, 0)
        return np.asarray((1 - OVEREXPOSED) * beyond, np.float32)


def _sharper(luma: FloatArray, seen: Blurring) -> FloatArray:
    """What sharpening adds to a luma, SIZE x SIZE: nothing beyond what is there around, so that edges get no halos."""
    sharp = luma + SHARPENING * (luma - seen(luma, SHARP_SCALE))
    around = np.ones((SHARP_AROUND, SHARP_AROUND), np.uint8)
    return np.clip(sharp, cv2.erode(luma, around), cv2.dilate(luma, around)) - luma


def _focus(luma: FloatArray, seen: Blurring, where: FloatArray) -> float:
    """How strong a luma's fine structure is there (SIZE x SIZE), as a share of that of its coarser one."""
    fine, coarse, _ = _bands(luma, seen, OF_FOCUS)
    return float(np.sqrt(np.vdot(fine**2, where) / (np.vdot(coarse**2, where) + 1e-9)))


def _bands(luma: FloatArray, seen: Blurring, scales: tuple[float, ...]) -> list[FloatArray]:
    """Luma in bands from fine to coarse, and what is left, each SIZE x SIZE; their sum is the luma."""
    bands, left = [], luma
    for scale in scales:
        slow = seen(left, scale)
        bands.append(left - slow)
        left = slow
    return [*bands, left]


def _roughness(band: FloatArray, skin: Blurring, scale: float) -> FloatArray:
    """How strong a band is around each texel: its root mean square, SIZE x SIZE."""
    return np.sqrt(skin(band**2, AROUND * scale))


def _no_rougher(of_nobody: list[FloatArray], bands: list[FloatArray], skin: Blurring) -> tuple[FloatArray, ...]:
    """Nobody's bands no rougher than the source's, SIZE x SIZE each: turned heads are not told well."""

    def bounded(nobody: FloatArray, band: FloatArray, scale: float) -> FloatArray:
        most, there = (_roughness(one, skin, scale) + SMOOTHEST for one in (band, nobody))
        return np.asarray(nobody * np.minimum(most / there, 1), np.float32)

    return tuple(bounded(*one) for one in zip(of_nobody, bands, BANDS, strict=False))


def _allowed(band: FloatArray, nobody: FloatArray, skin: Blurring, scale: float) -> FloatArray:
    """How far from nobody's a band of new skin may be where a source's is like this, SIZE x SIZE."""
    least = np.minimum(_roughness(band - nobody, skin, scale), _roughness(band, skin, scale))
    return np.asarray(np.minimum(ROUGHEST * least + SMOOTHEST, MOST_ROUGH), np.float32)


def _boldness(bands: list[FloatArray], weight: FloatArray) -> tuple[float, ...]:
    """How strong bands are on a feature: their root mean square."""
    return tuple(float(np.sqrt(np.vdot(band**2, weight) / weight.sum())) for band in bands)


def _darkest(luma: FloatArray, blurred: FloatArray, seen: FloatArray, frame: CanonicalFrame) -> FloatArray:
    """How dark a face is at most, apart from the hair that may reach over its outline, SIZE x SIZE.

    Below the nose it is that of `blurred`, the darker of its luma and nobody's, around there.
    """
    inner = (seen > 0.5) & (frame.inward > HAIRLINE)
    least = np.float32(np.quantile(luma[inner], DARKEST) if inner.any() else 0)
    shaven = cv2.erode(blurred, np.ones((STUBBLE_AROUND, STUBBLE_AROUND), np.uint8)) - STUBBLE
    return np.asarray(least + frame.shaven * np.maximum(shaven - least, 0), np.float32)


def _brightest(blurred: FloatArray, seen: FloatArray) -> FloatArray:
    """How bright a face of such a blurred luma is at most around each texel, SIZE x SIZE."""
    there = np.where(seen > 0.5, blurred, 0).astype(np.float32)
    around = cv2.dilate(there, np.ones((BRIGHT_AROUND, BRIGHT_AROUND)))
    return np.asarray(cv2.GaussianBlur(around, (0, 0), BRIGHT_SOFT), np.float32)
