from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_anonymizer import SIMILARITIES, picture
from PIL import Image

from reverse_personalization.canvas import AnonymizedPhoto, FaceResult
from reverse_personalization.cli.sheet import MAX_FACES, SheetCollector
from reverse_personalization.media.images import read_photo


def result(*boxes: tuple[float, float, float, float], side: int = 64) -> AnonymizedPhoto:
    photo = read_photo(picture(side, side), max_pixels=side * side)
    faces = tuple(FaceResult(box, 0.9, "anonymized", "Replaced.", 1, SIMILARITIES) for box in boxes)
    return AnonymizedPhoto(255 - photo.image_rgb, np.ones((side, side), bool), faces, photo)


def test_entries_show_the_face_with_its_surroundings(tmp_path: Path) -> None:
    sheet = SheetCollector(tmp_path / "sheet.png")
    sheet.add("a.png", result((20.0, 10.0, 10.0, 20.0)))
    (entry,) = sheet.entries
    assert np.array_equal(entry.before_rgb, picture(64, 64)[2:38, 16:34])
    assert np.array_equal(entry.after_rgb, 255 - entry.before_rgb)
    assert entry.verdict == "anonymized"
    assert entry.title == (
        "a.png, face 0\n1 try. Replaced.\n"
        "dlib-resnet 0.91 -> 0.10 (same person > 0.60)\nsface 0.80 -> ? (same person > 0.36)"
    )


def test_memory_is_bounded(tmp_path: Path) -> None:
    sheet = SheetCollector(tmp_path / "sheet.png")
    for _ in range(MAX_FACES + 5):
        sheet.add("a.png", result((0.0, 0.0, 600.0, 600.0), side=600))
    assert len(sheet.entries) == MAX_FACES
    assert sum(entry.before_rgb.nbytes + entry.after_rgb.nbytes for entry in sheet.entries) < 40e6
    assert sheet.write() == f"{sheet.path}: shows the first {MAX_FACES} of {MAX_FACES + 5} faces."
    assert Image.open(sheet.path).format == "PNG"


@pytest.mark.parametrize("box", [(-50.0, -50.0, 20.0, 20.0), (70.0, 10.0, 3.0, 3.0)])
def test_faces_outside_the_picture_are_left_out(tmp_path: Path, box: tuple[float, float, float, float]) -> None:
    sheet = SheetCollector(tmp_path / "sheet.png")
    sheet.add("a.png", result(box))
    assert not sheet.entries


def test_a_face_at_the_border(tmp_path: Path) -> None:
    sheet = SheetCollector(tmp_path / "sheet.png")
    sheet.add("a.png", result((-5.0, 60.0, 10.0, 10.0)))
    assert sheet.entries[0].before_rgb.shape == (8, 9, 3)
