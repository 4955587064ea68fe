"""Pixels to bytes, per format.

Every picture is encoded from bare pixels: nothing of the source's metadata can slip through, since Pillow,
which copies some of it from picture to picture, never sees the source here.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from PIL import Image
from PIL.ExifTags import Base
from PIL.PngImagePlugin import putchunk
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from reverse_personalization.media.metadata import MAIN_DIRECTORY
from reverse_personalization.media.photo import Coding, NativeArray

_JPEG_QUALITY: Final = 95
_WEBP_QUALITY: Final = 95
_AVIF_QUALITY: Final = 90
_HEIF_QUALITY: Final = 90
_PNG_SIGNATURE_AND_HEADER: Final = 33
_METRES_PER_INCH: Final = 0.0254
_TIFF_STRIP_BYTES: Final = 1 << 18
_ADOBE_DEFLATE: Final = 8
_HORIZONTAL_DIFFERENCES: Final = 2


@dataclass(frozen=True)
class Extras:
    """What goes into a file beside the pixels.

    Attributes:
        icc_profile: colour profile.
        exif: EXIF values to keep, by (directory, tag); directory 0 is the main one.
        xmp: XMP packet.
        dpi: pixels per inch.
    """

    icc_profile: bytes | None
    exif: Mapping[tuple[int, int], Any]
    xmp: bytes | None
    dpi: tuple[float, float] | None


def encode(pixels: NativeArray, format_name: str, coding: Coding, extras: Extras) -> bytes:
    """Encodes uint8 or, for PNG and TIFF, uint16 pixels (H x W, or H x W x 2, 3 or 4).

    Raises whatever the encoder raises on sizes or metadata that it cannot take.
    """
    if format_name == "PNG":
        return _png(pixels, coding, extras)
    if format_name == "TIFF":
        return _tiff(pixels, extras)
    options: dict[str, Any] = {
        "icc_profile": extras.icc_profile,
        "exif": _exif_bytes(extras.exif),
        "xmp": extras.xmp,
        "dpi": extras.dpi,
        **_options(format_name, coding),
    }
    buffer = io.BytesIO()
    given = {name: value for name, value in options.items() if value is not None}
    Image.fromarray(pixels).save(buffer, format_name, **given)
    return buffer.getvalue()


def _options(format_name: str, coding: Coding) -> dict[str, Any]:
    if format_name == "JPEG" and coding.jpeg_tables:
        return {"qtables": coding.jpeg_tables, "subsampling": coding.jpeg_subsampling}
    if format_name == "WEBP" and coding.lossless_webp:
        return {"lossless": True, "exact": True}
    fresh: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": _JPEG_QUALITY, "subsampling": "4:4:4"},
        "WEBP": {"quality": _WEBP_QUALITY},
        "AVIF": {"quality": _AVIF_QUALITY, "subsampling": "4:4:4"},
        "HEIF": {"quality": _HEIF_QUALITY, "chroma": 444},
    }
    return fresh.get(format_name, {})


def _exif_bytes(fields: Mapping[tuple[int, int], Any]) -> bytes | None:
    if not fields:
        return None
    exif = Image.Exif()
    for (directory, tag), value in fields.items():
        part = exif if directory == MAIN_DIRECTORY else exif.get_ifd(directory)
        part[tag] = value
    return exif.tobytes()


def _png(pixels: NativeArray, coding: Coding, extras: Extras) -> bytes:
    """Encodes the pixels alone, then puts all other chunks between header and pixels."""
    if pixels.dtype == np.uint16:
        plain = _deep_png(pixels)
    else:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        plain = buffer.getvalue()
    out = io.BytesIO()
    out.write(plain[:_PNG_SIGNATURE_AND_HEADER])
    for name, data in _png_chunks(coding, extras):
        putchunk(out, name, data)
    out.write(memoryview(plain)[_PNG_SIGNATURE_AND_HEADER:])
    return out.getvalue()


def _deep_png(pixels: NativeArray) -> bytes:
    swap = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    bgr = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, swap[pixels.shape[2]])
    done, data = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 6])
    if not done:
        raise OSError("OpenCV could not encode the picture.")
    return data.tobytes()


def _png_chunks(coding: Coding, extras: Extras) -> Iterator[tuple[bytes, bytes]]:
    """Ancillary chunks in the order that the PNG specification wants, 5.6."""
    for name, data in coding.png_colour:
        if name != b"sRGB" or not extras.icc_profile:
            yield name, data
    if extras.icc_profile:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(extras.icc_profile)
    if extras.dpi:
        x, y = (round(value / _METRES_PER_INCH) for value in extras.dpi)
        yield b"pHYs", struct.pack(">IIB", x, y, 1)
    if exif := _exif_bytes(extras.exif):
        yield b"eXIf", exif.removeprefix(b"Exif\0\0")
    if extras.xmp:
        yield b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + extras.xmp


def _tiff(pixels: NativeArray, extras: Extras) -> bytes:
    """A TIFF file of deflated strips; Pillow's own writer knows neither 16-bit colour nor XMP."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    rows = min(height, max(1, _TIFF_STRIP_BYTES // pixels[:1].nbytes))
    strips = [_deflated(pixels[top : top + rows]) for top in range(0, height, rows)]
    ends = np.cumsum([len(strip) for strip in strips])
    directory = ImageFileDirectory_v2()
    for key, value in _tiff_fields(extras).items():
        directory[key] = value
    directory[Base.ImageWidth], directory[Base.ImageLength] = width, height
    directory[Base.BitsPerSample] = (8 * pixels.itemsize,) * channels
    directory[Base.Compression] = _ADOBE_DEFLATE
    directory[Base.Predictor] = _HORIZONTAL_DIFFERENCES
    directory[Base.PhotometricInterpretation] = 1 if channels < 3 else 2  # black is zero, RGB
    directory[Base.SamplesPerPixel] = channels
    directory[Base.PlanarConfiguration] = 1  # channels interleaved
    if channels in (2, 4):
        directory[Base.ExtraSamples] = 2  # alpha, not premultiplied
    directory[Base.RowsPerStrip] = rows
    directory[Base.StripByteCounts] = tuple(len(strip) for strip in strips)
    directory[Base.StripOffsets] = tuple(int(end) - len(strip) for end, strip in zip(ends, strips, strict=True))
    out = io.BytesIO()
    directory.save(out)  # Moves the offsets behind itself.
    out.writelines(strips)
    return out.getvalue()


def _deflated(rows: NativeArray) -> bytes:
    differences = rows.astype(rows.dtype.newbyteorder("<"))
    differences[:, 1:] -= rows[:, :-1]
    return zlib.compress(differences.tobytes())


def _tiff_fields(extras: Extras) -> dict[int, Any]:
    fields: dict[int, Any] = {}
    for (directory, tag), value in extras.exif.items():
        if directory == MAIN_DIRECTORY:
            fields[tag] = value
        else:
            fields.setdefault(directory, {})[tag] = value
    if extras.xmp:
        fields[Base.XMLPacket] = extras.xmp
    if extras.icc_profile:
        fields[Base.InterColorProfile] = extras.icc_profile
    return fields
