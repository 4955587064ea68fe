"""An interrupted rendering goes on where it stopped, and is the same video in the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from video_clips import FRAMES, scene, write_clip

from reverse_personalization.settings import Settings
from reverse_personalization.video import anonymizing, parts
from reverse_personalization.video.analysis import Analysis, analyze
from reverse_personalization.video.anonymizing import anonymize_video
from reverse_personalization.video.journal import Part, folder_of
from reverse_personalization.video.options import VideoOptions
from reverse_personalization.video.reading import VideoReader
from reverse_personalization.video.rendering import VideoAnonymizer


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, astronaut: Any) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return write_clip(path, [scene(astronaut, i) for i in range(FRAMES)], sound=True)


@pytest.fixture(scope="module")
def found(clip: Path) -> Analysis:
    return analyze(clip)


def frames(path: Path) -> list[Any]:
    with VideoReader(path) as reader:
        return list(reader.frames())


class Interrupting:
    """Told of progress, interrupts at a frame; counts the frames that were rendered."""

    def __init__(self, at: int | None) -> None:
        self.at, self.rendered = at, 0

    def __call__(self, what: str, done: int, total: int) -> None:
        if what == "rendering":
            self.rendered += 1
            if done == self.at:
                raise KeyboardInterrupt


def test_it_goes_on_where_it_stopped(
    clip: Path, found: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "LENGTH", 12)
    output = tmp_path / "out.mp4"
    for at, rendered in ((30, 30), (35, 11)):  # a part is lost at most: frames 24 to 30 are done again
        told = Interrupting(at)
        with pytest.raises(KeyboardInterrupt):
            anonymize_video(clip, output, Settings(), analysis=found, resumable=True, progress=told)
        assert told.rendered == rendered
        assert [path.name for path in tmp_path.iterdir()] == [folder_of(output).name]
        assert {path.name for path in folder_of(output).iterdir()} == {"journal.json", "000000.mp4", "000001.mp4"}
        assert folder_of(output).stat().st_mode & 0o077 == 0
    told = Interrupting(None)
    record = anonymize_video(clip, output, Settings(), analysis=found, resumable=True, progress=told)
    assert told.rendered == FRAMES - 24
    assert sum(record.tracks[0].frames.values()) == FRAMES
    assert {path.name for path in tmp_path.iterdir()} == {"out.mp4", "out.mp4.json"}


def test_the_result_is_that_of_a_run_without_interruption(
    clip: Path, found: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "LENGTH", 12)
    resumed, whole = tmp_path / "resumed.mp4", tmp_path / "whole.mp4"
    settings, options = Settings(seed=3), VideoOptions(crf=4)  # fine, so that the encoder does not tell them apart

    def run(output: Path, **further: Any) -> Any:
        return anonymize_video(clip, output, settings, analysis=found, options=options, **further)

    with pytest.raises(KeyboardInterrupt):
        run(resumed, resumable=True, progress=Interrupting(30))
    one, other = run(resumed, resumable=True), run(whole)
    assert one.tracks == other.tracks
    pairs = list(zip(frames(resumed), frames(whole), strict=True))
    assert len(pairs) == FRAMES
    for a, b in pairs:
        assert a.seconds == pytest.approx(b.seconds, abs=1e-3)
        assert np.abs(a.image_rgb.astype(int) - b.image_rgb).mean() < 1
    for path in (resumed, whole):
        with av.open(str(path)) as container:
            assert "compositeWithTrainedAlgorithmicMedia" in container.metadata["comment"]
            size = sum(packet.size for packet in container.demux(container.streams.audio[0]))
        assert size > 0


def test_nothing_is_taken_over_from_other_settings(
    clip: Path, found: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "LENGTH", 12)
    output = tmp_path / "out.mp4"
    with pytest.raises(KeyboardInterrupt):
        anonymize_video(clip, output, Settings(), analysis=found, resumable=True, progress=Interrupting(30))
    told = Interrupting(None)
    monkeypatch.setattr(VideoAnonymizer, "_replaced", lambda *given: None)  # quick: all are obscured
    options = VideoOptions(crf=30)
    anonymize_video(clip, output, Settings(), analysis=found, options=options, resumable=True, progress=told)
    assert told.rendered == FRAMES


def test_nothing_is_taken_over_from_another_input_or_model(tmp_path: Path) -> None:
    clip, output = tmp_path / "clip.mp4", tmp_path / "out.mp4"

    def parts_taken_over(models: str = "one") -> int:
        journal = anonymizing._journal(clip, output, Settings(), VideoOptions(), None, models)
        taken = len(journal.notes.parts)
        journal.save()
        (journal.folder / "000000.mp4").write_bytes(b"pictures")
        journal.notes.parts = [Part(file="000000.mp4", seconds=0, frames=1, states={})]
        journal.save()
        return taken

    clip.write_bytes(b"a clip")
    assert parts_taken_over() == 0
    assert parts_taken_over() == 1
    assert parts_taken_over("another") == 0
    clip.write_bytes(b"another clip")
    assert parts_taken_over("another") == 0


def test_without_resumable_nothing_is_left(clip: Path, found: Analysis, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        anonymize_video(clip, tmp_path / "out.mp4", Settings(), analysis=found, progress=Interrupting(3))
    assert not list(tmp_path.iterdir())
