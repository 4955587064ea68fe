"""One run makes one stranger of a person, over several clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from video_clips import beside, scene, write_clip

from reverse_personalization.anonymizer import Anonymizer
from reverse_personalization.settings import Settings
from reverse_personalization.video.analysis import analyze
from reverse_personalization.video.rendering import VideoAnonymizer


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory, astronaut: Any, hopper: Any) -> list[Path]:
    """The astronaut alone, and the astronaut on the left of Grace Hopper."""
    folder = tmp_path_factory.mktemp("clips")
    return [
        write_clip(folder / "alone.mp4", [scene(astronaut, i) for i in range(8)]),
        write_clip(folder / "beside.mp4", [beside(astronaut, hopper, i) for i in range(8)]),
    ]


@pytest.mark.parametrize("consistent", [True, False])
def test_a_person_of_two_clips_is_one_stranger(clips: list[Path], consistent: bool) -> None:
    settings = Settings(seed=1, consistent=consistent)
    renderer = VideoAnonymizer(settings, Anonymizer(settings=settings))
    (alone,), both = (
        sorted(
            renderer._work(clip, analyze(clip), lambda *told: None).values(), key=lambda one: one.entry.faces[0].box[0]
        )
        for clip in clips
    )
    astronaut, hopper = (one.stranger.change for one in both)
    assert alone.stranger.change is not None
    assert astronaut is not None
    assert hopper is not None
    assert np.array_equal(alone.stranger.change, astronaut) is consistent
    assert not np.array_equal(alone.stranger.change, hopper)
