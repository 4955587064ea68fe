"""What containers say beside the pictures: colours, shape and turn are kept, and what is lost is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from video_clips import RATE, SIZE, write_clip

from reverse_personalization.anonymizer import Anonymizer
from reverse_personalization.cli.clips import about_tracks
from reverse_personalization.errors import NoFaceError
from reverse_personalization.settings import Settings
from reverse_personalization.video import parts
from reverse_personalization.video.anonymizing import anonymize_video
from reverse_personalization.video.declared import declared_bytes
from reverse_personalization.video.options import VideoOptions
from reverse_personalization.video.reading import FURTHER_FILMS, UnreadableVideoError, VideoReader

Prepare = Callable[[Any], None]
FINE = VideoOptions(crf=4)
# A film with what is no box behind its last one.
TRAILED = b"\0\0\0\x08ftyp" + b"\x7f" * 16
CODECS = {".mkv": "libx264", ".webm": "libvpx-vp9", ".avi": "mpeg4"}


@pytest.fixture(scope="module")
def anonymizer() -> Anonymizer:
    return Anonymizer(settings=Settings())


@pytest.fixture
def anonymized(anonymizer: Anonymizer) -> Callable[..., tuple[str, ...]]:
    """Has a clip without faces written anew, and gives the notes of its record."""

    def run(clip: Path, output: Path, **further: Any) -> tuple[str, ...]:
        record = anonymize_video(clip, output, Settings(), anonymizer=anonymizer, allow_no_faces=True, **further)
        return record.notes

    return run


def bars(i: int = 0) -> Any:
    """Coloured bars and a corner that tells sides apart, uint8 360 x 480 x 3."""
    picture = np.zeros((*SIZE, 3), np.uint8)
    for k, colour in enumerate(((200, 30, 40), (20, 180, 60), (30, 40, 220), (128, 128, 128), (240, 240, 240))):
        picture[:, 96 * k : 96 * k + 96] = colour
    picture[:120, :160] = 10 + i
    return picture


def noise(i: int) -> Any:
    return np.random.default_rng(i).integers(0, 255, (*SIZE, 3)).astype(np.uint8)


def encoded(
    path: Path,
    prepare: Prepare = lambda stream: None,
    count: int = 6,
    picture: Any = bars,
    codec: str = "libx264",
) -> Path:
    """Pictures as a video, with a stream that was prepared."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = added(container, codec)
        prepare(stream)
        for packet in packets(stream, count, picture):
            container.mux(packet)
    return path


def added(container: Any, codec: str = "libx264") -> Any:
    stream = container.add_stream(codec, rate=RATE, options={"crf": "4"} if codec == "libx264" else {})
    stream.height, stream.width, stream.pix_fmt = *SIZE, "yuvj420p" if codec == "mjpeg" else "yuv420p"
    return stream


def packets(stream: Any, count: int, picture: Any = bars) -> Iterator[Any]:
    for i in range(count):
        frame = av.VideoFrame.from_ndarray(picture(i), format="rgb24")
        frame.pts, frame.time_base = i, Fraction(1, RATE)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def tags(path: Path) -> tuple[int, ...]:
    with av.open(str(path)) as container:
        context: Any = container.streams.video[0].codec_context
        return context.colorspace, context.color_range, context.color_primaries, context.color_trc


def pictures(path: Path) -> Any:
    with VideoReader(path) as reader:
        return np.array([frame.image_rgb for frame in reader.frames()], int)


def luma(path: Path) -> Any:
    with av.open(str(path)) as container:
        plane = next(container.decode(video=0)).planes[0]
        return np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width].astype(int)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    "colours", [(1, 1, 1, 1), (1, 2, 1, 1), (6, 1, 6, 6), (9, 1, 9, 14), (2, 2, 2, 2), (2, 0, 2, 2)]
)
def test_colours_are_those_of_the_source(
    tmp_path: Path, anonymized: Any, suffix: str, colours: tuple[int, ...]
) -> None:
    def describe(stream: Any) -> None:
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = colours

    clip = encoded(tmp_path / "clip.mp4", describe)
    output = tmp_path / f"out{suffix}"
    anonymized(clip, output, options=FINE)
    assert tags(clip) == tags(output) == colours
    assert np.abs(luma(clip) - luma(output)).mean() < 1
    assert np.abs(pictures(clip) - pictures(output)).mean() < 1.5


def test_colours_outlast_an_interruption(tmp_path: Path, anonymized: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "LENGTH", 3)

    def describe(stream: Any) -> None:
        context = stream.codec_context
        context.colorspace = context.color_range = context.color_primaries = context.color_trc = 1
        context.sample_aspect_ratio = Fraction(2, 1)

    clip = encoded(tmp_path / "clip.mp4", describe)
    anonymized(clip, tmp_path / "out.mp4", options=FINE, resumable=True)
    assert tags(tmp_path / "out.mp4") == (1, 1, 1, 1)
    assert aspect(tmp_path / "out.mp4") == 2


def aspect(path: Path) -> Fraction | None:
    with av.open(str(path)) as container:
        return container.streams.video[0].sample_aspect_ratio


def test_pixels_keep_their_shape_even_when_turned(tmp_path: Path, anonymized: Any) -> None:
    def squeeze(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)

    def squeeze_and_turn(stream: Any) -> None:
        squeeze(stream)
        stream.set_display_rotation(90)

    assert anonymized(encoded(tmp_path / "clip.mp4", squeeze), tmp_path / "out.mp4") == ()
    assert aspect(tmp_path / "out.mp4") == 2
    anonymized(encoded(tmp_path / "turned.mp4", squeeze_and_turn), tmp_path / "upright.mp4")
    assert aspect(tmp_path / "upright.mp4") == Fraction(1, 2)
    (note,) = anonymized(tmp_path / "clip.mp4", tmp_path / "out.webm")
    assert "2 times as wide" in note


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
        ((1, 0, 0, -1), lambda image: image[::-1]),
        ((-1, 0, 0, -1), lambda image: image[::-1, ::-1]),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
        ((0, -1, 1, 0), np.rot90),
        ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
        ((0, -1, -1, 0), lambda image: image.swapaxes(0, 1)[::-1, ::-1]),
    ],
)
def test_pictures_are_turned_and_mirrored_as_they_are_to_be_shown(tmp_path: Path, matrix: Any, shown: Any) -> None:
    a, b, c, d = (65_536 * value for value in matrix)

    def turn(stream: Any) -> None:
        stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])

    stored = pictures(encoded(tmp_path / "stored.mp4"))[0]
    np.testing.assert_array_equal(pictures(encoded(tmp_path / "turned.mp4", turn))[0], shown(stored))


def test_sound_and_subtitles_that_find_no_room_are_told(tmp_path: Path, anonymized: Any) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [bars()] * 3, sound=True)
    subtitles = tmp_path / "subtitles.srt"
    subtitles.write_text("1\n00:00:00,000 --> 00:00:01,000\nGood evening.\n")
    titled = tmp_path / "titled.mkv"
    with av.open(str(subtitles)) as source, av.open(str(clip)) as film, av.open(str(titled), "w") as target:
        streams = {
            (container, stream.index): target.add_stream_from_template(stream)
            for container in (film, source)
            for stream in container.streams
        }
        for container in (film, source):
            for packet in container.demux():
                if packet.dts is not None:
                    packet.stream = streams[container, packet.stream.index]
                    target.mux(packet)
    assert anonymized(titled, tmp_path / "out.mkv") == ()
    for resumable in (False, True):
        (note,) = anonymized(titled, tmp_path / "out.mp4", resumable=resumable)
        assert note.startswith("A subtitle stream")
        assert note.endswith("give an output that ends in .mkv to keep it.")
    (note,) = anonymized(clip, tmp_path / "out.webm")
    assert note.startswith("A sound stream (aac) was left out, as .webm cannot hold it")


def with_first_stream(path: Path, codec: str, count: int, picture: Any) -> Path:
    """A film of six frames as the second stream of a file, the first being the default one."""
    with av.open(str(path), "w") as container:
        first, second = added(container, codec), added(container)
        first.disposition = av.stream.Disposition.default
        for packet in (*packets(first, count, picture), *packets(second, 6)):
            container.mux(packet)
    return path


def test_a_cover_that_is_a_track_of_its_own_is_no_film(tmp_path: Path, anonymized: Any) -> None:
    for suffix in (".mkv", ".mp4"):
        clip = with_first_stream(tmp_path / f"cover{suffix}", "mjpeg", 1, noise)
        assert anonymized(clip, tmp_path / f"out{suffix}") == ()
        assert len(pictures(tmp_path / f"out{suffix}")) == 6


def test_a_second_film_that_is_left_out_is_told(tmp_path: Path, anonymized: Any) -> None:
    clip = with_first_stream(tmp_path / "two.mkv", "libx264", 4, bars)
    assert anonymized(clip, tmp_path / "out.mkv") == (FURTHER_FILMS,)
    assert len(pictures(tmp_path / "out.mkv")) == 4


def test_frames_that_are_cut_off_are_told(tmp_path: Path, anonymized: Any) -> None:
    whole = encoded(tmp_path / "whole.mp4", count=12, picture=noise)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    (note,) = anonymized(cut, tmp_path / "out.mp4")
    assert note.startswith(f"Only {len(pictures(tmp_path / 'out.mp4'))} of the 12 frames that the file declares")
    for options in (VideoOptions(), VideoOptions(start=0.1), VideoOptions(end=0.3)):
        assert anonymized(whole, tmp_path / "out.mp4", options=options) == ()


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".avi"])
def test_bytes_that_are_cut_off_are_told_where_frames_are_not_counted(
    tmp_path: Path, anonymized: Any, suffix: str
) -> None:
    whole = encoded(tmp_path / f"whole{suffix}", count=12, picture=noise, codec=CODECS[suffix])
    assert anonymized(whole, tmp_path / f"out{suffix}") == ()
    size = whole.stat().st_size
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[: size * 2 // 3])
    for resumable in (False, True):
        (note,) = anonymized(cut, tmp_path / f"out{suffix}", resumable=resumable)
        frames = len(pictures(tmp_path / f"out{suffix}"))
        assert 0 < frames < 12
        assert note.startswith(
            f"The file has {size * 2 // 3} of the {size} bytes that it declares, and {frames} frames"
        )


def test_a_cut_film_in_fragments_is_told(tmp_path: Path, anonymized: Any) -> None:
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    with av.open(str(whole), "w", options={"movflags": "frag_keyframe+empty_moov"}) as container:
        stream = added(container)
        stream.codec_context.gop_size = 3
        for packet in packets(stream, 12, noise):
            container.mux(packet)
    assert anonymized(whole, tmp_path / "out.mp4") == ()
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    (note,) = anonymized(cut, tmp_path / "out.mp4")
    assert note.startswith(f"The file has {cut.stat().st_size} of the ")
    assert 0 < len(pictures(tmp_path / "out.mp4")) < 12


def test_a_film_that_does_not_say_how_long_it_is_is_not_called_cut_off(tmp_path: Path) -> None:
    live = tmp_path / "live.mkv"
    with av.open(str(live), "w", options={"live": "1"}) as container:
        for packet in packets(added(container), 6):
            container.mux(packet)
    assert declared_bytes(live) == 0
    for content in (b"", b"RIFF", b"RIFF\0\0\0\0AVI ", b"\x1a\x45\xdf\xa3", b"\x1a\x45\xdf\xa3\x80other", TRAILED):
        live.write_bytes(content)
        assert declared_bytes(live) == 0


def test_long_avi_files_of_several_chunks_are_walked_through(tmp_path: Path) -> None:
    clip = tmp_path / "long.avi"
    clip.write_bytes(b"RIFF\x05\0\0\0AVI x\0" + b"RIFF\x64\0\0\0AVIX")
    assert declared_bytes(clip) == 14 + 8 + 100


def test_frames_that_an_edit_list_leaves_out_are_not_missed(tmp_path: Path, anonymized: Any) -> None:
    edited = tmp_path / "edited.mp4"
    with av.open(str(encoded(tmp_path / "clip.mp4", count=20))) as source, av.open(str(edited), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                early = round(0.3 / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - early, packet.dts - early, stream
                target.mux(packet)
    assert len(pictures(edited)) < 20
    assert anonymized(edited, tmp_path / "out.mp4") == ()


def test_frames_of_avi_come_in_order(tmp_path: Path, anonymized: Any) -> None:
    clip = encoded(tmp_path / "clip.mp4", count=20)
    for resumable in (False, True):
        anonymized(clip, tmp_path / "out.avi", resumable=resumable)
        with av.open(str(tmp_path / "out.avi")) as container:
            shown = list(container.decode(video=0))
        assert not [frame for frame in shown if frame.pict_type == av.video.frame.PictureType.B]
        assert (np.diff([frame.time for frame in shown]) > 0).all()


def test_where_there_is_nothing_to_go_on_with_no_folder_is_left(tmp_path: Path, anonymizer: Anonymizer) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    clip, text = encoded(tmp_path / "clip.mp4"), tmp_path / "text.mp4"
    text.write_text("dear diary")
    for path, options, error in (
        (clip, VideoOptions(), NoFaceError),
        (clip, VideoOptions(start=5), UnreadableVideoError),
        (text, VideoOptions(), UnreadableVideoError),
    ):
        with pytest.raises(error):
            anonymize_video(
                path, folder / "out.mp4", Settings(), anonymizer=anonymizer, options=options, resumable=True
            )
        assert not list(folder.iterdir())


def test_what_was_lost_is_said_first() -> None:
    record: Any = SimpleNamespace(notes=("A sound stream was left out.",), tracks=(), doubtful=[(1, 2)])
    assert list(about_tracks(record)) == [
        "A sound stream was left out.",
        "1 spans in which a face was hardly seen; see the record.",
    ]
