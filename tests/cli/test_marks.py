"""`--watermark` and what `revpers inspect` says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import skimage.data
from PIL import Image

Revpers = Callable[..., Any]


def test_a_watermark_is_found_though_metadata_are_gone(revpers: Revpers, folder: Path) -> None:
    Image.fromarray(skimage.data.astronaut()).save("a.png")
    assert revpers("anonymize", "a.png", "-o", "new.jpg", "--watermark").code == 0
    assert json.loads(Path("new.jpg.json").read_bytes())["output"]["watermarked"] is True
    Image.open("new.jpg").save("copied.jpg", quality=90)
    told = json.loads(revpers("inspect", "copied.jpg", "--json").out)
    assert (told["digital_source_type"], told["watermark"]["is_there"]) == (None, True)
    assert "watermark:           found" in revpers("inspect", "new.jpg").out
    told = json.loads(revpers("inspect", "a.png", "--json").out)
    assert told["watermark"]["is_there"] is False
    assert "watermark:           none" in revpers("inspect", "a.png").out


def test_what_cannot_hold_it_says_so(revpers: Revpers, photos: Callable[..., None], folder: Path) -> None:
    photos("small.png")
    ran = revpers("anonymize", "small.png", "-o", "new.png", "--watermark")
    assert "The watermark did not hold" in ran.err
    record = json.loads(Path("new.png.json").read_bytes())
    assert (record["output"]["watermarked"], record["settings"]["watermark"]) == (False, True)
    assert revpers("anonymize", "clip.mp4", "-o", "new.mp4", "--watermark").code == 2
