"""Picture files made for these tests, as bytes."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from typing import Any

import cv2
import numpy as np
import tifffile
from PIL import Image, ImageCms
from PIL.ExifTags import IFD, Base
from PIL.PngImagePlugin import PngInfo, putchunk
from skimage import data

GPS_LATITUDE = (63.0, 25.0, 49.0)
ARTIST = "Sigrid Undset"
COMMENT = b"taken-at-her-home"
XMP_SECRET = b"xmp-names-the-person"
TRAILER = b"ftypmp42-motion-photo-video" * 40
MAKER_NOTE = b"maker-note-with-preview"


@cache
def astronaut() -> np.ndarray:
    """uint8 60 x 84 x 3 of a real photo, with an odd aspect so that no orientation goes unnoticed."""
    face = data.astronaut()[0:240, 90:426]
    picture: np.ndarray = cv2.resize(face, (84, 60), interpolation=cv2.INTER_AREA)
    picture.setflags(write=False)
    return picture


def deep(picture: np.ndarray) -> np.ndarray:
    """uint16 version whose lower bytes are not a copy of the upper ones."""
    noise = np.random.default_rng(3).integers(0, 256, picture.shape)
    return (picture.astype(np.uint16) << 8) | noise.astype(np.uint16)


def alpha(shape: tuple[int, ...]) -> np.ndarray:
    """uint8 h x w: every transparency from 0 to 255."""
    height, width = shape[:2]
    return (np.arange(height * width) % 256).reshape(height, width).astype(np.uint8)


def encoded(picture: np.ndarray | Image.Image, format_name: str, **options: Any) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def decoded(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


def decoded_deep(content: bytes) -> np.ndarray:
    """With OpenCV: 16 bits as stored."""
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture if picture.ndim == 2 else picture[..., [2, 1, 0, *range(3, picture.shape[2])]]


def png(pixels: np.ndarray, colour_type: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file written by hand: any depth and colour type, with `chunks` in front of the pixels."""
    height, width = pixels.shape[:2]
    rows = pixels.astype(pixels.dtype.newbyteorder(">"))
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, colour_type, 0, 0, 0)
    return png_of(header, zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)), *chunks)


def png_of(header: bytes, compressed: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    out = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    out.seek(0, io.SEEK_END)
    for name, content in ((b"IHDR", header), *chunks, (b"IDAT", compressed), (b"IEND", b"")):
        putchunk(out, name, content)
    return out.getvalue()


def tiff(pixels: np.ndarray, **options: Any) -> bytes:
    """A TIFF file by tifffile, which can do what Pillow cannot."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, metadata=None, **options)
    return buffer.getvalue()


def giant_png(width: int, height: int) -> bytes:
    """A small file that claims to be large."""
    return png_of(struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), zlib.compress(b"\0" * 1000))


@cache
def srgb_profile() -> bytes:
    """The same bytes each time; a profile holds the second in which it was made."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def thumbnail() -> bytes:
    return encoded(cv2.resize(astronaut(), (40, 30)), "JPEG")


def telling_exif() -> bytes:
    """EXIF data with a name, a place, a date, a camera with its serial number, and a thumbnail."""
    exif = Image.Exif()
    exif[Base.Artist], exif[Base.Make], exif[Base.Model] = ARTIST, "Leica", "M11"
    exif[Base.DateTime], exif[Base.ImageDescription] = "2026:05:17 12:00:00", "On the balcony"
    details = exif.get_ifd(IFD.Exif)
    details[Base.DateTimeOriginal], details[Base.FNumber] = "2026:05:17 11:59:59", 2.0
    details[Base.BodySerialNumber], details[Base.MakerNote] = "SERIAL-4711", MAKER_NOTE
    gps = exif.get_ifd(IFD.GPSInfo)
    gps[1], gps[2] = "N", GPS_LATITUDE
    return _with_thumbnail(exif.tobytes().removeprefix(b"Exif\0\0"))


def telling_xmp() -> bytes:
    return b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><!--' + XMP_SECRET + b"--></x:xmpmeta>"


def telling_png_text() -> PngInfo:
    info = PngInfo()
    info.add_text("Author", ARTIST)
    info.add_text("Comment", COMMENT.decode(), zip=True)
    info.add_itxt("XML:com.adobe.xmp", telling_xmp().decode())
    return info


def telling_jpeg(**options: Any) -> bytes:
    """A JPEG file with all that a phone may put into it, a film behind the end included."""
    settings = {
        "quality": 90,
        "comment": COMMENT,
        "exif": telling_exif(),
        "xmp": telling_xmp(),
        "dpi": (300, 300),
    }
    return encoded(astronaut(), "JPEG", **settings | options) + TRAILER


def _with_thumbnail(tiff: bytes) -> bytes:
    """Links a second directory that holds a JPEG thumbnail into big-endian EXIF data."""
    (entries,) = struct.unpack_from(">H", tiff, 8)
    link = 10 + 12 * entries
    directory = len(tiff)
    picture = thumbnail()
    start = directory + 2 + 3 * 12 + 4
    second = struct.pack(">H", 3)
    second += struct.pack(">HHIHxx", 0x0103, 3, 1, 6)
    second += struct.pack(">HHII", 0x0201, 4, 1, start)
    second += struct.pack(">HHII", 0x0202, 4, 1, len(picture))
    linked = tiff[:link] + struct.pack(">I", directory) + tiff[link + 4 :]
    return b"Exif\0\0" + linked + second + struct.pack(">I", 0) + picture
