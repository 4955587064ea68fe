"""Nothing of the source's metadata is in the output, except what was asked for, and the mark is."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import media_samples as samples
import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base

from reverse_personalization.errors import UsageError
from reverse_personalization.media.images import can_carry_mark, read_mark, read_photo, write_photo
from reverse_personalization.media.marking import DIGITAL_SOURCE_TYPE
from reverse_personalization.media.metadata import FIELDS, checked_names

LIMIT = 1_000_000
RGB = samples.astronaut()
SUFFIXES = [".jpg", ".png", ".tif", ".webp", ".avif", ".bmp"]


def two_pictures() -> bytes:
    second = Image.fromarray(255 - RGB)
    return samples.encoded(RGB, "MPO", save_all=True, append_images=[second], exif=samples.telling_exif())


SOURCES: dict[str, Callable[[], bytes]] = {
    "jpeg": samples.telling_jpeg,
    "png": lambda: samples.encoded(
        RGB, "PNG", exif=samples.telling_exif(), pnginfo=samples.telling_png_text(), dpi=(300, 300)
    ),
    "webp": lambda: samples.encoded(RGB, "WEBP", exif=samples.telling_exif(), xmp=samples.telling_xmp(), lossless=True),
    "avif": lambda: samples.encoded(RGB, "AVIF", exif=samples.telling_exif(), xmp=samples.telling_xmp()),
    "tiff": lambda: samples.encoded(
        RGB,
        "TIFF",
        description=samples.COMMENT.decode(),
        artist=samples.ARTIST,
        tiffinfo={700: samples.telling_xmp()},
    ),
    "mpo": two_pictures,
}
SECRETS = {
    "artist": samples.ARTIST.encode(),
    "maker note": samples.MAKER_NOTE,
    "serial number": b"SERIAL-4711",
    "comment": samples.COMMENT,
    "XMP": samples.XMP_SECRET,
    "film": samples.TRAILER[:60],
    "thumbnail": samples.thumbnail()[-200:-2],
    "camera": b"Leica",
    "date": b"2026:05:17",
}


def written(content: bytes, path: Path, keep: tuple[str, ...] = (), *, mark: bool = True) -> bytes:
    photo = read_photo(content, max_pixels=LIMIT)
    nothing = np.zeros(RGB.shape[:2], bool)
    write_photo(photo, path, image_rgb=photo.image_rgb, changed=nothing, keep_metadata=keep, mark=mark)
    return path.read_bytes()


def test_the_sources_hold_what_must_go() -> None:
    assert all(secret in samples.telling_jpeg() for secret in SECRETS.values())
    assert all(samples.ARTIST.encode() in make() for make in SOURCES.values())
    with Image.open(io.BytesIO(samples.telling_jpeg())) as image:
        assert image.getexif().get_ifd(IFD.GPSInfo)[2] == samples.GPS_LATITUDE
        assert Base.JpegIFOffset in image.getexif().get_ifd(IFD.IFD1)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("source", SOURCES)
def test_all_metadata_is_stripped_by_default(source: str, suffix: str, tmp_path: Path) -> None:
    content = written(SOURCES[source](), tmp_path / f"out{suffix}")
    assert [name for name, secret in SECRETS.items() if secret in content] == []
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        structure = {Base.XMLPacket, *range(Base.NewSubfileType, Base.XResolution), *range(283, 350)}
        assert set(image.getexif()) <= (structure if suffix == ".tif" else set())
        assert image.getexif().get_ifd(IFD.GPSInfo) == {}
        assert getattr(image, "n_frames", 1) == 1


def test_the_second_picture_of_a_phone_photo_is_dropped(tmp_path: Path) -> None:
    photo = read_photo(two_pictures(), max_pixels=LIMIT)
    assert photo.format == "MPO"
    assert "main picture" in photo.notes[0]
    content = written(two_pictures(), tmp_path / "out.jpg")
    assert content.count(b"\xff\xd8\xff") == 1
    assert b"MPF\0" not in content


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_mark_is_written_and_read_back(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    content = written(samples.telling_jpeg(), path)
    assert (DIGITAL_SOURCE_TYPE.encode() in content) == can_carry_mark(path)
    assert read_mark(path) == (DIGITAL_SOURCE_TYPE if can_carry_mark(path) else None)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_files_are_marked_too(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    written(samples.png(samples.deep(RGB), 2), path)
    assert read_mark(path) == DIGITAL_SOURCE_TYPE


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_mark_when_none_is_wanted(suffix: str, tmp_path: Path) -> None:
    written(samples.telling_jpeg(), tmp_path / f"out{suffix}", mark=False)
    assert read_mark(tmp_path / f"out{suffix}") is None


def test_a_foreign_mark_does_not_survive(tmp_path: Path) -> None:
    marked = written(samples.telling_jpeg(), tmp_path / "marked.jpg")
    assert b"digitalsourcetype" not in written(marked, tmp_path / "out.jpg", mark=False)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
@pytest.mark.parametrize(
    ("name", "directory", "tag", "value"),
    [
        ("copyright", None, Base.Artist, samples.ARTIST),
        ("camera", None, Base.Model, "M11"),
        ("description", None, Base.ImageDescription, "On the balcony"),
        ("datetime", None, Base.DateTime, "2026:05:17 12:00:00"),
        ("datetime", IFD.Exif, Base.DateTimeOriginal, "2026:05:17 11:59:59"),
        ("exposure", IFD.Exif, Base.FNumber, 2.0),
        ("gps", IFD.GPSInfo, 2, samples.GPS_LATITUDE),
        ("resolution", None, Base.XResolution, 300),
    ],
)
def test_kept_by_name_and_alone(
    suffix: str, name: str, directory: int | None, tag: int, value: object, tmp_path: Path
) -> None:
    content = written(samples.telling_jpeg(), tmp_path / f"out{suffix}", (name,))
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        exif = image.getexif()
        assert (exif if directory is None else exif.get_ifd(directory))[tag] == value
        assert (exif.get_ifd(IFD.GPSInfo) == {}) == (name != "gps")
        assert exif.get_ifd(IFD.IFD1) == {}
        assert Base.BodySerialNumber not in exif.get_ifd(IFD.Exif)
        assert (Base.Artist in exif) == (name == "copyright")
    never = ("thumbnail", "maker note", "serial number", "comment", "XMP", "film")
    assert [secret for secret in never if SECRETS[secret] in content] == []


def test_all_is_all_but_the_place(tmp_path: Path) -> None:
    assert checked_names(["all"]) == FIELDS.keys() - {"gps"}
    assert checked_names(["all", "gps"]) == FIELDS.keys()
    with Image.open(io.BytesIO(written(samples.telling_jpeg(), tmp_path / "out.jpg", ("all",)))) as image:
        exif = image.getexif()
        assert exif[Base.Artist] == samples.ARTIST
        assert exif.get_ifd(IFD.GPSInfo) == {}
        assert image.info["dpi"] == (300, 300)


def test_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"called thumbnail; choose from datetime, .* gps and all") as caught:
        written(samples.telling_jpeg(), tmp_path / "out.jpg", ("thumbnail",))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_resolution_is_kept_in_the_formats_own_field(tmp_path: Path) -> None:
    for suffix in (".jpg", ".png", ".tif", ".bmp"):
        content = written(samples.telling_jpeg(), tmp_path / f"out{suffix}", ("resolution",))
        with Image.open(io.BytesIO(content)) as image:
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_damaged_exif_is_ignored_and_said(tmp_path: Path) -> None:
    content = samples.png(RGB, 2, (b"eXIf", b"no TIFF header"))
    photo = read_photo(content, max_pixels=LIMIT)
    assert any("EXIF data is damaged" in note for note in photo.notes)
    assert b"no TIFF" not in written(content, tmp_path / "out.jpg", ("all",))
