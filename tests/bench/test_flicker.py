"""What moves is no flicker, what changes by itself is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from reverse_personalization.bench.flicker import face_difference, flicker

BOX = (60.0, 60.0, 80.0, 80.0)


@pytest.fixture(scope="module")
def still(astronaut: Any) -> Any:
    return np.ascontiguousarray(astronaut.image_rgb[:240, 100:340])


def moved(picture: Any, by: float) -> Any:
    matrix = np.array([[1, 0, by], [0, 1, 0]], np.float32)
    return cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


def write(path: Path, pictures: Any) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "6"})
        stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_motion_is_taken_out(still: Any) -> None:
    after = moved(still, 5.5)
    plain = np.abs(still[60:140, 60:140].astype(float) - after[60:140, 60:140]).mean()
    of_source, of_result = face_difference((still, after), (still, after), BOX)
    assert of_source == of_result
    assert of_source < 0.2 * plain


def test_motion_is_the_sources(still: Any) -> None:
    # A result that stands still where the source moves is as far off as one that jumps.
    of_source, of_result = face_difference((still, moved(still, 5.5)), (still, still), BOX)
    assert of_result > 5 * of_source


def test_a_box_may_reach_outside(still: Any) -> None:
    of_source, _ = face_difference((still, still), (still, still), (-30.0, -30.0, 80.0, 80.0))
    assert of_source < 1


def test_what_changes_from_frame_to_frame_is_counted(still: Any, tmp_path: Path) -> None:
    pictures = [moved(still, 2.3 * i) for i in range(6)]
    unsteady = [np.clip(p.astype(int) + 12 * (i % 2), 0, 255).astype(np.uint8) for i, p in enumerate(pictures)]
    source, result = write(tmp_path / "source.mp4", pictures), write(tmp_path / "result.mp4", unsteady)
    boxes = {i: [BOX] for i in range(6)}
    assert flicker(source, source, boxes).ratio == 1
    worse = flicker(source, result, boxes)
    assert worse.pairs == 5
    assert worse.result > 8
    assert worse.ratio > 2
    assert flicker(source, result, {0: [BOX], 1: [BOX], 3: [BOX]}).pairs == 1
    assert flicker(source, result, {}).pairs == 0
