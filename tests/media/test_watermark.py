"""The invisible watermark: found after what pictures go through, and not where it is not."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from reverse_personalization.media.images import read_photo, write_photo
from reverse_personalization.media.watermark import can_carry_watermark, find_watermark, read_watermark, watermarked

PICTURES = ("astronaut", "coffee", "chelsea", "camera", "page", "rocket")


def picture(name: str) -> Any:
    return np.ascontiguousarray(getattr(skimage.data, name)())


def through(pixels: Any, kind: str = "JPEG", **options: Any) -> Any:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return np.asarray(Image.open(buffer))


@pytest.mark.parametrize("name", PICTURES)
def test_it_survives_compression_and_scaling(name: str) -> None:
    source = picture(name)
    marked = watermarked(source)
    assert cv2.PSNR(source, marked) > 40
    height, width = source.shape[:2]
    small = cv2.resize(marked, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    for kept in (marked, through(marked, quality=90), through(marked, quality=60), small, through(small, quality=90)):
        assert find_watermark(kept).is_there


@pytest.mark.parametrize("name", PICTURES)
def test_it_is_not_found_where_it_is_not(name: str) -> None:
    source = picture(name)
    for unmarked in (source, through(source, quality=60), source[::-1].copy(), watermarked(source)[:, ::-1].copy()):
        assert not find_watermark(unmarked).is_there


def test_chance_is_as_rare_as_it_says() -> None:
    """On noise, the deviation is a standard normal number."""
    generator = np.random.default_rng(1)
    seen = [find_watermark(generator.integers(0, 256, (160, 200), np.uint8)).deviations for _ in range(200)]
    assert abs(float(np.mean(seen))) < 0.3
    assert 0.8 < float(np.std(seen)) < 1.2


@pytest.mark.parametrize("channels", [0, 2, 3, 4])
@pytest.mark.parametrize("deep", [False, True])
def test_every_kind_of_pixels(channels: int, deep: bool) -> None:
    grey = picture("camera")
    pixels = grey if channels == 0 else np.repeat(grey[..., None], channels, 2)
    pixels = pixels.astype(np.uint16) * 257 if deep else pixels
    before = pixels.copy()
    marked = watermarked(pixels)
    assert np.array_equal(pixels, before)
    assert (marked.dtype, marked.shape) == (pixels.dtype, pixels.shape)
    assert find_watermark(marked).is_there
    if channels in (2, 4):
        assert np.array_equal(marked[..., -1], pixels[..., -1])


@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_pictures(level: int) -> None:
    flat = np.full((300, 400, 3), level, np.uint8)
    assert not find_watermark(flat).is_there
    assert find_watermark(watermarked(flat)).is_there


def test_small_pictures_have_no_room(tmp_path: Any) -> None:
    assert not can_carry_watermark(127, 500)
    Image.new("RGB", (127, 500)).save(tmp_path / "small.png")
    assert read_watermark(tmp_path / "small.png") is None


def test_files(tmp_path: Any) -> None:
    Image.fromarray(picture("astronaut")).save(tmp_path / "in.png")
    photo = read_photo(tmp_path / "in.png", max_pixels=10**6)
    nothing = np.zeros((photo.height, photo.width), bool)
    for suffix in ("jpg", "webp", "png", "tif", "avif"):
        path = tmp_path / f"out.{suffix}"
        write_photo(photo, path, image_rgb=photo.image_rgb, changed=nothing, watermark=True)
        found = read_watermark(path)
        assert found is not None
        assert found.is_there
        write_photo(photo, path, image_rgb=photo.image_rgb, changed=nothing)
        found = read_watermark(path)
        assert found is not None
        assert not found.is_there
