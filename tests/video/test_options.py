"""Parts of videos, codecs, depth; and videos in folders, planned like photos."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from video_clips import CROWD_FRAMES, RATE, SIZE, scene, write_clip

from reverse_personalization.cli import main
from reverse_personalization.cli.planning import make_plan
from reverse_personalization.errors import OutputError, UsageError
from reverse_personalization.settings import Settings
from reverse_personalization.video import encoders
from reverse_personalization.video.analysis import analyze
from reverse_personalization.video.anonymizing import anonymize_video
from reverse_personalization.video.options import VideoOptions, seconds_of
from reverse_personalization.video.reading import UnreadableVideoError, VideoReader
from reverse_personalization.video.writing import VideoWriter


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of sound, and frames each as bright as its number says."""
    pictures = [np.full((*SIZE, 3), 10 + 5 * i, np.uint8) for i in range(2 * RATE)]
    return write_clip(tmp_path_factory.mktemp("numbered") / "clip.mp4", pictures, sound=True)


def copy(clip: Path, output: Path, options: VideoOptions, *, change: Any = None) -> Path:
    with (
        VideoReader(clip, start=options.start, end=options.end) as reader,
        VideoWriter(output, reader, options) as writer,
    ):
        for item in reader.items(sound=options.sound):
            if hasattr(item, "image_rgb"):
                writer.write(item, item.image_rgb if change is None else change(item.image_rgb))
            else:
                writer.copy(item)
    return output


def test_a_part_has_its_own_frames_times_and_sound(numbered: Path, tmp_path: Path) -> None:
    output = copy(numbered, tmp_path / "out.mp4", VideoOptions(start=0.5, end=1.25))
    with VideoReader(output) as reader:
        assert reader.count == 15
        frames = list(reader.frames())
    assert [round((float(f.image_rgb.mean()) - 10) / 5) for f in frames] == list(range(10, 25))
    np.testing.assert_allclose([f.seconds for f in frames], np.arange(15) / RATE, atol=2e-3)
    with av.open(str(output)) as container:
        sound = container.streams.audio[0]
        times = [float(p.pts * p.time_base) for p in container.demux(sound) if p.pts is not None]
        assert min(times) == pytest.approx(0, abs=0.07)
        assert 0.6 < max(times) < 0.75
    with VideoReader(numbered, start=0.5, end=1.25) as reader:
        assert reader.count == 15


def test_a_part_without_pictures_is_refused(numbered: Path) -> None:
    with VideoReader(numbered, start=60) as reader, pytest.raises(UnreadableVideoError, match="that part"):
        list(reader.frames())


def test_times_are_read_as_people_write_them() -> None:
    assert [seconds_of(text) for text in ("90", "1:30", "0:01:30.5", "90.25")] == [90, 90, 90.5, 90.25]
    for wrong in ("soon", "1:75", "1:2:3:4", "-3", "nan", "inf", ""):
        with pytest.raises(ValueError, match=r".+"):
            seconds_of(wrong)


def test_the_record_tells_the_part(tmp_path: Path, astronaut: Any) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [scene(astronaut, i) for i in range(20)])
    options = VideoOptions(start=0.25, end=0.75)
    record = anonymize_video(clip, tmp_path / "out.mp4", Settings(seed=1), options=options)
    assert record.frames == 10
    assert record.options == options
    assert sum(record.tracks[0].frames.values()) == 10


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1"])
def test_codecs(numbered: Path, tmp_path: Path, codec: Any) -> None:
    try:
        encoders.encoder(codec)
    except OutputError:
        pytest.skip(f"this build of PyAV encodes no {codec}")
    name = "out.mkv" if codec == "vp9" else "out.mp4"
    output = copy(numbered, tmp_path / name, VideoOptions(codec=codec))
    # SVT-AV1 takes the machine for itself where root lets it.
    assert not hasattr(os, "sched_getscheduler") or os.sched_getscheduler(0) == os.SCHED_OTHER
    with av.open(str(output)) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == codec
        assert container.streams.audio
    small = copy(numbered, tmp_path / f"small-{name}", VideoOptions(codec=codec, crf=51, sound=False))
    fine = copy(numbered, tmp_path / f"fine-{name}", VideoOptions(codec=codec, crf=5, sound=False))
    assert small.stat().st_size < fine.stat().st_size


def test_cards_that_are_not_there_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def works(candidate: encoders.Encoder, pixels: str) -> bool:
        tried.append(candidate.name)
        return candidate.name in {"libx264", "h264_qsv"}

    monkeypatch.setattr(encoders, "works", works)
    assert encoders.encoder("h264", hardware=True).name == "h264_qsv"
    assert tried[0] == "h264_nvenc"
    assert encoders.encoder("h264").name == "libx264"
    with pytest.raises(OutputError, match="10 bits"):
        encoders.encoder("vp9", deep=True)


def deep_clip(path: Path) -> Path:
    """A ramp in 10 bits, of which 8 bits would show only every fourth step."""
    luma = np.tile((64 + np.arange(480) * 1.7).astype(np.uint16), (360, 1))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=RATE, options={"crf": "4", "x265-params": "log-level=none"})
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p10le"
        for i in range(4):
            frame = av.VideoFrame(SIZE[1], SIZE[0], "yuv420p10le")
            for plane, values in zip(
                frame.planes, (luma, np.full((180, 240), 512), np.full((180, 240), 512)), strict=True
            ):
                rows = np.zeros((plane.height, plane.line_size // 2), np.uint16)
                rows[:, : values.shape[1]] = values
                plane.update(rows.tobytes())
            frame.pts, frame.time_base = i, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def luma_of(path: Path) -> Any:
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.format.components[0].bits == 10
        frame = next(container.decode(video=0))
        return np.frombuffer(frame.planes[0], np.uint16).reshape(360, -1)[:, :480].astype(int)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_ten_bits_are_kept(tmp_path: Path, codec: Any) -> None:
    clip = deep_clip(tmp_path / "clip.mp4")

    def hide(image: Any) -> Any:
        image = image.copy()
        image[100:200, 100:200] = 0
        return image

    output = copy(clip, tmp_path / "out.mp4", VideoOptions(codec=codec, crf=4), change=hide)
    before, after = luma_of(clip), luma_of(output)
    assert np.abs(before - after)[220:].mean() < 2
    assert len(np.unique(after[300])) > 300  # 8 bits have 220 steps of luma
    assert after[120:180, 120:180].max() < 80


def test_folders_hold_photos_and_videos(crowd: Path, tmp_path: Path, astronaut: Any, capsys: Any) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a.mp4").write_bytes(crowd.read_bytes())
    Image.fromarray(astronaut.image_rgb).save(tmp_path / "in" / "b.jpg")
    command = ["anonymize", str(tmp_path / "in"), "-r", "-o", str(tmp_path / "new"), "--seed", "1"]
    assert main([*command, "--dry-run"]) == 0
    assert "a.mp4 -> " in capsys.readouterr().out
    assert main([*command, "--progress", "jsonl"]) == 0
    told = capsys.readouterr()
    events = [json.loads(line) for line in told.out.splitlines()]
    assert {Path(e["output"]).name for e in events if e["event"] == "file_done"} == {"a.mp4", "b.jpg"}
    assert {e["what"] for e in events if e["event"] == "file_progress"} == {
        "finding faces",
        "meeting people",
        "rendering",
    }
    assert "2 files: 2 done." in told.err
    assert json.loads((tmp_path / "new" / "deep" / "a.mp4.json").read_text())["frames"] == CROWD_FRAMES
    assert main([*command, "--resume"]) == 0
    assert "2 skipped" in capsys.readouterr().err
    assert main([*command, "--resume", "--crf", "30", "--dry-run"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [("a.mp4" in line, "done already" in line) for line in listed] == [(False, True), (True, False)]


def test_originals_and_twins_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    for name in ("a.mp4", "other/a.mp4", "b.png"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UsageError, match="both become"):
        make_plan(["a.mp4", "other/a.mp4"], "new")
    with pytest.raises(UsageError, match="is an original"):
        make_plan(["a.mp4"], ".")
    with pytest.raises(UsageError, match="named like a video"):
        make_plan(["a.mp4", "b.png"], "new.mp4")
    with pytest.raises(OutputError, match="a video cannot be written there"):
        make_plan(["a.mp4"], "new.png")
    with pytest.raises(OutputError):
        make_plan(["b.png"], "new.mp4")


def test_a_record_that_cannot_be_written_loses_nothing(
    crowd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, record = tmp_path / "out.mp4", tmp_path / "out.mp4.json"
    output.write_bytes(b"the old one")
    record.write_bytes(b"its record")
    found = analyze(crowd)

    def full(path: Path, data: bytes) -> None:
        raise OutputError(f"{path}: cannot be written, since the disk is full; free some space.")

    monkeypatch.setattr("reverse_personalization.video.anonymizing.write_atomically", full)
    with pytest.raises(OutputError, match="disk is full"):
        anonymize_video(crowd, output, Settings(), analysis=found)
    assert output.read_bytes() == b"the old one"
    assert record.read_bytes() == b"its record"
    assert {path.name for path in tmp_path.iterdir()} == {"out.mp4", "out.mp4.json"}
    output.unlink()
    record.unlink()
    with pytest.raises(OutputError):
        anonymize_video(crowd, output, Settings(), analysis=found)
    assert not list(tmp_path.iterdir())
