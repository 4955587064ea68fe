"""Videos out: complete, or not there at all."""

from __future__ import annotations

import errno
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from reverse_personalization.errors import OutputError
from reverse_personalization.faces.face import ByteArray
from reverse_personalization.media.marking import DIGITAL_SOURCE_TYPE
from reverse_personalization.media.photo import widened
from reverse_personalization.video.encoders import EIGHT_BITS, TEN_BITS, encoder, ordinary_priority
from reverse_personalization.video.options import Codec, VideoOptions
from reverse_personalization.video.reading import Frame, VideoReader, copied_streams
from reverse_personalization.video.threads import Behind

# Fine enough for any rate, so that variable frame rates keep their times.
TIME_BASE = Fraction(1, 90_000)
# Pictures and packets that wait for the encoder.
BEHIND = 3
DeepArray = NDArray[np.uint16]
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than is allowed here",
}


class VideoWriter:
    """Encodes frames and copies sound, in another thread; the file appears when everything is in it.

    A context manager. What goes wrong with a picture or packet may be told only at one of the next, or at the end.

    Attributes:
        notes: a sentence each about what the container cannot hold; complete at the end.
    """

    def __init__(
        self, path: Path, source: VideoReader, options: VideoOptions, *, mark: bool = True, whole: Path | None = None
    ) -> None:
        """Begin a video.

        Args:
            path: where it goes; its suffix decides the container.
            source: whose rate and depth it has, and whose sound and subtitles are copied; its metadata are not.
            options: codec, quality, sound.
            mark: write the IPTC digital source type into the comment.
            whole: the file that this one becomes a part of, if any.

        Raises:
            OutputError: the place cannot be written, the container holds no video, or the codec cannot be made.
        """
        self.path, self._codec = path, options.codec_for(path.suffix)
        self._encoder = encoder(self._codec, hardware=options.hardware, deep=source.deep)
        self._partial = partial_of(path)
        self._source, self._options = source, options
        self._container = open_container(path, self._partial, mark=mark)
        self._stream: Any = None
        self._copied: dict[int, Any] = {}
        self.notes: list[str] = []
        # Frames in AVI have no times but their order, in which B-frames do not come.
        self._b_frames = (whole or path).suffix.lower() != ".avi"
        self._last = -1
        self._early: list[Any] = []
        self._behind = Behind(BEHIND)

    def write(self, frame: Frame, image_rgb: ByteArray) -> None:
        """Add a picture at the time of `frame`; it may not be changed any more.

        Raises:
            OutputError: it cannot be written.
        """
        self._behind.do(lambda: self._encode(frame, image_rgb))

    def copy(self, packet: Any) -> None:
        """Copy a packet of sound or subtitles."""
        self._behind.do(lambda: self._copy(packet))

    def _encode(self, frame: Frame, image_rgb: ByteArray) -> None:
        if self._stream is None:
            self._begin(image_rgb)
        deep = frame.deep_rgb
        picture = (
            av.VideoFrame.from_ndarray(image_rgb, format="rgb24")
            if deep is None
            else av.VideoFrame.from_ndarray(_deepened(image_rgb, frame.image_rgb, deep), format="rgb48le")
        )
        self._source.colours.describe_frame(picture)
        # Times must rise; two frames of one time come from broken files.
        self._last = max(self._last + 1, round(frame.seconds / TIME_BASE))
        picture.pts, picture.time_base = self._last, TIME_BASE
        self._mux(lambda: self._container.mux(self._stream.encode(picture)))

    def _copy(self, packet: Any) -> None:
        if self._stream is None:  # decoders are slow to give their first frame
            self._early.append(packet)
            return
        stream = self._copied.get(packet.stream.index)
        if stream is not None:
            packet.stream = stream
            self._mux(lambda: self._container.mux(packet))

    def finish(self) -> None:
        """Complete the file and give it its name."""
        self._behind.finish()
        if self._stream is not None:
            self._mux(lambda: self._container.mux(self._stream.encode(None)))
        self._mux(self._container.close)
        with output_errors(self.path):
            self._partial.replace(self.path)

    def abandon(self) -> None:
        """Remove what was written."""
        self._behind.abandon()
        with suppress(Exception):
            self._container.close()
        self._partial.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """The writer itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Finish, or remove everything after an error."""
        if kind is not None:
            self.abandon()
            return
        try:
            self.finish()
        except BaseException:
            self.abandon()
            raise

    def _begin(self, image_rgb: ByteArray) -> None:
        height, width = image_rgb.shape[:2]
        rate = Fraction(self._source.rate).limit_denominator(1001)
        arguments = self._encoder.arguments(self._options.crf_for(self._codec))
        try:
            self._stream = self._container.add_stream(self._encoder.name, rate=rate, options=arguments)
        except (FFmpegError, ValueError):
            raise OutputError(
                f"{self.path}: its container holds no {self._codec} video; end its name in .mp4."
            ) from None
        if self._codec == "hevc" and self.path.suffix.lower() in (".mp4", ".mov", ".m4v"):
            self._stream.codec_context.codec_tag = "hvc1"  # else Apple's players refuse it
        # The encoders want even sides: the last row and column are repeated.
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = TEN_BITS if self._source.deep else EIGHT_BITS
        self._stream.codec_context.time_base = TIME_BASE
        self._stream.codec_context.sample_aspect_ratio = self._source.aspect
        self._source.colours.describe_stream(self._stream.codec_context)
        if not self._b_frames:
            self._stream.codec_context.max_b_frames = 0
        self.notes += lost_aspect(self._source, self.path, self._codec)
        if self._options.sound:
            self._copied, lost = streams_for(self._container, self._source, self.path)
            self.notes += lost
        with output_errors(self.path), ordinary_priority():
            self._container.start_encoding()
        early, self._early = self._early, []
        for packet in early:
            self._copy(packet)

    def _mux(self, action: Callable[[], None]) -> None:
        with output_errors(self.path):
            action()


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Within the block, what goes wrong with a file is an `OutputError` about `path`."""
    try:
        yield
    except (FFmpegError, OSError) as error:
        reason = _REASONS.get(getattr(error, "errno", None) or 0, str(error).rstrip("."))
        raise OutputError(f"{path}: cannot be written ({reason}); free some space, or choose another place.") from None


def open_container(path: Path, partial: Path, *, mark: bool) -> Any:
    """A container to write to, with the AI mark.

    Raises:
        OutputError: the place cannot be written, or the suffix stands for no container.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        container: Any = av.open(str(partial), "w")
    except (FFmpegError, OSError, ValueError):
        raise OutputError(
            f"{path}: cannot be written; give a file that ends in .mp4, in a folder that is writable."
        ) from None
    if mark:
        container.metadata["comment"] = f"DigitalSourceType: {DIGITAL_SOURCE_TYPE}"
    return container


@contextmanager
def opened(path: Path, *, mark: bool) -> Iterator[Any]:
    """A container that gets its name when the block ends, and goes if it fails.

    Raises:
        OutputError: it cannot be written.
    """
    partial = partial_of(path)
    container = open_container(path, partial, mark=mark)
    try:
        yield container
        with output_errors(path):
            container.close()
            partial.replace(path)
    except BaseException:
        with suppress(Exception):
            container.close()
        partial.unlink(missing_ok=True)
        raise


def streams_for(target: Any, source: VideoReader, path: Path) -> tuple[dict[int, Any], list[str]]:
    """Streams for the sound and subtitles of `source` in the container of `path`.

    Returns:
        Those that it can hold, by their number in the source, and a sentence about each one that it cannot.
    """
    copied, lost = {}, []
    for stream in copied_streams(source.container):
        try:
            copied[stream.index] = target.add_stream_from_template(stream)
        except (FFmpegError, ValueError):
            lost.append(_lost(stream, path.suffix.lower()))
    return copied, lost


def lost_aspect(source: VideoReader, path: Path, codec: Codec) -> list[str]:
    """A sentence where the shape of the pixels is lost: PyAV does not tell Matroska, nor do these codecs tell it."""
    if source.aspect == 1 or path.suffix.lower() not in (".mkv", ".webm") or codec not in ("vp9", "av1"):
        return []
    return [
        f"That pixels are {source.aspect} times as wide as high is not said by {codec} in {path.suffix.lower()}, so "
        "players show the picture distorted; give an output that ends in .mp4."
    ]


def _lost(stream: Any, suffix: str) -> str:
    what = "sound" if stream.type == "audio" else "subtitle"
    name = getattr(stream.codec_context, "name", "unknown")
    other = ".mp4" if suffix == ".mkv" else ".mkv"
    return (
        f"A {what} stream ({name}) was left out, as {suffix} cannot hold it; "
        f"give an output that ends in {other} to keep it."
    )


def partial_of(path: Path) -> Path:
    """A hidden name beside `path`, with its suffix."""
    return path.with_name(f".revpers-{secrets.token_hex(8)}{path.suffix}")


def _deepened(image_rgb: ByteArray, before_rgb: ByteArray, deep_rgb: DeepArray) -> DeepArray:
    """The source in full depth, with what was changed in 8 bits."""
    changed = (image_rgb != before_rgb).any(2)
    result = deep_rgb.copy()
    result[changed] = widened(image_rgb[changed])
    return result
