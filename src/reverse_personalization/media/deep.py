"""Colour of 16 bits per channel, which Pillow reduces to 8, read with OpenCV."""

from __future__ import annotations

from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from reverse_personalization.errors import UnsupportedImageError
from reverse_personalization.media import headers
from reverse_personalization.media.photo import NativeArray, upper_byte, upright

_BITS = 258


def is_deep_colour(image: Image.Image, file: BinaryIO) -> bool:
    """Whether the file behind `image` has several channels of 16 bits."""
    if isinstance(image, TiffImageFile):
        bits = image.tag_v2.get(_BITS, (1,))
        return len(bits) > 1 and max(bits) == 16
    return image.format == "PNG" and headers.png_header(file).deep


def decode_deep(image: Image.Image, file: BinaryIO, orientation: int, name: str) -> NativeArray:
    """The pixels at full depth, upright, checked against Pillow's 8-bit version of them.

    Args:
        image: what Pillow decoded; its success also says that the file is complete.
        file: the encoded file.
        orientation: EXIF orientation that is still to be applied to `image`.
        name: for messages.

    Returns:
        uint16 H x W x 3 or, with transparency, H x W x 4.

    Raises:
        UnsupportedImageError: the two decoders disagree, so that the pixels cannot be trusted.
    """
    shallow = upright(np.asarray(image), orientation)[..., :3]
    file.seek(0)
    decoded = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype != np.uint16 or decoded.ndim != 3:
        raise _disagreement(name)
    code = cv2.COLOR_BGR2RGB if decoded.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    native: NativeArray = np.asarray(cv2.cvtColor(decoded, code), np.uint16)
    if image.format == "PNG":  # OpenCV turns TIFF files upright, and them only.
        native = upright(native, orientation)
    if image.mode == "RGB" and "transparency" not in image.info:
        native = native[..., :3]
    if not np.array_equal(upper_byte(native[..., :3]), shallow):
        raise _disagreement(name)
    return native


def _disagreement(name: str) -> UnsupportedImageError:
    return UnsupportedImageError(f"{name}: has 16 bits per channel in an unusual form; convert it to 8 bits first.")
