"""However long a video is, only a few of its frames are in memory."""

from __future__ import annotations

import ctypes
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from video_clips import swinging, write_clip

from reverse_personalization.settings import Settings
from reverse_personalization.video import memory, reading
from reverse_personalization.video.analysis import analyze
from reverse_personalization.video.anonymizing import anonymize_video
from reverse_personalization.video.gaps import small_grey

FRAMES = 30


class Alive:
    """Counts pictures that are read and not yet forgotten."""

    def __init__(self) -> None:
        self.now = self.most = self.every = 0

    def add(self, picture: Any) -> None:
        self.now, self.every = self.now + 1, self.every + 1
        self.most = max(self.most, self.now)
        weakref.finalize(picture, self._forget)

    def _forget(self) -> None:
        self.now -= 1


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> Alive:
    alive, upright = Alive(), reading._upright

    def counted(*given: Any) -> Any:
        picture = upright(*given).copy()  # not a view of what was decoded
        alive.add(picture)
        return picture

    monkeypatch.setattr(reading, "_upright", counted)
    return alive


def test_frames_are_forgotten(astronaut: Any, tmp_path: Path, alive: Alive) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [swinging(astronaut, i, range(12, 16))[0] for i in range(FRAMES)])
    analysis = analyze(clip)
    assert {face.how for track in analysis.tracks for face in track.faces} > {"detected"}
    found = alive.every
    assert found > FRAMES + 15  # found, and read up to the last hole
    analysis.tracks[0].action = "obscure"
    anonymize_video(clip, tmp_path / "out.mp4", Settings(seed=0), analysis=analysis)
    assert alive.every == found + FRAMES
    assert alive.most <= 10


@pytest.mark.skipif(sys.platform != "linux", reason="another allocator")
@pytest.mark.parametrize("size", [(90, 160), (240, 320), (1080, 608), (2160, 3840)])
def test_every_kept_picture_lies_outside_the_heap(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[tuple[int, int]]()
    libc = SimpleNamespace(mallopt=lambda option, value: told.append((option, value)))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: libc)
    memory.keep_pictures_apart(size[0] * size[1])
    ((option, threshold),) = told
    grey, _ = small_grey(np.zeros((*size, 3), np.uint8))
    assert option == memory.M_MMAP_THRESHOLD
    assert threshold <= max(grey.nbytes, memory.LEAST)
    assert threshold >= min(size[0] * size[1], memory.MOST)  # what is no picture stays in the heap
