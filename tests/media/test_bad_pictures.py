"""Files that cannot be taken: the right error each, in one sentence, without decoding what is too large."""

from __future__ import annotations

import os
import resource
import struct
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import media_samples as samples
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from reverse_personalization.errors import (
    ImageTooLargeError,
    InputError,
    UnreadableImageError,
    UnsupportedImageError,
)
from reverse_personalization.media import formats
from reverse_personalization.media.images import is_supported, output_suffix, read_photo
from reverse_personalization.media.reading import opened

LIMIT = 1_000_000
RGB = samples.astronaut()


def animation(format_name: str) -> bytes:
    frames = [Image.fromarray(np.roll(RGB, shift, 1)) for shift in (0, 9, 18)]
    return samples.encoded(frames[0], format_name, save_all=True, append_images=frames[1:], duration=50)


def twelve_bit_tiff() -> bytes:
    content = samples.tiff(samples.deep(RGB[..., 0]), photometric="minisblack")
    at = content.index(struct.pack("<HHIH", 258, 3, 1, 16))
    return content[: at + 8] + struct.pack("<H", 12) + content[at + 10 :]


def hdr_png() -> bytes:
    return samples.png(samples.deep(RGB), 2, (b"cICP", bytes([9, 16, 0, 1])))


def hdr_avif() -> bytes:
    content = samples.encoded(RGB, "AVIF")
    at = content.index(b"colrnclx") + 10
    return content[:at] + struct.pack(">H", 16) + content[at + 2 :]


HEIC_HEAD = struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(40)

UNREADABLE: dict[str, Callable[[], bytes]] = {
    "zero bytes": lambda: b"",
    "text": lambda: b"Dear diary, this is no picture.\n" * 20,
    "text of one letter": lambda: b"x",
    "half a JPEG": lambda: samples.encoded(RGB, "JPEG")[:1500],
    "half a PNG": lambda: samples.encoded(RGB, "PNG")[:4000],
    "half a WebP": lambda: samples.encoded(RGB, "WEBP")[:1000],
    "half an AVIF": lambda: samples.encoded(RGB, "AVIF")[:-400],
    "half a TIFF": lambda: samples.encoded(RGB, "TIFF")[:5000],
    "half a compressed TIFF": lambda: samples.encoded(RGB, "TIFF", compression="tiff_adobe_deflate")[:3000],
    "half a BMP": lambda: samples.encoded(RGB, "BMP")[:5000],
    "half a GIF": lambda: samples.encoded(Image.fromarray(RGB).quantize(64), "GIF")[:2000],
    "half a 16-bit PNG": lambda: samples.png(samples.deep(RGB), 2)[:9000],
    "a JPEG's first bytes": lambda: samples.encoded(RGB, "JPEG")[:20],
    "a PNG signature": lambda: b"\x89PNG\r\n\x1a\n",
    "a PNG without pixels": lambda: samples.png_of(struct.pack(">IIBBBBB", 0, 9, 8, 2, 0, 0, 0), b""),
}
UNSUPPORTED: dict[str, tuple[Callable[[], bytes], str]] = {
    "animated GIF": (lambda: animation("GIF"), "holds 3 pictures"),
    "animated WebP": (lambda: animation("WEBP"), "holds 3 pictures"),
    "animated PNG": (lambda: animation("PNG"), "holds 3 pictures"),
    "animated AVIF": (lambda: animation("AVIF"), "holds 3 pictures"),
    "TIFF with pages": (lambda: animation("TIFF"), "holds 3 pictures"),
    "CMYK JPEG": (lambda: samples.encoded(Image.fromarray(RGB).convert("CMYK"), "JPEG"), "CMYK"),
    "CMYK TIFF": (lambda: samples.encoded(Image.fromarray(RGB).convert("CMYK"), "TIFF"), "CMYK"),
    "Lab TIFF": (lambda: samples.encoded(Image.new("LAB", (9, 9)), "TIFF"), "Lab"),
    "YCbCr TIFF": (
        lambda: samples.encoded(Image.fromarray(RGB).convert("YCbCr"), "TIFF"),
        "YCbCr|unusual kind",
    ),  # Pillow 13, and 12
    "float TIFF": (lambda: samples.encoded(Image.new("F", (9, 9), float("nan")), "TIFF"), "floating-point"),
    "32-bit TIFF": (lambda: samples.encoded(Image.new("I", (9, 9)), "TIFF"), "32-bit integer"),
    "camera raw": (lambda: samples.encoded(RGB, "TIFF", tiffinfo={50706: b"\1\4\0\0"}), "camera raw"),
    "preview of a raw file": (lambda: samples.encoded(RGB, "TIFF", tiffinfo={254: 1}), "camera raw"),
    "12-bit TIFF": (twelve_bit_tiff, "12 bits per channel"),
    "16-bit TIFF in planes": (
        lambda: samples.tiff(samples.deep(RGB).transpose(2, 0, 1), photometric="rgb", planarconfig="separate"),
        "separate planes",
    ),
    "16-bit TIFF, premultiplied": (
        lambda: samples.tiff(
            samples.deep(np.dstack([RGB, RGB[..., 0]])), photometric="rgb", extrasamples=["assocalpha"]
        ),
        "premultiplied",
    ),
    "16-bit TIFF, inverted": (
        lambda: samples.tiff(samples.deep(RGB[..., 0]), photometric="miniswhite"),
        "white as zero",
    ),
    "HDR PNG": (hdr_png, "HDR"),
    "HDR AVIF": (hdr_avif, "HDR"),
    "JPEG 2000": (lambda: samples.encoded(RGB, "JPEG2000"), "JPEG2000 files are not read"),
    "icon": (lambda: samples.encoded(RGB, "ICO", sizes=[(16, 16)]), "ICO files are not read"),
    "PostScript": (lambda: samples.encoded(RGB, "EPS"), "EPS files are not read"),
}


def one_sentence(error: BaseException) -> bool:
    text = str(error)
    return "\n" not in text and text.endswith(".") and len(text) < 250


@pytest.mark.parametrize("kind", UNREADABLE)
def test_unreadable(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(UNREADABLE[kind]())
    with pytest.raises(UnreadableImageError, match=r"photo\.jpg: ") as caught:
        read_photo(path, max_pixels=LIMIT)
    assert one_sentence(caught.value)


@pytest.mark.parametrize("kind", UNSUPPORTED)
def test_refused_by_name(kind: str) -> None:
    make, reason = UNSUPPORTED[kind]
    # Pillow 12 cannot even tell what the YCbCr file is.
    refused = InputError if kind == "YCbCr TIFF" else UnsupportedImageError
    with pytest.raises(refused, match=reason) as caught:
        read_photo(make(), max_pixels=LIMIT)
    assert one_sentence(caught.value)


def test_heic_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "heif_available", lambda: False)
    with pytest.raises(UnsupportedImageError, match=r"pip install 'reverse-personalization\[heic\]'") as caught:
        read_photo(HEIC_HEAD, max_pixels=LIMIT)
    assert one_sentence(caught.value)


@pytest.mark.parametrize("mode", ["HSV", "La", "RGBa"])
def test_pillow_pictures_of_odd_modes_are_refused(mode: str) -> None:
    with pytest.raises(UnsupportedImageError):
        read_photo(Image.new(mode, (4, 4)), max_pixels=LIMIT)


@pytest.mark.parametrize(
    "array",
    [
        np.full((4, 4, 3), np.nan, np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.uint16),
        np.array(None, object),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(UnsupportedImageError, match="give uint8 RGB") as caught:
        read_photo(array, max_pixels=LIMIT)
    assert one_sentence(caught.value)


@pytest.mark.parametrize("source", [np.zeros((0, 5, 3), np.uint8), Image.new("RGB", (0, 5))])
def test_without_pixels(source: np.ndarray | Image.Image) -> None:
    with pytest.raises(UnreadableImageError, match="no pixels"):
        read_photo(source, max_pixels=LIMIT)


@pytest.mark.parametrize("name", ["missing.jpg", "", "with\0null.jpg", "x" * 300 + ".jpg"])
def test_no_such_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError) as caught:
        read_photo(tmp_path / name, max_pixels=LIMIT)
    assert one_sentence(caught.value) or len(name) > 200


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(UnreadableImageError, match="not a regular file"):
        read_photo(tmp_path / "pipe.jpg", max_pixels=LIMIT)


def test_size_is_checked_before_decoding() -> None:
    """Decoding the file, which is nearly empty, would make it an unreadable one."""
    with pytest.raises(ImageTooLargeError, match=r"20000 x 20000 = 400,000,000 pixels.*100,000,000") as caught:
        read_photo(samples.giant_png(20_000, 20_000), max_pixels=100_000_000)
    assert one_sentence(caught.value)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP"])
def test_the_limit_is_ours_and_exact(format_name: str) -> None:
    content = samples.encoded(RGB, format_name)
    assert read_photo(content, max_pixels=84 * 60).width == 84
    with pytest.raises(ImageTooLargeError):
        read_photo(content, max_pixels=84 * 60 - 1)
    for source in (RGB, Image.fromarray(RGB)):
        with pytest.raises(ImageTooLargeError):
            read_photo(source, max_pixels=84 * 60 - 1)


def test_pillows_own_limit_neither_warns_nor_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_photo(samples.encoded(RGB, "PNG"), max_pixels=LIMIT).width == 84
    assert Image.MAX_IMAGE_PIXELS == 100


def peak_megabytes() -> float:
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def test_a_compressed_bomb_stays_within_the_picture() -> None:
    """400 MB of zeros behind a header that promises 10 x 10 pixels."""
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(400)) + packer.flush()
    bomb = samples.png_of(struct.pack(">IIBBBBB", 10, 10, 8, 2, 0, 0, 0), packed)
    before = peak_megabytes()
    assert read_photo(bomb, max_pixels=LIMIT).width == 10
    assert peak_megabytes() - before < 50


def test_huge_tiles_in_a_small_tiff_are_refused() -> None:
    content = samples.tiff(RGB, photometric="rgb", tile=(16, 16))
    for tag in (322, 323):
        at = content.index(struct.pack("<HHI", tag, 4, 1))
        content = content[: at + 8] + struct.pack("<I", 60_000) + content[at + 12 :]
    with pytest.raises(ImageTooLargeError, match="tiles"):
        read_photo(content, max_pixels=LIMIT)


def test_names_of_pictures() -> None:
    assert is_supported(Path("IMG_1.HEIC"))
    assert is_supported(Path("a.tif"))
    assert not is_supported(Path("notes.txt"))
    assert not is_supported(Path("out.jpg.json"))
    assert [output_suffix(suffix) for suffix in (".JPG", ".gif", ".mpo", ".webp")] == [
        ".JPG",
        ".png",
        ".jpg",
        ".webp",
    ]


def test_opening_does_not_leave_the_file_open(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(samples.encoded(RGB, "PNG"))
    with opened(path) as (_, file, _):
        pass
    assert file.closed


FUZZED = {
    "jpeg": samples.telling_jpeg(),
    "mpo": samples.encoded(RGB, "MPO", save_all=True, append_images=[Image.fromarray(RGB)]),
    "png": samples.encoded(RGB, "PNG", exif=samples.telling_exif(), icc_profile=samples.srgb_profile()),
    "png16": samples.png(samples.deep(RGB), 2),
    "palette": samples.encoded(Image.fromarray(RGB).quantize(32), "PNG", transparency=3),
    "webp": samples.encoded(RGB, "WEBP", exif=samples.telling_exif()),
    "tiff": samples.encoded(RGB, "TIFF", compression="tiff_adobe_deflate"),
    "avif": samples.encoded(RGB, "AVIF", exif=samples.telling_exif()),
    "bmp": samples.encoded(RGB, "BMP"),
    "gif": samples.encoded(Image.fromarray(RGB).quantize(32), "GIF"),
}


@pytest.mark.parametrize("kind", FUZZED)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(cut=st.floats(0, 1), flips=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), max_size=12))
def test_damaged_files_raise_input_errors_only(kind: str, cut: float, flips: list[tuple[float, int]]) -> None:
    content = bytearray(FUZZED[kind])
    for place, change in flips:
        # Squared, since headers come first and have the more interesting bytes.
        content[int(place * place * len(content))] ^= change
    if cut > 0.5:
        del content[int((cut - 0.5) * 2 * len(content)) :]
    try:
        photo = read_photo(bytes(content), max_pixels=LIMIT)
    except InputError:
        return
    assert photo.image_rgb.shape == (photo.height, photo.width, 3)
