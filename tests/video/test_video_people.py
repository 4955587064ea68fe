"""Who stays visible in a video, and that a track that goes astray takes nobody along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from video_clips import CROWD_FRAMES, beside, write_clip

from reverse_personalization.cli import main
from reverse_personalization.settings import Settings
from reverse_personalization.video.analysis import Analysis, analyze
from reverse_personalization.video.anonymizing import anonymize_video
from reverse_personalization.video.reading import VideoReader
from reverse_personalization.video.record import VideoRecord


@pytest.fixture(scope="module")
def found(crowd: Path) -> Analysis:
    return analyze(crowd)


def sides(record: VideoRecord, found: Analysis) -> dict[str, Any]:
    where = {track.id: "left" if track.faces[0].box[0] < 240 else "right" for track in found.tracks}
    return {where[track.track]: track for track in record.tracks}


def change(clip: Path, output: Path) -> Any:
    """Mean absolute change of the left and the right face, by frame: float n x 2."""
    with VideoReader(clip) as one, VideoReader(output) as other:
        pairs = zip(one.frames(), other.frames(), strict=True)
        changes = [np.abs(a.image_rgb.astype(float) - b.image_rgb)[130:230] for a, b in pairs]
    return np.array([[of[:, 70:160].mean(), of[:, 310:400].mean()] for of in changes])


@pytest.mark.parametrize("rule", ["keep_people", "only"])
def test_recognition_decides_who_stays(crowd: Path, found: Analysis, friends: Path, tmp_path: Path, rule: str) -> None:
    settings = Settings(seed=1, **{rule: str(friends)})  # type: ignore[arg-type]
    record = anonymize_video(crowd, tmp_path / "out.mp4", settings, analysis=found)
    tracks = sides(record, found)
    stays, goes = ("left", "right") if rule == "keep_people" else ("right", "left")
    assert tracks[stays].frames == {"kept": CROWD_FRAMES}
    assert tracks[stays].verdict == "kept"
    assert [one.recogniser for one in tracks[stays].likenesses] == ["sface", "dlib-resnet"]
    assert tracks[stays].reason.startswith("Left visible")
    assert tracks[goes].frames.get("kept", 0) == 0
    assert not tracks[goes].likenesses
    changes = change(crowd, tmp_path / "out.mp4")
    kept, gone = changes.T if stays == "left" else changes.T[::-1]
    assert kept.max() < 3
    assert gone.min() > 6


def test_a_track_that_jumps_to_somebody_else_hides_them(
    astronaut: Any, hopper: Any, friends: Path, tmp_path: Path
) -> None:
    pictures = [beside(astronaut, hopper, i) for i in range(CROWD_FRAMES)]
    swapped = [beside(hopper, astronaut, i) for i in range(2)]
    clip = write_clip(tmp_path / "clip.mp4", pictures)
    found = analyze(clip)
    other = write_clip(tmp_path / "other.mp4", [*pictures[:-2], *swapped])
    # The tracks of the first clip on the second: in the last frames each is on the other's face.
    astray = found.model_copy(update={"sha256": analyze(other).sha256})
    settings = Settings(seed=1, keep_people=str(friends))
    record = anonymize_video(other, tmp_path / "out.mp4", settings, analysis=astray)
    left = sides(record, found)["left"]
    assert left.frames == {"kept": CROWD_FRAMES - 2, "obscured": 2}
    assert change(other, tmp_path / "out.mp4")[-2:].min() > 6


def test_the_option_of_the_command(crowd: Path, friends: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out.mp4"
    assert main(["anonymize", str(crowd), "-o", str(out), "--keep-people", str(friends), "--seed", "1"]) == 0
    record = VideoRecord.model_validate_json((tmp_path / "out.mp4.json").read_bytes())
    assert sorted(track.verdict for track in record.tracks) == ["anonymized", "kept"]
    assert record.settings.keep_people == friends.name
    assert "is kept: Left visible" in capsys.readouterr().err
    assert main(["anonymize", str(crowd), "-o", str(tmp_path / "b.mp4"), "--only", str(tmp_path / "none")]) == 4
    assert not (tmp_path / "b.mp4").exists()
