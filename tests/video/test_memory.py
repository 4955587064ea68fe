"""However long a video is, only a few of its frames are in memory."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import pytest
from video_clips import swinging, write_clip

from reverse_personalization.settings import Settings
from reverse_personalization.video import reading
from reverse_personalization.video.analysis import analyze
from reverse_personalization.video.anonymizing import anonymize_video

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
