"""From a file, its bytes, a Pillow picture or an array to a `Photo`, or one sentence that says why not."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

# Imported for Pillow's registry, which would otherwise load all of its forty plugins.
from PIL import AvifImagePlugin, Image, JpegImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401

from reverse_personalization.errors import (
    ImageTooLargeError,
    InputError,
    UnreadableImageError,
    UnsupportedImageError,
)
from reverse_personalization.media import formats, headers, support
from reverse_personalization.media.deep import decode_deep, is_deep_colour
from reverse_personalization.media.metadata import Metadata, read_metadata
from reverse_personalization.media.photo import Coding, NativeArray, Photo, rgb_for_processing, upright

_PILLOW_FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
_EXPORT: Final = "open it in a picture editor and export it as PNG or JPEG"
_ORIENTATION: Final = 0x0112
_PILLOW = threading.RLock()


def read_photo(source: Path | str | bytes | Image.Image | np.ndarray[Any, Any], *, max_pixels: int) -> Photo:
    """Reads a photo, upright and at full depth.

    Args:
        source: a path, an encoded file, a Pillow picture (its current frame), or a uint8 H x W x 3 RGB
            array, which is not copied and must not be changed while the photo is in use.
        max_pixels: larger pictures are refused before they are decoded.

    Raises:
        UnreadableImageError: missing, empty, truncated, damaged, or not a picture at all.
        UnsupportedImageError: a picture of a kind that is refused by name.
        ImageTooLargeError: more than `max_pixels` pixels.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    if isinstance(source, Image.Image):
        name = "The picture"
        with _pillow_to_ourselves(), _decoding(name):
            support.check_size(source.size, name, max_pixels)
            return _photo(source, None, name)
    with opened(source) as (image, file, name):
        support.check_size(image.size, name, max_pixels)
        support.check_container(image, file, name, max_pixels)
        return _photo(image, file, name)


@contextmanager
def opened(source: Path | str | bytes) -> Iterator[tuple[Image.Image, BinaryIO, str]]:
    """Opens an encoded picture without decoding it: Pillow's picture, the file, and a name for messages.

    Errors of the decoder that occur while it is open are turned into `UnreadableImageError`.
    """
    name = "The picture" if isinstance(source, bytes) else str(source)
    with _file(source) as file, _pillow_to_ourselves(), _decoding(name):
        yield _identified(file, name), file, name


@contextmanager
def _file(source: Path | str | bytes) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    path = Path(source)
    try:
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "not a regular file"
            raise UnreadableImageError(f"{path}: is {kind}; give a picture file.")
        file = path.open("rb")
    except FileNotFoundError as error:
        raise UnreadableImageError(f"{path}: there is no such file; check the name.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnreadableImageError(f"{path}: cannot be opened ({reason}); check the name and rights.") from error
    with file:
        yield file


@contextmanager
def _pillow_to_ourselves() -> Iterator[None]:
    """Replaces Pillow's own pixel limit and warnings, which are global, by the checks of this package."""
    with _PILLOW, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise ImageTooLargeError(f"{name}: needs more memory than there is; scale it down first.") from error
    except Exception as error:  # Decoders meet hostile bytes, and raise nearly anything.
        raise UnreadableImageError(f"{name}: is damaged, cut short or of an unusual kind; {_EXPORT}.") from error


def _identified(file: BinaryIO, name: str) -> Image.Image:
    head = file.read(headers.HEAD_BYTES)
    if not head:
        raise UnreadableImageError(f"{name}: is empty; give a picture file.")
    known: tuple[str, ...] = _PILLOW_FORMATS
    if headers.is_heif(head):
        if not formats.heif_available():
            raise UnsupportedImageError(f"{name}: is a HEIC picture; to read it, run {formats.HEIC_HINT}.")
        known = ("HEIF",)
    elif head[4:8] == b"ftyp":
        known = ("AVIF",)
    if not any(_looks_like(head, format_name) for format_name in known):
        raise support.foreign_file(head, name)
    return Image.open(file, formats=known)


def _looks_like(head: bytes, format_name: str) -> bool:
    if format_name not in Image.OPEN:
        Image.preinit()
    accept = Image.OPEN[format_name][1]
    return accept is not None and accept(head[:16]) is True


def _from_array(array: np.ndarray[Any, Any], max_pixels: int) -> Photo:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise UnsupportedImageError(
            f"The array is {array.dtype} of shape {array.shape}; give uint8 RGB of shape (height, width, 3)."
        )
    support.check_size((array.shape[1], array.shape[0]), "The array", max_pixels)
    native = _read_only(array.view())
    return Photo(_read_only(rgb_for_processing(native)), native)


def _photo(image: Image.Image, file: BinaryIO | None, name: str) -> Photo:
    image.load()
    notes = list(support.notes_on(image, file))
    try:
        metadata, orientation = read_metadata(image), image.getexif().get(_ORIENTATION, 1)
    except Exception:  # Damaged EXIF data does not make the pixels unreadable; the note says so.
        metadata, orientation = Metadata(), 1
        notes.append("The EXIF data is damaged and was ignored, the orientation in it included.")
    if file is not None and is_deep_colour(image, file):
        native = decode_deep(image, file, orientation, name)
    else:
        native = upright(support.native_pixels(image, name), orientation)
    native = _read_only(np.ascontiguousarray(native))
    return Photo(
        image_rgb=_read_only(rgb_for_processing(native)),
        native=native,
        format=image.format or "",
        icc_profile=image.info.get("icc_profile") or None,
        metadata=metadata,
        coding=_coding(image, file),
        notes=tuple(notes),
    )


def _coding(image: Image.Image, file: BinaryIO | None) -> Coding:
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        tables = tuple(tuple(image.quantization[key]) for key in sorted(image.quantization))
        return Coding(jpeg_tables=tables, jpeg_subsampling=max(JpegImagePlugin.get_sampling(image), 0))
    if file is not None and image.format == "WEBP":
        return Coding(lossless_webp=headers.webp_is_lossless(file))
    if file is not None and image.format == "PNG":
        return Coding(png_colour=headers.png_header(file).colour)
    return Coding()


def _read_only(array: NativeArray) -> Any:
    array.setflags(write=False)
    return array
