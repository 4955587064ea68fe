"""What is not changed comes back: bit for bit in lossless files, and upright."""

from __future__ import annotations

import io
from pathlib import Path

import media_samples as samples
import numpy as np
import pytest
from PIL import Image, ImageOps, features
from PIL.ExifTags import Base
from PIL.JpegImagePlugin import JpegImageFile

from reverse_personalization.errors import OutputError, UsageError
from reverse_personalization.media.colour_profile import reduced
from reverse_personalization.media.images import Photo, read_photo, write_photo

LIMIT = 1_000_000
RGB = samples.astronaut()
GREY = RGB[..., 1]
ALPHA = samples.alpha(RGB.shape)
RGBA = np.dstack([RGB, ALPHA])
GREY_ALPHA = np.dstack([GREY, ALPHA])
DEEP = samples.deep(RGB)
DEEP_GREY = samples.deep(GREY)
DEEP_RGBA = np.dstack([DEEP, samples.deep(ALPHA)])

LOSSLESS = {
    "rgb.png": (samples.encoded(RGB, "PNG"), RGB),
    "rgb.bmp": (samples.encoded(RGB, "BMP"), RGB),
    "rgb.tif": (samples.encoded(RGB, "TIFF", compression="tiff_lzw"), RGB),
    "rgb.webp": (samples.encoded(RGB, "WEBP", lossless=True), RGB),
    "rgba.png": (samples.encoded(RGBA, "PNG"), RGBA),
    "rgba.tiff": (samples.encoded(RGBA, "TIFF"), RGBA),
    "rgba.webp": (samples.encoded(RGBA, "WEBP", lossless=True, exact=True), RGBA),
    "grey.png": (samples.encoded(GREY, "PNG"), GREY),
    "grey.bmp": (samples.encoded(GREY, "BMP"), GREY),
    "grey.tif": (samples.encoded(GREY, "TIFF"), GREY),
    "grey_alpha.png": (samples.encoded(GREY_ALPHA, "PNG"), GREY_ALPHA),
    "grey_alpha.tif": (samples.encoded(GREY_ALPHA, "TIFF"), GREY_ALPHA),
    "interlaced_16.png": (samples.png(DEEP_GREY, 0), DEEP_GREY),
    "grey16.tif": (samples.encoded(DEEP_GREY, "TIFF"), DEEP_GREY),
    "rgb16.png": (samples.png(DEEP, 2), DEEP),
    "rgba16.png": (samples.png(DEEP_RGBA, 6), DEEP_RGBA),
}


def stored(path: Path) -> np.ndarray:
    """The decoded pixels of a file, at full depth."""
    content = path.read_bytes()
    if (pixels := samples.decoded_deep(content)).dtype == np.uint16:
        return pixels
    return samples.decoded(content)


def edited(photo: Photo) -> tuple[np.ndarray, np.ndarray]:
    """A result that differs everywhere, and a mask that covers only a part of it."""
    changed = np.zeros((photo.height, photo.width), bool)
    changed[10:30, 20:50] = True
    return 255 - photo.image_rgb, changed


@pytest.mark.parametrize("name", LOSSLESS)
def test_pixels_outside_the_mask_are_bit_identical(name: str, tmp_path: Path) -> None:
    content, expected = LOSSLESS[name]
    photo = read_photo(content, max_pixels=LIMIT)
    np.testing.assert_array_equal(photo.native, expected)
    image_rgb, changed = edited(photo)
    write_photo(photo, tmp_path / name, image_rgb=image_rgb, changed=changed)
    written = stored(tmp_path / name)
    assert written.dtype == expected.dtype
    np.testing.assert_array_equal(written[~changed], expected[~changed])


@pytest.mark.parametrize("name", LOSSLESS)
def test_pixels_inside_the_mask_are_the_new_ones_at_the_native_depth(name: str, tmp_path: Path) -> None:
    content, expected = LOSSLESS[name]
    photo = read_photo(content, max_pixels=LIMIT)
    image_rgb, changed = edited(photo)
    write_photo(photo, tmp_path / name, image_rgb=image_rgb, changed=changed)
    again = read_photo(tmp_path / name, max_pixels=LIMIT)
    np.testing.assert_array_equal(again.image_rgb[changed], image_rgb[changed])
    if photo.has_alpha:
        np.testing.assert_array_equal(again.native[..., -1], expected[..., -1])


def test_new_colours_become_luma_in_a_grey_photo(tmp_path: Path) -> None:
    photo = read_photo(samples.encoded(GREY, "PNG"), max_pixels=LIMIT)
    colours = np.empty_like(photo.image_rgb)
    colours[:] = (255, 0, 0)
    everywhere = np.ones(GREY.shape, bool)
    write_photo(photo, tmp_path / "red.png", image_rgb=colours, changed=everywhere)
    np.testing.assert_array_equal(stored(tmp_path / "red.png"), 76)  # .299 * 255, ITU-R BT.601


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "png16", "tif", "tif16", "webp", "avif"])
def test_every_orientation_is_applied_and_not_written(kind: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    content = {
        "jpg": lambda: samples.encoded(RGB, "JPEG", exif=exif, quality=95, subsampling=0),
        "png": lambda: samples.encoded(RGB, "PNG", exif=exif),
        "png16": lambda: samples.png(DEEP, 2, (b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))),
        "tif": lambda: samples.encoded(RGB, "TIFF", exif=exif),
        "tif16": lambda: samples.tiff(
            DEEP, photometric="rgb", extratags=[(Base.Orientation, "H", 1, orientation, True)]
        ),
        "webp": lambda: samples.encoded(RGB, "WEBP", exif=exif, lossless=True),
        "avif": lambda: samples.encoded(RGB, "AVIF", exif=exif, quality=100, subsampling="4:4:4"),
    }[kind]()
    tagged = Image.fromarray(RGB)
    tagged.getexif()[Base.Orientation] = orientation
    upright = np.asarray(ImageOps.exif_transpose(tagged))
    photo = read_photo(content, max_pixels=LIMIT)
    assert (photo.width, photo.height) == (upright.shape[1], upright.shape[0])
    assert np.abs(photo.image_rgb.astype(int) - upright).mean() < 4
    if kind.endswith("16"):
        assert photo.native.dtype == np.uint16
    path = tmp_path / f"out.{kind.removesuffix('16')}"
    write_photo(photo, path, image_rgb=photo.image_rgb, changed=np.zeros(upright.shape[:2], bool))
    with Image.open(path) as written:
        assert written.getexif().get(Base.Orientation, 1) == 1
        assert written.size == (photo.width, photo.height)
    assert np.abs(read_photo(path, max_pixels=LIMIT).image_rgb.astype(int) - upright).mean() < 5


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"photometric": "rgb"}, DEEP),
        ({"photometric": "rgb", "byteorder": ">"}, DEEP),
        ({"photometric": "rgb", "compression": "deflate", "predictor": True}, DEEP),
        ({"photometric": "rgb", "tile": (16, 16)}, DEEP),
        ({"photometric": "rgb", "extrasamples": ["unassalpha"]}, DEEP_RGBA),
        ({"photometric": "rgb", "extrasamples": ["unspecified"]}, DEEP),
    ],
)
def test_sixteen_bit_tiff(options: dict[str, object], expected: np.ndarray, tmp_path: Path) -> None:
    source = DEEP_RGBA if "extrasamples" in options else DEEP
    photo = read_photo(samples.tiff(source, **options), max_pixels=LIMIT)
    np.testing.assert_array_equal(photo.native, expected)
    image_rgb, changed = edited(photo)
    write_photo(photo, tmp_path / "out.tif", image_rgb=image_rgb, changed=changed)
    written = stored(tmp_path / "out.tif")
    np.testing.assert_array_equal(written[~changed], expected[~changed])


def test_sixteen_bit_grey_with_alpha_and_with_a_transparent_value() -> None:
    pixels = np.dstack([DEEP_GREY, samples.deep(ALPHA)])
    photo = read_photo(samples.png(pixels, 4), max_pixels=LIMIT)
    np.testing.assert_array_equal(photo.native[..., [0, 3]], pixels)
    value = DEEP_GREY[7, 9]
    photo = read_photo(samples.png(DEEP_GREY, 0, (b"tRNS", int(value).to_bytes(2, "big"))), max_pixels=LIMIT)
    np.testing.assert_array_equal(photo.native[..., 0], DEEP_GREY)
    np.testing.assert_array_equal(photo.native[..., 3] == 0, value == DEEP_GREY)


def test_sixteen_bit_rgb_with_a_transparent_colour() -> None:
    colour = DEEP[7, 9]
    content = samples.png(DEEP, 2, (b"tRNS", colour.astype(">u2").tobytes()))
    photo = read_photo(content, max_pixels=LIMIT)
    np.testing.assert_array_equal(photo.native[..., :3], DEEP)
    np.testing.assert_array_equal(photo.native[..., 3] == 0, (colour == DEEP).all(-1))


def palette_picture() -> Image.Image:
    return Image.fromarray(RGB).quantize(16)


def test_palette_is_expanded_to_rgb(tmp_path: Path) -> None:
    source = palette_picture()
    photo = read_photo(samples.encoded(source, "PNG"), max_pixels=LIMIT)
    np.testing.assert_array_equal(photo.native, np.asarray(source.convert("RGB")))
    image_rgb, changed = edited(photo)
    write_photo(photo, tmp_path / "out.png", image_rgb=image_rgb, changed=changed)
    written = stored(tmp_path / "out.png")
    np.testing.assert_array_equal(written[~changed], photo.native[~changed])
    np.testing.assert_array_equal(written[changed], image_rgb[changed])


@pytest.mark.parametrize("transparency", [3, bytes(range(0, 256, 16))])
def test_transparent_palette_is_expanded_to_rgba(transparency: int | bytes) -> None:
    content = samples.encoded(palette_picture(), "PNG", transparency=transparency)
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(image.convert("RGBA"))
    assert len(np.unique(expected[..., 3])) > 1
    np.testing.assert_array_equal(read_photo(content, max_pixels=LIMIT).native, expected)


@pytest.mark.parametrize(("mode", "transparent"), [("L", 120), ("RGB", (10, 20, 30)), ("1", 0)])
def test_transparent_colour_becomes_alpha(mode: str, transparent: int | tuple[int, ...]) -> None:
    image = Image.fromarray(RGB).convert(mode)
    image.putpixel((5, 5), transparent)
    photo = read_photo(samples.encoded(image, "PNG", transparency=transparent), max_pixels=LIMIT)
    assert photo.has_alpha
    assert photo.native[5, 5, -1] == 0


def test_bilevel_is_grey_of_two_values() -> None:
    photo = read_photo(samples.encoded(Image.fromarray(RGB).convert("1"), "PNG"), max_pixels=LIMIT)
    assert photo.channels == 1
    assert set(np.unique(photo.native)) == {0, 255}


def test_single_gif_frame_is_read() -> None:
    photo = read_photo(samples.encoded(palette_picture(), "GIF"), max_pixels=LIMIT)
    np.testing.assert_array_equal(photo.image_rgb, np.asarray(palette_picture().convert("RGB")))


def test_jpeg_keeps_its_tables_and_hardly_changes_outside(tmp_path: Path) -> None:
    content = samples.encoded(RGB, "JPEG", quality=82, subsampling="4:2:0")
    photo = read_photo(content, max_pixels=LIMIT)
    image_rgb, changed = edited(photo)
    write_photo(photo, tmp_path / "out.jpg", image_rgb=image_rgb, changed=changed)
    with JpegImageFile(io.BytesIO(content)) as before, JpegImageFile(tmp_path / "out.jpg") as after:
        assert after.quantization == before.quantization
        assert after.layer == before.layer
        difference = np.abs(np.asarray(after, int) - np.asarray(before, int))
    far = np.ones(changed.shape, bool)
    far[0:40, 8:64] = False
    assert difference[far].mean() < 1
    assert difference[far].max() <= 24


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif", ".tif"])
def test_colour_profile_is_kept(suffix: str, tmp_path: Path) -> None:
    profile = samples.srgb_profile()
    photo = read_photo(samples.encoded(RGB, "JPEG", icc_profile=profile), max_pixels=LIMIT)
    unchanged = np.zeros(RGB.shape[:2], bool)
    path = tmp_path / f"out{suffix}"
    assert write_photo(photo, path, image_rgb=photo.image_rgb, changed=unchanged) == ()
    with Image.open(path) as written:
        assert written.info["icc_profile"] == reduced(profile)


def test_png_colour_chunks_are_kept(tmp_path: Path) -> None:
    gamma = (b"gAMA", (100_000).to_bytes(4, "big"))
    photo = read_photo(samples.png(RGB, 2, gamma), max_pixels=LIMIT)
    unchanged = np.zeros(RGB.shape[:2], bool)
    write_photo(photo, tmp_path / "out.png", image_rgb=photo.image_rgb, changed=unchanged)
    with Image.open(tmp_path / "out.png") as written:
        assert written.info["gamma"] == 1.0


def test_what_a_format_cannot_hold_is_said(tmp_path: Path) -> None:
    photo = read_photo(samples.encoded(RGB, "PNG", icc_profile=samples.srgb_profile()), max_pixels=LIMIT)
    unchanged = np.zeros(RGB.shape[:2], bool)
    notes = write_photo(photo, tmp_path / "out.bmp", image_rgb=photo.image_rgb, changed=unchanged)
    assert "colour profile" in notes[0]
    assert "cannot carry the mark" in notes[1]
    photo = read_photo(samples.png(DEEP, 2), max_pixels=LIMIT)
    (note,) = write_photo(photo, tmp_path / "out.jpg", image_rgb=photo.image_rgb, changed=unchanged)
    assert note.startswith("16 bits per channel")


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_transparency_is_not_silently_lost(suffix: str, tmp_path: Path) -> None:
    photo = read_photo(samples.encoded(RGBA, "PNG"), max_pixels=LIMIT)
    unchanged = np.zeros(RGB.shape[:2], bool)
    with pytest.raises(OutputError, match="transparency"):
        write_photo(photo, tmp_path / f"out{suffix}", image_rgb=photo.image_rgb, changed=unchanged)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(1, 1), (20_000, 1), (1, 20_000)])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp"])
def test_odd_sizes(shape: tuple[int, int], suffix: str, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    photo = read_photo(samples.encoded(picture, "PNG"), max_pixels=20_000)
    changed = np.zeros(shape, bool)
    changed[0, 0] = True
    path = tmp_path / f"out{suffix}"
    write_photo(photo, path, image_rgb=photo.image_rgb, changed=changed)
    assert read_photo(path, max_pixels=20_000).native.shape == picture.shape


def test_a_size_that_the_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    photo = read_photo(np.zeros((20_000, 1, 3), np.uint8), max_pixels=20_000)
    nothing = np.zeros((20_000, 1), bool)
    with pytest.raises(OutputError, match=r"1 x 20000 pixels could not be encoded as WEBP"):
        write_photo(photo, tmp_path / "out.webp", image_rgb=photo.image_rgb, changed=nothing)


def test_arrays_and_pillow_pictures() -> None:
    photo = read_photo(RGB, max_pixels=LIMIT)
    assert np.shares_memory(photo.native, RGB)
    assert photo.image_rgb is not None
    tagged = Image.fromarray(RGB)
    tagged.getexif()[Base.Orientation] = 6
    turned = read_photo(tagged, max_pixels=LIMIT)
    np.testing.assert_array_equal(turned.native, np.rot90(RGB, -1))
    assert tagged.size == (84, 60)


def test_rgb_is_not_copied_twice_and_cannot_be_changed() -> None:
    photo = read_photo(samples.encoded(RGB, "PNG"), max_pixels=LIMIT)
    assert np.shares_memory(photo.native, photo.image_rgb)
    with pytest.raises(ValueError, match="read-only"):
        photo.image_rgb[0, 0] = 0


def test_a_callers_array_stays_writeable() -> None:
    array = RGB.copy()
    read_photo(array, max_pixels=LIMIT)
    array[0, 0] = 1


@pytest.mark.parametrize(
    ("image_rgb", "changed"),
    [
        (RGB[1:], np.zeros((60, 84), bool)),
        (RGB.astype(np.float32), np.zeros((60, 84), bool)),
        (RGB, np.zeros((84, 60), bool)),
        (RGB, np.zeros((60, 84), np.uint8)),
    ],
)
def test_mismatched_arrays_are_refused(image_rgb: np.ndarray, changed: np.ndarray, tmp_path: Path) -> None:
    photo = read_photo(RGB, max_pixels=LIMIT)
    with pytest.raises(UsageError):
        write_photo(photo, tmp_path / "out.png", image_rgb=image_rgb, changed=changed)


def test_avif_is_part_of_pillow() -> None:
    assert features.check("avif")
