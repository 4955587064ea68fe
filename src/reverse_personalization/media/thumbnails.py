"""Small squares of pictures, for pages."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from reverse_personalization.media.photo import ByteArray


def square(image_rgb: ByteArray, centre: tuple[float, float], reach: float, size: int) -> ByteArray:
    """The square that reaches so many pixels from a centre (x, y) to each side, uint8 size x size x 3.

    It is black outside the picture.
    """
    (x, y), method = centre, Image.Transform.EXTENT
    box = (x - reach, y - reach, x + reach, y + reach)
    return np.asarray(Image.fromarray(image_rgb).transform((size, size), method, box, Image.Resampling.BICUBIC))


def data_url(image_rgb: ByteArray) -> str:
    """A picture as the address of itself, so that a page needs no other file."""
    buffer = io.BytesIO()
    Image.fromarray(image_rgb).save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
