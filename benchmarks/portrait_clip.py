"""A clip of a portrait that packages ship, for benchmarks of videos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from skimage import data

# Pixels of the portrait around the astronaut's face.
CROP = np.s_[0:256, 90:346]


def write_portrait_clip(path: Path, *, frames: int, rate: int, size: tuple[int, int]) -> Path:
    """Write a clip of `size` (width, height) in which a portrait swings, turns and grows, every 80 frames anew."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "12"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for picture in pictures(frames, size):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def pictures(frames: int, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """The clip's pictures, uint8 H x W x 3."""
    portrait = np.ascontiguousarray(data.astronaut()[CROP])
    height, width = portrait.shape[:2]
    for i in range(frames):
        turn = 2 * np.pi * i / 80
        scale = size[1] / height * (0.9 + 0.1 * np.sin(turn))
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 6 * np.sin(2 * turn), scale)
        matrix[:, 2] += (size[0] * (0.5 + 0.1 * np.sin(turn)) - width / 2, size[1] * 0.5 - height / 2)
        yield cv2.warpAffine(portrait, matrix, size, borderMode=cv2.BORDER_REPLICATE)
