"""A place that takes no more bytes ends in one sentence, and nothing half-written stays."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest
from video_clips import SIZE, write_clip

from reverse_personalization.errors import OutputError
from reverse_personalization.video.options import VideoOptions
from reverse_personalization.video.reading import VideoReader
from reverse_personalization.video.writing import VideoWriter


def test_a_file_that_cannot_grow_is_told_of_and_removed(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    clip = write_clip(tmp_path / "clip.mp4", [noise.integers(0, 255, (*SIZE, 3), np.uint8) for _ in range(10)])
    folder = tmp_path / "out"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputError, match=r"out\.mp4: cannot be written \(the file would be larger"):
            _copy(clip, folder / "out.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(folder.iterdir())


def _copy(clip: Path, output: Path) -> None:
    with VideoReader(clip) as reader, VideoWriter(output, reader, VideoOptions(sound=False)) as writer:
        for frame in reader.frames():
            writer.write(frame, frame.image_rgb)
