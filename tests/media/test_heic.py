"""HEIC, where pillow-heif is installed; where it is not, the sentence that says so."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import media_samples as samples
import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import Base

from reverse_personalization.errors import OutputError
from reverse_personalization.media import writing
from reverse_personalization.media.colour_profile import reduced
from reverse_personalization.media.formats import heif_available
from reverse_personalization.media.images import read_mark, read_photo, write_photo
from reverse_personalization.media.marking import DIGITAL_SOURCE_TYPE

LIMIT = 1_000_000
RGB = samples.astronaut()
NOTHING = np.zeros(RGB.shape[:2], bool)
with_heif = pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is None, reason="needs the extra heic")


def test_writing_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "heif_available", lambda: False)
    with pytest.raises(OutputError, match=r"pip install 'reverse-personalization\[heic\]'"):
        write_photo(read_photo(RGB, max_pixels=LIMIT), tmp_path / "a.heic", image_rgb=RGB, changed=NOTHING)


def heic(**options: object) -> bytes:
    assert heif_available()
    return samples.encoded(RGB, "HEIF", quality=95, chroma=444, **options)


@with_heif
def test_stripped_and_marked(tmp_path: Path) -> None:
    content = heic(exif=samples.telling_exif(), xmp=samples.telling_xmp(), icc_profile=samples.srgb_profile())
    assert samples.XMP_SECRET in content
    photo = read_photo(content, max_pixels=LIMIT)
    assert np.abs(photo.image_rgb.astype(int) - RGB).mean() < 4
    path = tmp_path / "out.heic"
    assert write_photo(photo, path, image_rgb=photo.image_rgb, changed=NOTHING) == ()
    written = path.read_bytes()
    for secret in (
        samples.XMP_SECRET,
        samples.ARTIST.encode(),
        samples.MAKER_NOTE,
        samples.thumbnail()[-200:-2],
    ):
        assert secret not in written
    assert read_mark(path) == DIGITAL_SOURCE_TYPE
    with Image.open(path) as image:
        assert image.info["icc_profile"] == reduced(samples.srgb_profile())
        assert len(image.getexif()) == 0


@with_heif
def test_kept_by_name(tmp_path: Path) -> None:
    photo = read_photo(heic(exif=samples.telling_exif()), max_pixels=LIMIT)
    path = tmp_path / "out.heic"
    write_photo(photo, path, image_rgb=RGB, changed=NOTHING, keep_metadata=("copyright",))
    with Image.open(path) as image:
        assert dict(image.getexif()) == {Base.Artist: samples.ARTIST}


@with_heif
@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    assert read_photo(heic(exif=exif.tobytes()), max_pixels=LIMIT).width == (60 if orientation > 4 else 84)


@with_heif
def test_only_the_main_picture_is_read() -> None:
    assert heif_available()
    other = Image.fromarray(255 - RGB)
    content = samples.encoded(RGB, "HEIF", save_all=True, append_images=[other], quality=95)
    photo = read_photo(content, max_pixels=LIMIT)
    assert np.abs(photo.image_rgb.astype(int) - RGB).mean() < 8
    assert "main picture" in photo.notes[0]
