"""Videos in: frames with their own times, upright, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

import av
import numpy as np
from av.error import FFmpegError
from av.stream import Disposition

from reverse_personalization.errors import InputError
from reverse_personalization.faces.face import ByteArray

# Transfer functions of high dynamic range, whose light would be lost: PQ and HLG.
HDR: Final = (16, 18)
# No playlists: a file that calls itself a video must not make ffmpeg open others, here or elsewhere.
CONTAINED: Final = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi", "protocol_whitelist": "file"}


class UnreadableVideoError(InputError):
    """Empty, truncated, damaged, without pictures, or of a kind that is refused by name."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture of a video.

    Attributes:
        index: its number, from 0.
        seconds: when it is shown, from the start of the video.
        image_rgb: uint8 H x W x 3, upright.
    """

    index: int
    seconds: float
    image_rgb: ByteArray


class VideoReader:
    """Reads a video once, from its beginning; a context manager."""

    def __init__(self, path: Path) -> None:
        """Open a video.

        Raises:
            UnreadableVideoError: it cannot be opened, or holds no pictures, or high dynamic range.
        """
        self.path = path
        try:
            self.container: Any = av.open(str(path), options=dict(CONTAINED))
        except (FFmpegError, OSError, ValueError):
            raise UnreadableVideoError(f"{path}: is missing, damaged or no video; check it with a player.") from None
        # A cover picture is no film.
        films = [s for s in self.container.streams.video if not s.disposition & Disposition.attached_pic]
        if not films:
            self.container.close()
            raise UnreadableVideoError(f"{path}: holds no pictures, only sound; there is nothing to anonymize.")
        self.stream = films[0]
        if getattr(self.stream.codec_context, "color_trc", None) in HDR:
            self.container.close()
            raise UnreadableVideoError(
                f"{path}: is high dynamic range, which is not supported; convert it to SDR first."
            )
        self.stream.thread_type = "AUTO"

    @property
    def rate(self) -> float:
        """Frames per second, on average."""
        return float(self.stream.average_rate or 25)

    @property
    def count(self) -> int:
        """Frames, as far as the file tells without being read; 0 if it does not."""
        if self.stream.frames:
            return int(self.stream.frames)
        return int(self.rate * self.container.duration / 1e6) if self.container.duration else 0

    def frames(self) -> Iterator[Frame]:
        """All frames.

        Raises:
            UnreadableVideoError: no frame can be read, or their size changes.
        """
        for item in self.items(sound=False):
            yield cast(Frame, item)

    def items(self, *, sound: bool = True) -> Iterator[Frame | Any]:
        """Frames, and packets of the other streams as they come, for a writer to copy.

        Raises:
            UnreadableVideoError: no frame can be read, or their size changes.
        """
        streams = [self.stream, *(copied_streams(self.container) if sound else ())]
        index, shape = 0, None
        try:
            for packet in self.container.demux(streams):
                if packet.stream is not self.stream:
                    if packet.dts is not None:
                        yield packet
                    continue
                for picture in packet.decode():
                    image_rgb = _upright(picture)
                    if shape not in (None, image_rgb.shape):
                        raise UnreadableVideoError(f"{self.path}: its pictures change their size; split it first.")
                    shape = image_rgb.shape
                    yield Frame(index, float(picture.time or index / self.rate), image_rgb)
                    index += 1
        except FFmpegError:
            if index == 0:
                raise UnreadableVideoError(f"{self.path}: no picture can be read; check it with a player.") from None
            raise UnreadableVideoError(
                f"{self.path}: is damaged after {index} pictures; repair or cut it first."
            ) from None
        if index == 0:
            raise UnreadableVideoError(f"{self.path}: no picture can be read; check it with a player.")

    def close(self) -> None:
        """Close the file."""
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


def _upright(picture: Any) -> ByteArray:
    image = picture.to_ndarray(format="rgb24")
    turns = round(getattr(picture, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else cast(ByteArray, image)
