"""A photo as the rest of the program sees it, with what is needed to write it back."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from reverse_personalization.media.metadata import Metadata

ByteArray = NDArray[np.uint8]
NativeArray = NDArray[np.uint8 | np.uint16]


@dataclass(frozen=True)
class Coding:
    """How the source was coded, so that a file of the same format can be coded alike.

    Attributes:
        lossless_webp: the source was a lossless WebP file.
        jpeg_tables: quantisation tables, 64 numbers each; empty unless the source was a JPEG.
        jpeg_subsampling: 0 for 4:4:4, 1 for 4:2:2, 2 for 4:2:0.
        png_colour: names and contents of PNG chunks that say what the numbers mean.
    """

    lossless_webp: bool = False
    jpeg_tables: tuple[tuple[int, ...], ...] = ()
    jpeg_subsampling: int = 0
    png_colour: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photo, upright. Its arrays are read-only.

    Attributes:
        image_rgb: uint8 H x W x 3, for processing: the colour channels (transparency is ignored), grey
            repeated, the upper 8 of 16 bits, in the colour space of `icc_profile`.
        native: the decoded pixels at full depth, uint8 or uint16: H x W grey, H x W x 2 grey and alpha,
            H x W x 3 RGB or H x W x 4 RGB and alpha. Palette pictures are expanded.
        format: Pillow's name of the source's format, "" for arrays.
        icc_profile: the embedded colour profile.
        metadata: what may be kept of the source's metadata.
        coding: how the source was coded.
        notes: what the reader left out or reduced, a sentence each.
    """

    image_rgb: ByteArray = field(repr=False)
    native: NativeArray = field(repr=False)
    format: str = ""
    icc_profile: bytes | None = field(default=None, repr=False)
    metadata: Metadata = field(default_factory=Metadata, repr=False)
    coding: Coding = field(default_factory=Coding, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Pixels, upright."""
        return int(self.native.shape[1])

    @property
    def height(self) -> int:
        """Pixels, upright."""
        return int(self.native.shape[0])

    @property
    def channels(self) -> int:
        """1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha."""
        return 1 if self.native.ndim == 2 else int(self.native.shape[2])

    @property
    def has_alpha(self) -> bool:
        """Whether there is transparency."""
        return self.channels in (2, 4)

    @property
    def is_grey(self) -> bool:
        """Whether there is no colour."""
        return self.channels < 3

    @property
    def is_deep(self) -> bool:
        """Whether a channel has 16 bits."""
        return self.native.dtype == np.uint16


def upper_byte(pixels: NativeArray) -> ByteArray:
    """The 8-bit version of `pixels`; undoes `widened`."""
    return pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)  # type: ignore[return-value]


def widened(pixels: ByteArray) -> NDArray[np.uint16]:
    """The 16-bit version of `pixels`: 0 stays 0, 255 becomes 65535."""
    return pixels.astype(np.uint16) * np.uint16(257)


def rgb_for_processing(native: NativeArray) -> ByteArray:
    """Uint8 H x W x 3 of a native array; the array itself if it is that already."""
    pixels = upper_byte(native)
    if pixels.ndim == 2:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), np.uint8)
    if pixels.shape[2] == 2:
        return rgb_for_processing(np.ascontiguousarray(pixels[..., 0]))
    return np.ascontiguousarray(pixels[..., :3])


def upright(pixels: NativeArray, orientation: int) -> NativeArray:
    """A view of `pixels` as EXIF `orientation` (1 to 8, anything else counts as 1) wants them shown."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return pixels[rows, columns]
