"""Which pictures are taken, which are refused by name, and why."""

from __future__ import annotations

from typing import BinaryIO, Final

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from reverse_personalization.errors import (
    ImageTooLargeError,
    InputError,
    UnreadableImageError,
    UnsupportedImageError,
)
from reverse_personalization.media import headers
from reverse_personalization.media.photo import NativeArray

_CONVERTED: Final = {"1": "L", "PA": "RGBA", "RGBX": "RGB"}
_WITH_TRANSPARENCY: Final = {"1": "LA", "L": "LA", "RGB": "RGBA"}
_DEEP_GREY: Final = ("I;16", "I;16L", "I;16B", "I;16N")
_REFUSED: Final = {
    "CMYK": "CMYK colours, which are made for print",
    "YCbCr": "YCbCr colours",
    "LAB": "Lab colours",
    "HSV": "HSV colours",
    "I": "32-bit integer pixels",
    "F": "floating-point pixels",
    "La": "premultiplied transparency",
    "RGBa": "premultiplied transparency",
}
_TO_RGB: Final = "convert it to RGB of 8 or 16 bits first"

_SUBFILE_TYPE, _BITS, _PHOTOMETRIC, _PLANAR, _TILE_WIDTH, _TILE_LENGTH = 254, 258, 262, 284, 322, 323
_EXTRA_SAMPLES, _DNG_VERSION = 338, 50706
_REDUCED, _WHITE_IS_ZERO, _SEPARATE_PLANES, _PREMULTIPLIED = 1, 0, 2, 1


def check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    """Refuses pictures without pixels, or with more than `max_pixels`."""
    width, height = size
    if width < 1 or height < 1:
        raise UnreadableImageError(f"{name}: has no pixels; give a picture of at least 1 x 1.")
    if width * height > max_pixels:
        raise ImageTooLargeError(
            f"{name}: has {width} x {height} = {width * height:,} pixels, more than the limit of "
            f"{max_pixels:,}; scale it down or raise the limit."
        )


def check_container(image: Image.Image, file: BinaryIO, name: str, max_pixels: int) -> None:
    """Refuses, before anything is decoded, what would be lost, misread or written back wrongly."""
    if isinstance(image, TiffImageFile):
        _check_tiff(image, name, max_pixels)
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in ("MPO", "HEIF"):
        raise UnsupportedImageError(
            f"{name}: holds {frames} pictures (an animation or pages); save the one you want as PNG first."
        )
    position = file.tell()
    hdr = _is_hdr(image, file)
    file.seek(position)
    if hdr:
        raise UnsupportedImageError(
            f"{name}: is an HDR picture (PQ or HLG), whose colours would go wrong; convert it to SDR first."
        )
    _check_mode(image.mode, name)


def notes_on(image: Image.Image, file: BinaryIO | None) -> tuple[str, ...]:
    """What reading `image` leaves out or reduces, a sentence each."""
    notes = []
    if image.format == "MPO" or "mpoffset" in image.info or (image.format == "HEIF" and _frames(image) > 1):
        notes.append("Only the main picture was read; the file's other pictures (gain map, depth, 3D) are left out.")
    bits = headers.bits_per_channel(_head(file)) if file and image.format in ("AVIF", "HEIF") else 8
    if bits > 8:
        notes.append(f"The picture has {bits} bits per channel, of which 8 were read.")
    return tuple(notes)


def native_pixels(image: Image.Image, name: str) -> NativeArray:
    """The pixels of a loaded picture as `Photo.native` has them, but as they are stored, not upright."""
    _check_mode(image.mode, name)
    transparent = image.info.get("transparency")
    if image.mode in _DEEP_GREY:
        grey = np.asarray(image).astype(np.uint16)
        return grey if transparent is None else _grey_with_transparent(grey, transparent)
    if image.mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif transparent is not None and image.mode in _WITH_TRANSPARENCY:
        image = image.convert(_WITH_TRANSPARENCY[image.mode])
    elif image.mode in _CONVERTED:
        image = image.convert(_CONVERTED[image.mode])
    return np.asarray(image)


def foreign_file(head: bytes, name: str) -> InputError:
    """The error for a file that is no picture, or one of a format that is not read."""
    Image.init()
    for format_name, (_, accept) in Image.OPEN.items():
        if accept is not None and accept(head[:16]):
            return UnsupportedImageError(
                f"{name}: {format_name} files are not read; convert it to PNG, JPEG, TIFF or WebP first."
            )
    kinds = "JPEG, PNG, TIFF, WebP, AVIF or HEIC"
    return UnreadableImageError(f"{name}: is not a picture of a known kind; give a {kinds} file.")


def _check_mode(mode: str, name: str) -> None:
    if mode in _REFUSED:
        raise UnsupportedImageError(f"{name}: has {_REFUSED[mode]}; {_TO_RGB}.")


def _check_tiff(image: TiffImageFile, name: str, max_pixels: int) -> None:
    tags = image.tag_v2
    if _DNG_VERSION in tags or tags.get(_SUBFILE_TYPE, 0) & _REDUCED:
        raise UnsupportedImageError(f"{name}: is a camera raw file or a preview; develop it to TIFF or JPEG first.")
    if tags.get(_TILE_WIDTH, 1) * tags.get(_TILE_LENGTH, 1) > max(max_pixels, 1 << 20):
        raise ImageTooLargeError(f"{name}: has tiles of more pixels than the limit of {max_pixels:,}; {_TO_RGB}.")
    bits = tags.get(_BITS, (1,))
    deep = max(bits) == 16
    unusual = {
        f"{max(bits)} bits per channel": max(bits) not in (1, 2, 4, 8, 16, 32),
        "16-bit colour in separate planes": deep and len(bits) > 1 and tags.get(_PLANAR) == _SEPARATE_PLANES,
        "16 bits and premultiplied transparency": deep and _PREMULTIPLIED in tags.get(_EXTRA_SAMPLES, ()),
        "16 bits and white as zero": deep and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO,
    }
    for what, applies in unusual.items():
        if applies:
            raise UnsupportedImageError(f"{name}: is a TIFF file of {what}; {_TO_RGB}.")


def _is_hdr(image: Image.Image, file: BinaryIO) -> bool:
    if image.format in ("AVIF", "HEIF"):
        return headers.is_hdr(_head(file))
    return image.format == "PNG" and headers.png_header(file).is_hdr


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(headers.HEAD_BYTES)


def _frames(image: Image.Image) -> int:
    return int(getattr(image, "n_frames", 1))


def _grey_with_transparent(grey: NativeArray, transparent: int) -> NativeArray:
    alpha = np.where(grey == transparent, 0, 65_535).astype(np.uint16)
    return np.dstack([grey, grey, grey, alpha])
