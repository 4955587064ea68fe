"""A clip on which every face's place is known: none slips through, sound and times stay, errors leave nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from video_clips import FRAMES, HIDDEN, RATE, SIZE, scene, write_clip

from reverse_personalization.bench.flicker import flicker
from reverse_personalization.cli import main
from reverse_personalization.errors import InputError, OutputError, UsageError
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.identity.thresholds import threshold
from reverse_personalization.settings import Settings
from reverse_personalization.video.analysis import Analysis, analyze, cluster
from reverse_personalization.video.anonymizing import anonymize_video
from reverse_personalization.video.options import VideoOptions
from reverse_personalization.video.reading import UnreadableVideoError, VideoReader
from reverse_personalization.video.rendering import VideoAnonymizer

# Hair around a filled place may remind the detector of a face, with a lower score than this.
CLEAR = 0.8
SILENT = VideoOptions(sound=False)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, astronaut: Any) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return write_clip(path, [scene(astronaut, i) for i in range(FRAMES)], sound=True)


@pytest.fixture(scope="module")
def found(clip: Path) -> Analysis:
    return analyze(clip)


@pytest.fixture(scope="module")
def done(clip: Path, found: Analysis) -> tuple[Path, Any]:
    output = clip.with_name("out.mp4")
    return output, anonymize_video(clip, output, Settings(seed=1), analysis=found)


def frames(path: Path) -> list[Any]:
    with VideoReader(path) as reader:
        return list(reader.frames())


def test_a_face_is_followed_through_what_hides_it(found: Analysis) -> None:
    (track,) = found.tracks
    assert [face.frame for face in track.faces] == list(range(FRAMES))
    how = {face.frame: face.how for face in track.faces}
    assert how[HIDDEN[1]] in ("interpolated", "detected")
    assert found.frames == FRAMES
    x, _, w, _ = track.faces[-1].box
    assert x + w / 2 == pytest.approx(310, abs=15)


def test_nobody_slips_through_in_any_frame(
    clip: Path, done: tuple[Path, Any], astronaut: Any, sface: Any, dlib_resnet: Any
) -> None:
    output, record = done
    (track,) = record.tracks
    assert sum(track.frames.values()) == FRAMES
    assert track.frames["anonymized"] >= 0.8 * FRAMES
    detector = YuNetDetector(turned=False)
    checked = 0
    for recogniser in (sface, dlib_resnet):
        known = recogniser.embed(astronaut.image_rgb, astronaut.face)
        limit = threshold(recogniser.name).similarity
        for frame in frames(output):
            for face in detector.detect(frame.image_rgb):
                alike = recogniser.similarity(known, recogniser.embed(frame.image_rgb, face)).item()
                assert alike < limit, (recogniser.name, frame.index)
                checked += 1
    assert checked > FRAMES


def test_the_stranger_stays_the_same(done: tuple[Path, Any], sface: Any) -> None:
    detector = YuNetDetector(turned=False)
    seen = []
    for frame in frames(done[0]):
        if frame.index not in HIDDEN:
            faces = [face for face in detector.detect(frame.image_rgb) if face.score > CLEAR]
            seen += [sface.embed(frame.image_rgb, face) for face in faces[:1]]
    assert len(seen) > 0.8 * FRAMES
    alike = sface.similarity(np.stack(seen), np.stack(seen))
    pairs = alike[np.triu_indices(len(seen), 1)]
    assert (pairs > threshold("sface").similarity).mean() >= 0.95


def test_it_flickers_hardly_more_than_the_source(clip: Path, done: tuple[Path, Any], found: Analysis) -> None:
    beside = range(HIDDEN[0] - 1, HIDDEN[-1] + 2)
    boxes = {face.frame: [face.box] for face in found.tracks[0].faces if face.frame not in beside}
    measured = flicker(clip, done[0], boxes)
    assert measured.pairs == FRAMES - len(beside) - 2
    assert measured.ratio <= 1.3


def test_sound_and_times_stay_and_metadata_go(clip: Path, done: tuple[Path, Any]) -> None:
    with av.open(str(clip)) as before, av.open(str(done[0])) as after:
        assert [s.codec_context.name for s in after.streams.audio] == [
            s.codec_context.name for s in before.streams.audio
        ]
        assert "title" not in after.metadata
        assert "compositeWithTrainedAlgorithmicMedia" in after.metadata["comment"]
        packets = [sum(p.size for p in c.demux(c.streams.audio[0])) for c in (before, after)]
        assert packets[0] == packets[1] > 0
    times = [[frame.seconds for frame in frames(path)] for path in (clip, done[0])]
    np.testing.assert_allclose(times[0], times[1], atol=2e-3)


def test_variable_rates_keep_their_times(tmp_path: Path, astronaut: Any) -> None:
    times = [0, 0.05, 0.2, 0.25, 0.5, 0.55]
    clip = write_clip(tmp_path / "clip.mp4", [scene(astronaut, i) for i in range(6)], times=times)
    anonymize_video(clip, tmp_path / "out.mp4", Settings(seed=1), options=SILENT)
    np.testing.assert_allclose([frame.seconds for frame in frames(tmp_path / "out.mp4")], times, atol=2e-3)


def test_what_a_reviewer_decides_is_done(clip: Path, found: Analysis, tmp_path: Path) -> None:
    found.save(tmp_path / "found.json")
    edited = json.loads((tmp_path / "found.json").read_text())
    for action, verdict in (("keep", "kept"), ("obscure", "obscured")):
        edited["tracks"][0]["action"] = action
        (tmp_path / "found.json").write_text(json.dumps(edited))
        analysis = Analysis.load(tmp_path / "found.json")
        record = anonymize_video(clip, tmp_path / f"{action}.mp4", Settings(), analysis=analysis, options=SILENT)
        assert record.tracks[0].frames == {verdict: FRAMES}
        assert record.tracks[0].verdict == verdict
    edited["tracks"][0]["action"] = "vanish"
    (tmp_path / "found.json").write_text(json.dumps(edited))
    with pytest.raises(InputError, match="action"):
        Analysis.load(tmp_path / "found.json")


def test_a_crash_leaves_the_face_obscured(
    clip: Path, found: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*given: Any) -> None:
        raise ValueError("no such frame")

    monkeypatch.setattr(VideoAnonymizer, "_replaced", crash)
    record = anonymize_video(clip, tmp_path / "out.mp4", Settings(), analysis=found, options=SILENT)
    assert record.tracks[0].frames == {"obscured": FRAMES}


def test_an_interruption_leaves_nothing(
    clip: Path, found: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(what: str, frame: int, total: int) -> None:
        if what == "rendering" and frame == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        anonymize_video(clip, tmp_path / "out.mp4", Settings(), analysis=found, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def bad_videos(folder: Path, clip: Path) -> dict[str, Path]:
    whole = clip.read_bytes()
    contents = {"empty": b"", "text": b"dear diary\n" * 99, "cut": whole[: len(whole) // 3]}
    for name, content in contents.items():
        (folder / f"{name}.mp4").write_bytes(content)
    with av.open(str(folder / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16_000)
        heard = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        heard.sample_rate = 16_000
        container.mux(stream.encode(heard))
        container.mux(stream.encode(None))
    return {name: folder / f"{name}.mp4" for name in (*contents, "sound", "missing")}


def test_bad_videos_get_one_sentence_and_leave_nothing(clip: Path, tmp_path: Path, capsys: Any) -> None:
    for name, path in bad_videos(tmp_path, clip).items():
        with pytest.raises(UnreadableVideoError):
            analyze(path)
        assert main(["anonymize", str(path), "-o", str(tmp_path / "out" / f"{name}.mp4")]) == 4
        told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert len(told) == 1
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_no_face_is_not_written(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [np.full((*SIZE, 3), 90, np.uint8)] * 5)
    assert main(["anonymize", str(clip), "-o", str(tmp_path / "out.mp4")]) == 3
    assert not (tmp_path / "out.mp4").exists()
    assert main(["anonymize", str(clip), "-o", str(tmp_path / "out.mp4"), "--allow-no-faces"]) == 0
    assert len(frames(tmp_path / "out.mp4")) == 5


def test_the_commands(clip: Path, tmp_path: Path, capsys: Any) -> None:
    found, page, out = tmp_path / "found.json", tmp_path / "page.html", tmp_path / "out.mp4"
    assert main(["video", "analyze", str(clip), "-o", str(found), "--page", str(page)]) == 0
    assert "1 tracks of 1 people" in capsys.readouterr().out
    assert page.read_text().count("data:image/jpeg") == 4
    assert main(["video", "render", str(clip), "--analysis", str(found), "-o", str(out), "--no-audio"]) == 0
    with av.open(str(out)) as container:
        assert not container.streams.audio
    assert json.loads((tmp_path / "out.mp4.json").read_text())["frames"] == FRAMES
    assert main(["video", "render", str(clip), "--analysis", str(found), "-o", str(out)]) == 5
    assert main(["video", "render", str(clip), "--analysis", str(found), "-o", str(clip), "--force"]) == 2


def test_wrong_uses_are_refused(clip: Path, found: Analysis, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="compact"):
        VideoAnonymizer(Settings(engine="sdxl"))
    with pytest.raises(OutputError):
        anonymize_video(clip, Path("/proc/out.mp4"), Settings(), analysis=found)
    assert main(["anonymize", str(clip), "-o", str(tmp_path / "out.jpg")]) == 5
    assert main(["anonymize", str(clip), "-o", str(tmp_path / "out.mp4"), "--start", "soon"]) == 2
    assert main(["anonymize", str(clip), "-o", str(tmp_path / "out.mp4"), "--start", "2", "--end", "1"]) == 2
    assert main(["anonymize", str(clip), "-o", str(tmp_path / "out.mp4"), "--codec", "h264", "--crf", "60"]) == 2


def test_tracks_that_look_alike_are_one_person() -> None:
    generator = np.random.default_rng(0)
    ann, ben = generator.standard_normal((2, 128)).astype(np.float32)

    def photos(of: Any) -> list[Any]:
        return [x / np.linalg.norm(x) for x in of + 0.4 * generator.standard_normal((4, 128))]

    apart = [{0}, {1}, {2}, {3}]
    first, second, third, fourth = cluster([photos(ann), photos(ben), photos(ann), []], apart)
    assert first == third
    assert len({first, second, fourth}) == 3
    twins = cluster([photos(ann), photos(ann)], [{0, 1}, {1, 2}])
    assert twins[0] != twins[1]


def test_the_analysis_of_another_video_is_refused(found: Analysis, tmp_path: Path) -> None:
    other = write_clip(tmp_path / "other.mp4", [np.full((*SIZE, 3), 90, np.uint8)] * 3)
    with pytest.raises(InputError, match="another video"):
        anonymize_video(other, tmp_path / "out.mp4", Settings(), analysis=found)


def test_the_rate_is_the_sources(clip: Path) -> None:
    with VideoReader(clip) as reader:
        assert reader.rate == pytest.approx(RATE, abs=0.5)
        assert reader.count == FRAMES
