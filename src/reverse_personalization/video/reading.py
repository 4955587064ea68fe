"""Videos in: frames with their own times, upright, one at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

import av
import numpy as np
from av.error import FFmpegError
from av.stream import Disposition
from numpy.typing import NDArray

from reverse_personalization.errors import InputError
from reverse_personalization.faces.face import ByteArray
from reverse_personalization.video.colours import Colours
from reverse_personalization.video.declared import declared_bytes
from reverse_personalization.video.memory import keep_pictures_apart
from reverse_personalization.video.threads import ahead

# Transfer functions of high dynamic range, whose light would be lost: PQ and HLG.
HDR: Final = (16, 18)
# No playlists: a file that calls itself a video must not make ffmpeg open others, here or elsewhere.
CONTAINED: Final = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi", "protocol_whitelist": "file"}
# Seconds by which times are rounded in files.
SLACK: Final = 1e-4
# Packets that tell a film from a picture.
PROBED: Final = 200
FURTHER_FILMS: Final = (
    "The file holds further video streams, which were left out; extract them, and anonymize each by itself."
)
# Pictures that are decoded before they are asked for.
AHEAD: Final = 2


class UnreadableVideoError(InputError):
    """Empty, truncated, damaged, without pictures, or of a kind that is refused by name."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture of a video.

    Attributes:
        index: its number, from 0.
        seconds: when it is shown, from the start of the video.
        image_rgb: uint8 H x W x 3, upright.
        deep_rgb: uint16 H x W x 3, the same in full depth, where the video has more than 8 bits.
    """

    index: int
    seconds: float
    image_rgb: ByteArray
    deep_rgb: NDArray[np.uint16] | None = None


class VideoReader:
    """Reads a video, or a part of it, once; a context manager.

    Attributes:
        colours: what its pictures' numbers mean.
        aspect: width of an upright picture's pixels by their height, known from the first picture on.
        notes: a sentence each about what of the file is not read; complete when everything was.
    """

    def __init__(self, path: Path, *, start: float = 0.0, end: float | None = None) -> None:
        """Open a video.

        Args:
            path: the video.
            start: seconds at which to begin; frames and packets get times from there.
            end: seconds at which to stop.

        Raises:
            UnreadableVideoError: it cannot be opened, or holds no pictures, or high dynamic range.
        """
        self.path, self.start, self.end = path, start, end
        self._ahead: Generator[Any] | None = None
        try:
            self.container: Any = av.open(str(path), options=dict(CONTAINED))
        except (FFmpegError, OSError, ValueError):
            raise UnreadableVideoError(f"{path}: is missing, damaged or no video; check it with a player.") from None
        films = _films(path, self.container)
        if not films:
            self.container.close()
            raise UnreadableVideoError(f"{path}: holds no pictures, only sound; there is nothing to anonymize.")
        best = self.container.streams.best("video")
        self.stream = best if best in films else films[0]
        self.notes: list[str] = [FURTHER_FILMS] if len(films) > 1 else []
        self.aspect = Fraction(1)
        self._coded = 0
        if getattr(self.stream.codec_context, "color_trc", None) in HDR:
            self.container.close()
            raise UnreadableVideoError(
                f"{path}: is high dynamic range, which is not supported; convert it to SDR first."
            )
        self.stream.thread_type = "AUTO"
        keep_pictures_apart(self.stream.width * self.stream.height)
        self.deep, self.colours = _bits(self.stream) > 8, Colours.of(self.stream)

    @property
    def rate(self) -> float:
        """Frames per second, on average."""
        return float(self.stream.average_rate or 25)

    @property
    def count(self) -> int:
        """Frames, as far as the file tells without being read; 0 if it does not."""
        every = int(self.stream.frames or self.rate * (self.container.duration or 0) / 1e6)
        if not self.start and self.end is None:
            return every
        end = every / self.rate if self.end is None else min(self.end, every / self.rate)
        return max(0, round(self.rate * (end - self.start)))

    def frames(self) -> Iterator[Frame]:
        """All frames.

        Raises:
            UnreadableVideoError: no frame can be read, or their size changes.
        """
        for item in self.items(sound=False):
            yield cast(Frame, item)

    def items(self, *, sound: bool = True) -> Iterator[Frame | Any]:
        """Frames, and packets of the other streams as they come, for a writer to copy; decoded in another thread.

        Raises:
            UnreadableVideoError: no frame can be read, or their size changes.
        """
        self._ahead = ahead(self._items(sound=sound), AHEAD)
        return self._ahead

    def _items(self, *, sound: bool) -> Iterator[Frame | Any]:
        index, shape = 0, None
        try:
            for item in self._decoded(sound=sound):
                if isinstance(item, tuple):
                    seconds, picture = item
                    image_rgb = _upright(picture, "rgb24")
                    self.aspect = _aspect(self.stream, picture)
                    if shape not in (None, image_rgb.shape):
                        raise UnreadableVideoError(f"{self.path}: its pictures change their size; split it first.")
                    shape = image_rgb.shape
                    deep = _upright(picture, "rgb48le") if self.deep else None
                    yield Frame(index, max(0.0, seconds - self.start), image_rgb, deep)
                    index += 1
                elif self._shift(item):
                    yield item
        except FFmpegError:
            if index == 0:
                raise UnreadableVideoError(f"{self.path}: no picture can be read; check it with a player.") from None
            raise UnreadableVideoError(
                f"{self.path}: is damaged after {index} pictures; repair or cut it first."
            ) from None
        if index == 0 and (self.start or self.end is not None):
            raise UnreadableVideoError(f"{self.path}: has no picture in that part; give another --start or --end.")
        if index == 0:
            raise UnreadableVideoError(f"{self.path}: no picture can be read; check it with a player.")
        if not self.start and self.end is None:
            self.notes += self._missing(index)

    def _missing(self, read: int) -> list[str]:
        """A sentence if the file says that it holds more than could be read."""
        frames, present = _declared(self.container, self.stream), self.path.stat().st_size
        if self._coded < frames:
            return [
                f"Only {read} of the {frames} frames that the file declares can be read; it is cut off or damaged, so "
                "get it anew if you need the rest."
            ]
        declared = declared_bytes(self.path)
        if present < declared:
            return [
                f"The file has {present} of the {declared} bytes that it declares, and {read} frames in them; it is "
                "cut off, so get it anew if you need the rest."
            ]
        return []

    def packets(self) -> Iterator[Any]:
        """Packets of sound and subtitles alone.

        Raises:
            UnreadableVideoError: the file is damaged.
        """
        if self.start:
            self.container.seek(int(self.start * 1e6))
        try:
            for packet in self.container.demux(copied_streams(self.container)):
                if packet.pts is not None and self._is_over(float(packet.pts * packet.time_base)):
                    continue
                if self._shift(packet):
                    yield packet
        except FFmpegError:
            raise UnreadableVideoError(f"{self.path}: its sound is damaged; add --no-audio.") from None

    def _decoded(self, *, sound: bool) -> Iterator[tuple[float, Any] | Any]:
        """The part's pictures with their times in the file, and packets of the other streams."""
        streams = [self.stream, *(copied_streams(self.container) if sound else ())]
        running = {stream.index for stream in streams}
        count = 0
        if self.start:
            self.container.seek(int(self.start * 1e6))
        for packet in self._counted(self.container.demux(streams)):
            if packet.stream.index not in running:
                continue
            if packet.stream is not self.stream:
                if packet.pts is not None and self._is_over(float(packet.pts * packet.time_base)):
                    running.discard(packet.stream.index)
                else:
                    yield packet
            for picture in packet.decode() if packet.stream is self.stream else ():
                seconds = float(count / self.rate if picture.time is None else picture.time)
                count += 1
                if self._is_over(seconds):
                    running.discard(self.stream.index)
                    break
                if seconds >= self.start - SLACK:
                    yield seconds, picture
            if not running:
                return

    def _counted(self, packets: Iterator[Any]) -> Iterator[Any]:
        for packet in packets:
            if packet.stream is self.stream and packet.size:
                self._coded += 1
            yield packet

    def _is_over(self, seconds: float) -> bool:
        return self.end is not None and seconds >= self.end - SLACK

    def _shift(self, packet: Any) -> bool:
        """Give a packet its time in the part; False if it lies before it, or has none."""
        if packet.dts is None or packet.pts is None:
            return False
        # From the beginning on, what an encoder put before zero to warm up stays, too.
        if self.start > 0 and packet.pts * packet.time_base < self.start - SLACK:
            return False
        shift = round(self.start / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        return True

    def close(self) -> None:
        """Close the file, when nothing decodes any more."""
        if self._ahead is not None:
            self._ahead.close()
        self.container.close()

    def __enter__(self) -> Self:
        """The reader itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the file."""
        self.close()


def copied_streams(container: Any) -> list[Any]:
    """Streams that are copied as they are: sound and subtitles."""
    return [*container.streams.audio, *container.streams.subtitles]


def _films(path: Path, container: Any) -> list[Any]:
    """Streams of moving pictures; of pictures that stand still if there are no others."""
    # A cover picture is no film.
    shown = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if len(shown) < 2:
        return shown
    # Some files hold their cover as a track of one frame, and do not say so.
    seen: Counter[int] = Counter()
    with suppress(FFmpegError), av.open(str(path), options=dict(CONTAINED)) as probe:
        packets: Any = probe.demux([probe.streams[stream.index] for stream in shown])
        seen.update(packet.stream.index for packet in islice(packets, PROBED) if packet.size)
    return [stream for stream in shown if seen[stream.index] > 1] or shown


def _declared(container: Any, stream: Any) -> int:
    """Coded frames that the file says it holds, those that an edit list leaves out excepted; 0 if it does not say."""
    # Elsewhere the index is partial, or the number in the header is an estimate; there bytes are told.
    if not stream.frames or "mp4" not in container.format.name:
        return 0
    return sum(entry.size > 0 for entry in stream.index_entries)


def _upright(picture: Any, pixels: str) -> Any:
    image = picture.to_ndarray(format=pixels)
    across, turned, back, down = _orientation(picture)
    if abs(turned) > abs(across):
        image, across, down = image.swapaxes(0, 1), back, turned
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])


def _aspect(stream: Any, picture: Any) -> Fraction:
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    across, turned, _, _ = _orientation(picture)
    return 1 / aspect if abs(turned) > abs(across) else aspect


def _orientation(picture: Any) -> tuple[int, int, int, int]:
    """How a picture is to be shown: (x, y) of it lies at (a x + c y, b x + d y); a, b, c and d in 65,536ths."""
    stored = picture.side_data.get("DISPLAYMATRIX")
    if stored is None:
        return 1, 0, 0, 1
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(stored), np.int32)[:5])
    return a, b, c, d


def _bits(stream: Any) -> int:
    """Bits per channel."""
    pixels = getattr(stream.codec_context, "format", None)
    return max((component.bits for component in pixels.components), default=8) if pixels else 8
