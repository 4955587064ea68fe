"""An invisible watermark: whoever strips a file's metadata does not strip this.

Spread spectrum in the domain of a cosine transform (Cox, Kilian, Leighton, Shamoon, IEEE Transactions on Image
Processing 6(12), 1997), with a detector that counts signs: the luma is scaled to a fixed square, and small
mid-frequency coefficients take the signs of a fixed pattern. Chance agrees in half of them, so how surely a mark is
there follows from the binomial distribution. It survives compression and scaling, not cropping or turning, and is no
secret: it says "made with AI", not by whom.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from reverse_personalization.media.photo import NativeArray

Plane = NDArray[np.float32]

SIDE: Final = 512
"""Side of the square that the luma is scaled to, pixels."""
BAND: Final = (16.0, 96.0)
"""Radii of the ring of coefficients that carry the pattern."""
LEAST_SIDE: Final = 128
"""Pictures with a shorter side than this, in pixels, have no room for the ring."""
DEPTH: Final = 8.0
"""How far from zero a coefficient is set, orthonormal transform of values 0 to 255."""
REACH: Final = 24.0
"""Coefficients of the wrong sign that are larger than this are left, since setting them would be seen."""
SURE: Final = 6.0
"""Standard deviations above chance from which a watermark counts as found: one picture in a thousand million."""
_PATTERN_NAME: Final = b"reverse-personalization: made with AI, 1"
_DEEP: Final = 257.0


@dataclass(frozen=True)
class WatermarkFound:
    """How well a picture agrees with the pattern.

    Attributes:
        agreement: share of the coefficients whose sign is the pattern's, 0 to 1; 0.5 is chance.
        deviations: how many standard deviations that is above chance.
    """

    agreement: float
    deviations: float

    @property
    def is_there(self) -> bool:
        """Whether it is no chance."""
        return self.deviations >= SURE


def can_carry_watermark(width: int, height: int) -> bool:
    """Whether a picture is large enough."""
    return min(width, height) >= LEAST_SIDE


def watermarked(pixels: NativeArray) -> NativeArray:
    """A copy of a picture with the watermark in it; transparency stays.

    Args:
        pixels: uint8 or uint16, H x W, or H x W x 2 (grey, alpha), 3 or 4.
    """
    height, width = pixels.shape[:2]
    spectrum = cv2.dct(_square(_luma(pixels)))
    chosen, signs = _pattern()
    values = spectrum[chosen]
    agrees = values * signs > 0
    wanted = np.where(np.abs(values) < REACH, signs * np.maximum(np.where(agrees, np.abs(values), 0), DEPTH), values)
    change = np.zeros_like(spectrum)
    change[chosen] = wanted - values
    delta = cv2.resize(cv2.idct(change), (width, height), interpolation=_interpolation(SIDE, min(width, height)))
    scale, most = (_DEEP, 65535) if pixels.dtype == np.uint16 else (1.0, 255)
    out = pixels.copy()
    colours = out if out.ndim == 2 else out[..., : _colours(out)]
    shift = delta if out.ndim == 2 else delta[..., None]
    colours[...] = np.clip(np.rint(colours + scale * shift), 0, most).astype(pixels.dtype)
    return out


def find_watermark(pixels: NativeArray) -> WatermarkFound:
    """Look for the watermark in a picture, as `watermarked` takes it."""
    chosen, signs = _pattern()
    agreeing = float((np.sign(cv2.dct(_square(_luma(pixels)))[chosen]) * signs).sum())
    return WatermarkFound(0.5 + agreeing / (2 * signs.size), agreeing / math.sqrt(signs.size))


def read_watermark(path: Path, *, max_pixels: int = 100_000_000) -> WatermarkFound | None:
    """Look for the watermark in a file; None where the picture is too small to carry it.

    Raises:
        InputError: the file cannot be read.
    """
    from reverse_personalization.media.reading import read_photo

    photo = read_photo(path, max_pixels=max_pixels)
    return find_watermark(photo.native) if can_carry_watermark(photo.width, photo.height) else None


@cache
def _pattern() -> tuple[NDArray[np.bool_], Plane]:
    """Which coefficients carry it (bool SIDE x SIDE), and their signs, -1 or 1; the same on every machine."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    radius = np.hypot(rows, columns)
    chosen = (radius >= BAND[0]) & (radius < BAND[1])
    count = int(chosen.sum())
    bits = np.unpackbits(np.frombuffer(hashlib.shake_256(_PATTERN_NAME).digest(count // 8 + 1), np.uint8))
    return chosen, 2 * bits[:count].astype(np.float32) - 1


def _luma(pixels: NativeArray) -> Plane:
    """0 to 255, of ITU-R BT.601 for colour."""
    values = pixels.astype(np.float32) / (_DEEP if pixels.dtype == np.uint16 else 1.0)
    if values.ndim == 2:
        return values
    if _colours(pixels) == 1:
        return np.ascontiguousarray(values[..., 0])
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(values[..., :3]), cv2.COLOR_RGB2GRAY), np.float32)


def _colours(pixels: NativeArray) -> int:
    """Channels that are no transparency."""
    return 1 if pixels.shape[2] < 3 else 3


def _square(luma: Plane) -> Plane:
    method = _interpolation(min(luma.shape), SIDE)
    return np.asarray(cv2.resize(luma, (SIDE, SIDE), interpolation=method), np.float32)


def _interpolation(before: int, after: int) -> int:
    return cv2.INTER_AREA if after < before else cv2.INTER_CUBIC
