"""Colour profiles say how to show colours, and nothing more."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import media_samples as samples
import numpy as np
import pytest
from PIL import Image, ImageCms

from reverse_personalization.media.colour_profile import reduced
from reverse_personalization.media.images import read_photo, write_photo

SECRET = b"serial 4711 of Erika Mustermann"


def with_tag(profile: bytes, name: bytes, content: bytes) -> bytes:
    """A profile with one tag more."""
    (count,) = struct.unpack_from(">I", profile, 128)
    end = 132 + 12 * count
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(count)]
    table = b"".join(struct.pack(">4sII", tag, offset + 12, size) for tag, offset, size in entries)
    table += struct.pack(">4sII", name, len(profile) + 12, len(content))
    grown = profile[:128] + struct.pack(">I", count + 1) + table + profile[end:] + content
    return struct.pack(">I", len(grown)) + grown[4:]


def shown(profile: bytes) -> Any:
    """How a picture with this profile looks in Lab."""
    values = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    there, here = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("LAB")
    return np.asarray(ImageCms.profileToProfile(Image.fromarray(values), there, here, outputMode="LAB"), int)


@pytest.mark.parametrize("version", [2, 4])
def test_colours_stay_and_secrets_go(version: int) -> None:
    profile = bytearray(with_tag(samples.srgb_profile(), b"mmod", SECRET))
    profile[8] = version
    profile[48:56] = b"MakrModl"
    kept = reduced(bytes(profile))
    assert kept is not None
    for secret in (SECRET, b"MakrModl", profile[24:36]):
        assert bytes(secret) not in kept
    np.testing.assert_array_equal(shown(kept), shown(bytes(profile)))
    assert ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(kept))).strip() == "Colour profile"
    assert reduced(kept) == kept


@pytest.mark.parametrize("damaged", [b"", b"SECRETICC" * 40, samples.srgb_profile()[:150], b"\xff" * 200])
def test_what_is_no_profile_is_left_out(damaged: bytes, tmp_path: Path) -> None:
    assert reduced(damaged) is None
    if damaged:
        rgb = np.zeros((16, 16, 3), np.uint8)
        photo = read_photo(samples.encoded(rgb, "PNG", icc_profile=damaged), max_pixels=10_000)
        path = tmp_path / "out.jpg"
        notes = write_photo(photo, path, image_rgb=photo.image_rgb, changed=np.zeros((16, 16), bool))
        assert notes == ("The colour profile is damaged and was left out.",)
        assert damaged[:100] not in path.read_bytes()
