"""A video written in parts, each complete, which are joined at the end without encoding anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from heapq import merge
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
from av.bitstream import BitStreamFilterContext

from reverse_personalization.faces.face import ByteArray
from reverse_personalization.video.journal import Journal, Part, TrackState
from reverse_personalization.video.options import VideoOptions
from reverse_personalization.video.reading import Frame, VideoReader
from reverse_personalization.video.writing import (
    TIME_BASE,
    VideoWriter,
    lost_aspect,
    opened,
    output_errors,
    streams_for,
)

# Frames of a part: what an interruption costs at most.
LENGTH = 250


class PartsWriter:
    """As `VideoWriter`, but an interruption leaves what is done in the journal. A context manager.

    Attributes:
        notes: as those of `VideoWriter`.
    """

    def __init__(
        self,
        path: Path,
        source: VideoReader,
        options: VideoOptions,
        journal: Journal,
        states: Callable[[], dict[int, TrackState]],
        *,
        mark: bool = True,
    ) -> None:
        """Begin or go on.

        Args:
            path: where the video goes.
            source: as for `VideoWriter`.
            options: likewise.
            journal: of the output.
            states: says where the tracks' work stands.
            mark: as for `VideoWriter`.
        """
        self.path, self._source, self._options, self._mark = path, source, options, mark
        self._journal, self._states = journal, states
        self._silent = options.model_copy(update={"sound": False, "codec": options.codec_for(path.suffix)})
        self._part: VideoWriter | None = None
        self._begun, self._frames = 0.0, 0
        self.notes: list[str] = []

    def write(self, frame: Frame, image_rgb: ByteArray) -> None:
        """Add a picture at the time of `frame`.

        Raises:
            OutputError: it cannot be written.
        """
        if self._part is None:
            name = f"{len(self._journal.notes.parts):06}.mp4"
            part = self._journal.folder / name
            self._part = VideoWriter(part, self._source, self._silent, mark=False, whole=self.path)
            self._begun, self._frames = frame.seconds, 0
        self._part.write(replace(frame, seconds=frame.seconds - self._begun), image_rgb)
        self._frames += 1
        if self._frames == LENGTH:
            self._finish_part()

    def copy(self, packet: Any) -> None:
        """Nothing: sound is copied when the parts are joined."""

    def __enter__(self) -> Self:
        """The writer itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Join the parts; after an error, remove only the one that was begun."""
        if kind is not None:
            if self._part is not None:
                self._part.abandon()
            return
        self._finish_part()
        self.notes += lost_aspect(self._source, self.path, self._options.codec_for(self.path.suffix))
        self._join()

    def _finish_part(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            with part:
                pass
            self._journal.add(
                Part(file=part.path.name, seconds=self._begun, frames=self._frames, states=self._states())
            )

    def _join(self) -> None:
        parts = self._journal.notes.parts
        with opened(self.path, mark=self._mark) as target, output_errors(self.path):
            with av.open(str(self._journal.folder / parts[0].file)) as first:
                pictures = target.add_stream_from_template(first.streams.video[0])
                if first.streams.video[0].codec_context.name == "hevc" and self.path.suffix.lower() != ".mkv":
                    pictures.codec_context.codec_tag = "hvc1"
                convert = _converter(self.path, first.streams.video[0], pictures)
            with VideoReader(self._source.path, start=self._source.start, end=self._source.end) as source:
                copied: dict[int, Any] = {}
                if self._options.sound:
                    copied, lost = streams_for(target, source, self.path)
                    self.notes += lost
                streams = [_pictures(self._journal, pictures, convert)]
                if copied:
                    streams.append(_sound(source, copied))
                for _, packet in merge(*streams, key=lambda one: one[0]):
                    target.mux(packet)


def _converter(path: Path, source: Any, target: Any) -> Callable[[Any], list[Any]]:
    """What makes of a part's packet those that the container of `path` holds."""
    if path.suffix.lower() == ".avi" and source.codec_context.name == "h264":
        return BitStreamFilterContext("h264_mp4toannexb", source, target).filter
    return lambda packet: [packet]


def _pictures(journal: Journal, stream: Any, convert: Callable[[Any], list[Any]]) -> Iterator[tuple[float, Any]]:
    """The packets of all parts, each at its time in the whole."""
    last = None
    for part in journal.notes.parts:
        with av.open(str(journal.folder / part.file)) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.pts is None or not packet.size:
                    continue
                # As `VideoWriter` rounds, so that the times are those of a video written at once.
                shift = round(round(part.seconds / TIME_BASE) * TIME_BASE / packet.time_base)
                packet.pts += shift
                packet.dts = packet.dts + shift if last is None else max(last + 1, packet.dts + shift)
                last, time_base = packet.dts, packet.time_base
                for converted in convert(packet):
                    converted.stream, converted.time_base = stream, time_base
                    yield float(last * time_base), converted


def _sound(source: VideoReader, copied: dict[int, Any]) -> Iterator[tuple[float, Any]]:
    for packet in source.packets():
        stream = copied.get(packet.stream.index)
        if stream is not None:
            when = float(packet.dts * packet.time_base)
            packet.stream = stream
            yield when, packet
