"""A thousand broken files: each is read, or refused with a sentence; nothing else happens."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import media_samples as samples
import numpy as np
import pytest

from reverse_personalization.errors import InputError
from reverse_personalization.media.formats import heif_available
from reverse_personalization.media.images import read_photo
from reverse_personalization.media.marking import read_mark

FILES, SEEDS = 1000, 20
LIMIT = 200_000
RGB = samples.astronaut()
EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\x40\0")


@cache
def sound_files() -> tuple[bytes, ...]:
    """One of each kind that is read, with metadata where the format has them."""
    plain = [samples.encoded(RGB, kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "BMP", "GIF")]
    if heif_available():
        plain.append(samples.encoded(RGB, "HEIF"))
    return (
        *plain,
        samples.png(samples.deep(RGB), 2),
        samples.tiff(samples.deep(RGB), photometric="rgb"),
        samples.encoded(RGB, "JPEG", progressive=True, quality=60),
        samples.encoded(RGB, "WEBP", lossless=True),
        samples.encoded(RGB, "TIFF", compression="tiff_lzw"),
    )


def flipped(content: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 20)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def cut(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


def extreme(content: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 4)):
        # Lengths and sizes stand at the beginning.
        at = chance.randrange(min(len(content), 400))
        content[at : at + 4] = chance.choice(EXTREMES)


def removed(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content))
    del content[at : at + chance.randint(1, 64)]


def repeated(content: bytearray, chance: random.Random) -> None:
    at, length = chance.randrange(len(content)), chance.randint(1, 200)
    content[at:at] = content[at : at + length] * chance.randint(1, 5)


def spliced(content: bytearray, chance: random.Random) -> None:
    other = chance.choice(sound_files())
    at = chance.randrange(len(content))
    content[at : at + 200] = other[chance.randrange(len(other)) :][:200]


def head_of_another(content: bytearray, chance: random.Random) -> None:
    content[:16] = chance.choice(sound_files())[:16]


WAYS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flipped,
    cut,
    extreme,
    removed,
    repeated,
    spliced,
    head_of_another,
)


def broken(chance: random.Random) -> bytes:
    content = bytearray(chance.choice(sound_files()))
    for way in chance.choices(WAYS, k=chance.randint(1, 3)):
        if content:
            way(content, chance)
    return bytes(content)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_broken_files_are_read_or_refused(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)  # noqa: S311
    path = tmp_path / "photo"
    refused = 0
    for _ in range(FILES // SEEDS):
        path.write_bytes(broken(chance))
        try:
            photo = read_photo(path, max_pixels=LIMIT)
            read_mark(path)
        except InputError as error:
            refused += 1
            sentence = str(error)
            assert sentence.startswith(str(path))
            assert "\n" not in sentence
            assert sentence.endswith(".")
        else:
            assert photo.width * photo.height <= LIMIT
            assert photo.image_rgb.shape == (photo.height, photo.width, 3)
            assert photo.image_rgb.dtype == np.uint8
    assert refused > FILES // SEEDS // 4


def test_the_files_that_are_broken_are_sound(tmp_path: Path) -> None:
    for content in sound_files():
        (tmp_path / "photo").write_bytes(content)
        photo = read_photo(tmp_path / "photo", max_pixels=LIMIT)
        assert (photo.height, photo.width) == RGB.shape[:2]
