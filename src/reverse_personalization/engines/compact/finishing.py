"""A new texture as the photo would show it: as sharp, in the same light, with features as bold and skin as smooth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reverse_personalization.engines.compact.frame import CanonicalFrame
from reverse_personalization.engines.compact.textures import luma_of, smooth
from reverse_personalization.faces.compositing import smoothstep
from reverse_personalization.faces.face import FloatArray

# Components blur; detail finer than so many texels is made so much stronger.
SHARP_SCALE, SHARPENING = 1.5, 0.7
# Quantiles of a face's luma beyond which nothing new shines or is dark, and the share that stays of what would be:
# the photo's exposure holds for the stranger, too.
EXPOSED = (0.02, 0.97)
OVEREXPOSED = 0.2
# Texels that part structure into bands. In each of them, and over so many times its texels, a stranger's skin is no
# rougher than the source's, or than so much: a child gets no wrinkles, and blurred faces stay blurred.
BANDS, AROUND, SMOOTHEST = (1.5, 3.0), 2.0, 0.004
# What changes more slowly than all bands is mostly light. It changes by no more than about so much so many texels from
# the outline, by less nearer to it, as it goes on beyond, and by so much at least; shades, which look like beards and
# dirt where there were none, by so much of that.
MOST_SLOW, INNER, LEAST_SLOW, DARKER = 0.06, 50.0, 0.01, 0.5
# Where something was asked for that shows in skin, slow changes may be so many times as strong.
WISHED = 4.0
# Brows, eyes and lips are as a whole no bolder than so many times the source's in each of these bands: hair is no
# darker than elsewhere on the head.
OF_FEATURES, BOLDEST = (1.5, 3.0, 6.0), 1.15
# What changes more slowly than those bands changes by no more than about so much there.
MOST_COARSE = 0.08
# Share of what is allowed to luma that is allowed to hue.
HUE = 0.3
# A feature of which fewer texels are seen sets no measure.
LEAST_SEEN = 20.0


@dataclass(frozen=True, eq=False)
class Finish:
    """What a face's photo lets a new texture of it look like.

    Attributes:
        seen: float32 SIZE x SIZE, 0 to 1.
        skin: float32 SIZE x SIZE, 0 to 1: where it is plain skin that is seen.
        roughness: of each of `BANDS`, float32 SIZE x SIZE x 1.
        shade: float32 SIZE x SIZE x 3, what changes more slowly.
        most: float32 SIZE x SIZE x 1, by how much that may change.
        features: float32 SIZE x SIZE each, 0 to 1.
        boldness: of each feature, in each of `OF_FEATURES`.
        coarse: float32 SIZE x SIZE x 3, what changes more slowly than those.
        exposed: darkest and brightest luma.
    """

    seen: FloatArray
    skin: FloatArray
    roughness: tuple[FloatArray, ...]
    shade: FloatArray
    most: FloatArray
    features: tuple[FloatArray, ...]
    boldness: tuple[tuple[float, ...], ...]
    coarse: FloatArray
    exposed: tuple[float, float]

    @classmethod
    def of(cls, texture_rgb: FloatArray, seen: FloatArray, frame: CanonicalFrame) -> Finish:
        """Look at a face.

        Args:
            texture_rgb: float32 SIZE x SIZE x 3, 0 to 1.
            seen: float32 SIZE x SIZE, 0 to 1.
            frame: where things are.
        """
        skin = seen * frame.skin
        *bands, shade = _bands(texture_rgb, skin, BANDS)
        features = tuple(weight for one in frame.features if (weight := seen * one).sum() >= LEAST_SEEN)
        *of_features, coarse = _bands(texture_rgb, seen, OF_FEATURES)
        return cls(
            seen,
            skin,
            tuple(_roughness(band, skin, scale) for band, scale in zip(bands, BANDS, strict=True)),
            shade,
            (MOST_SLOW * smoothstep(frame.inward / INNER))[..., None],
            features,
            tuple(_boldness(of_features, features)),
            coarse,
            _exposed(luma_of(texture_rgb)[seen > 0.5]),
        )

    def applied(self, texture_rgb: FloatArray, *, slack: float = 1.0, wished: bool = False) -> FloatArray:
        """Make a texture fit the photo.

        Args:
            texture_rgb: float32 SIZE x SIZE x 3, 0 to 1.
            slack: with more than 1, the photo's light and features are kept to less strictly.
            wished: whether it was asked for what shows in skin: wrinkles, or a beard, may be where there were none.
        """
        texture = texture_rgb - (self._off_outline(texture_rgb) if wished else self._rougher(texture_rgb, slack))
        texture -= self._bolder(texture, slack)
        texture += SHARPENING * (texture - smooth(texture, self.seen, SHARP_SCALE)) * self.seen[..., None]
        return np.asarray(texture - self._overexposure(texture)[..., None], np.float32)

    def _rougher(self, texture_rgb: FloatArray, slack: float) -> FloatArray:
        """What of a texture's skin has more structure than the source's, SIZE x SIZE x 3."""
        *bands, shade = _bands(texture_rgb, self.skin, BANDS)
        slow = shade - self.shade
        most = np.maximum(slack * self.most, LEAST_SLOW) * np.where(luma_of(slow) < 0, DARKER, 1)[..., None]
        excess = _beyond(slow, most)
        for allowed, band, scale in zip(self.roughness, bands, BANDS, strict=True):
            there = _roughness(band, self.skin, scale)
            excess += np.maximum(1 - (allowed + SMOOTHEST) / (there + 1e-6), 0) * band
        return np.asarray(excess * self.skin[..., None], np.float32)

    def _off_outline(self, texture_rgb: FloatArray) -> FloatArray:
        """What of a texture's slow changes would show as an edge where the face ends, SIZE x SIZE x 3."""
        slow = _bands(texture_rgb, self.skin, BANDS)[-1] - self.shade
        most = np.maximum(WISHED * self.most, LEAST_SLOW)
        return np.asarray(_beyond(slow, most) * self.skin[..., None], np.float32)

    def _bolder(self, texture_rgb: FloatArray, slack: float) -> FloatArray:
        """What of a texture's features is stronger than the source's, SIZE x SIZE x 3."""
        *bands, coarse = _bands(texture_rgb, self.seen, OF_FEATURES)
        excess = _beyond(coarse - self.coarse, MOST_COARSE) * (self.seen - self.skin)[..., None]
        of_features = zip(self.features, self.boldness, _boldness(bands, self.features), strict=True)
        for feature, allowed, bold in of_features:
            for band, most, there in zip(bands, allowed, bold, strict=True):
                share = max(1 - BOLDEST * np.sqrt(slack) * most / (there + 1e-6), 0)
                if share > 0:
                    excess += share * feature[..., None] * band
        return excess

    def _overexposure(self, texture_rgb: FloatArray) -> FloatArray:
        """What of a texture's luma leaves the range of the source's, SIZE x SIZE."""
        luma = luma_of(texture_rgb)
        low, high = self.exposed
        return np.asarray((1 - OVEREXPOSED) * (np.maximum(luma - high, 0) + np.minimum(luma - low, 0)), np.float32)


def _beyond(change_rgb: FloatArray, most: FloatArray | float) -> FloatArray:
    """What of a change is more than about so much, and more than a share of that where it changes the hue."""
    luma = luma_of(change_rgb)[..., None]
    within = most * np.tanh(luma / most) + HUE * most * np.tanh((change_rgb - luma) / (HUE * most))
    return np.asarray(change_rgb - within, np.float32)


def _bands(texture_rgb: FloatArray, seen: FloatArray, scales: tuple[float, ...]) -> list[FloatArray]:
    """A texture in bands from fine to coarse, and what is left, each SIZE x SIZE x 3; their sum is the texture."""
    bands, left = [], texture_rgb
    for scale in scales:
        slow = smooth(left, seen, scale)
        bands.append(left - slow)
        left = slow
    return [*bands, left]


def _roughness(band_rgb: FloatArray, skin: FloatArray, scale: float) -> FloatArray:
    """How strong a band is around each texel: the root mean square of its luma, SIZE x SIZE x 1."""
    return np.sqrt(smooth(luma_of(band_rgb)[..., None] ** 2, skin, AROUND * scale))


def _boldness(bands_rgb: list[FloatArray], features: tuple[FloatArray, ...]) -> list[tuple[float, ...]]:
    """How strong bands are on each feature: the root mean square of their luma."""
    squares = np.stack([luma_of(band).ravel() ** 2 for band in bands_rgb])
    return [tuple(np.sqrt(squares @ one.ravel() / one.sum()).tolist()) for one in features]


def _exposed(luma: FloatArray) -> tuple[float, float]:
    """The darkest and the brightest of a face's luma."""
    low, high = np.quantile(luma, EXPOSED) if len(luma) else (-np.inf, np.inf)
    return float(low), float(high)
