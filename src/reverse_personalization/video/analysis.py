"""What was found in a video: an editable file that says who is where, and what becomes of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from reverse_personalization.canvas import Choice
from reverse_personalization.errors import InputError
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.faces.face import Face, FloatArray
from reverse_personalization.identity.base import cosine, unit
from reverse_personalization.identity.sface import SFace
from reverse_personalization.record import file_sha256
from reverse_personalization.video.gaps import complete
from reverse_personalization.video.reading import Frame, VideoReader
from reverse_personalization.video.threads import spread
from reverse_personalization.video.tracking import CONTINUE, How, Track, Tracker

Progress = Callable[[str, int, int], None]
# Long side at which frames are searched; on every so manieth frame small faces are searched for as well.
SCALE, FINE_SCALE, FINE_EVERY = 960, 1920, 10
# Threads that search frames, at most.
SEARCHERS = 4
# Every so manieth face of a track is embedded, until there are enough.
EMBED_EVERY, ENOUGH = 5, 12
# Cosine of SFace above which two tracks are one person; the recogniser's authors' threshold.
SAME_PERSON = 0.363
SCORE_OF_DOUBT = 0.5


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FaceSpan(_Model):
    """A face in a frame."""

    frame: int
    box: tuple[float, float, float, float]
    """Left, top, width, height in pixels."""
    keypoints: list[tuple[float, float]]
    """Eyes, nose tip, mouth corners, as seen."""
    score: float
    """The detector's; 0 where the face was not seen."""
    how: How
    """Detected; followed by optical flow; interpolated between frames; extended beyond them."""


class TrackEntry(_Model):
    """A face over time."""

    id: int
    person: int
    action: Choice = "replace"
    """Edit this: replace, obscure, or keep."""
    faces: list[FaceSpan]


class Analysis(_Model):
    """What was found in a video."""

    schema_version: Literal[1] = 1
    video: str
    sha256: str
    """Of the video: the analysis of another one would leave faces visible."""
    start: float = 0.0
    end: float | None = None
    """Seconds of the part that was looked at; frames are counted from its beginning."""
    frames: int
    rate: float
    cuts: list[int]
    tracks: list[TrackEntry]
    doubtful: list[tuple[int, int]]
    """First and last frames of spans in which a face was hardly seen or not at all: look at these."""

    def save(self, path: Path) -> None:
        """Write the file."""
        from reverse_personalization.media.atomic import write_atomically

        write_atomically(path, self.model_dump_json(indent=1).encode() + b"\n")

    @classmethod
    def load(cls, path: Path) -> Analysis:
        """Read the file.

        Raises:
            InputError: it is missing, or was edited into something else.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError:
            raise InputError(f"{path}: cannot be read; make it with `revpers video analyze`.") from None
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}; correct it.") from None


def face_of(span: FaceSpan) -> Face:
    """The face of an entry."""
    return Face(span.box, np.array(span.keypoints, np.float32), span.score)


def analyze(path: Path, *, start: float = 0.0, end: float | None = None, progress: Progress | None = None) -> Analysis:
    """Find and follow every face of a video, or of the part from `start` to `end`, in seconds.

    Raises:
        UnreadableVideoError: it cannot be read.
    """
    recogniser, told = SFace(), progress or (lambda what, done, total: None)
    embedded: dict[int, list[FloatArray]] = {}
    with VideoReader(path, start=start, end=end) as reader:
        tracker, count = Tracker(reader.rate), 0
        for frame, faces in _searched(reader.frames()):
            for track, face in tracker.advance(frame.index, frame.image_rgb, faces):
                known = embedded.setdefault(id(track), [])
                if len(track.faces) % EMBED_EVERY == 1 and len(known) < ENOUGH and face.score >= SCORE_OF_DOUBT:
                    known.append(unit(recogniser.embed(frame.image_rgb, face)))
            count = frame.index + 1
            told("finding faces", count, max(reader.count, count))
        rate = reader.rate
    tracks = tracker.finish()
    people = cluster([embedded.get(id(track), []) for track in tracks], [set(track.faces) for track in tracks])
    with VideoReader(path, start=start, end=end) as reader:
        complete(tracks, _told(reader.frames(), told, count), rate=rate, cuts=tracker.cuts, count=count)
    return Analysis(
        video=path.name,
        sha256=file_sha256(path),
        start=start,
        end=end,
        frames=count,
        rate=rate,
        cuts=tracker.cuts,
        tracks=[_entry(i, person, track) for i, (track, person) in enumerate(zip(tracks, people, strict=True))],
        doubtful=_spans({f for track in tracks for f, face in track.faces.items() if face.score < SCORE_OF_DOUBT}),
    )


def _searched(frames: Iterable[Frame]) -> Iterator[tuple[Frame, list[Face]]]:
    """Every frame with its faces; several are searched at a time, each by a detector of its own."""

    def search(detectors: Sequence[YuNetDetector], frame: Frame) -> tuple[Frame, list[Face]]:
        fine = frame.index % FINE_EVERY == 0 and max(frame.image_rgb.shape) > SCALE
        return frame, detectors[1 if fine else 0].detect(frame.image_rgb)

    searchers = [
        [YuNetDetector(threshold=CONTINUE, turned=False, scales=(s,)) for s in (SCALE, FINE_SCALE)]
        for _ in range(min(SEARCHERS, os.cpu_count() or 1))
    ]
    return spread(searchers, search, frames)


def _told(frames: Iterator[Frame], told: Progress, count: int) -> Iterator[Frame]:
    for frame in frames:
        told("filling gaps", frame.index + 1, count)
        yield frame


def cluster(embeddings: Sequence[Sequence[FloatArray]], frames: Sequence[Set[int]]) -> list[int]:
    """The person of each track: those that look alike, and are never seen together, are one (average linkage).

    Args:
        embeddings: unit vectors of each track.
        frames: in which each track is seen.
    """
    groups: list[list[int]] = [[i] for i in range(len(embeddings))]
    means = [unit(np.mean(of, 0)) if len(of) else None for of in embeddings]
    while len(groups) > 1:
        best, pair = SAME_PERSON, None
        for a in range(len(groups)):
            for b in range(a + 1, len(groups)):
                if any(frames[i] & frames[j] for i in groups[a] for j in groups[b]):
                    continue
                alike = [
                    float(cosine(x, y).item())
                    for i in groups[a]
                    for j in groups[b]
                    if (x := means[i]) is not None and (y := means[j]) is not None
                ]
                if alike and np.mean(alike) > best:
                    best, pair = float(np.mean(alike)), (a, b)
        if pair is None:
            break
        groups[pair[0]] += groups.pop(pair[1])
    of_track = {i: person for person, group in enumerate(groups) for i in group}
    return [of_track[i] for i in range(len(embeddings))]


def _entry(number: int, person: int, track: Track) -> TrackEntry:
    faces = [
        FaceSpan(
            frame=frame,
            box=tuple(round(float(v), 2) for v in track.faces[frame].box),
            keypoints=[(round(float(x), 2), round(float(y), 2)) for x, y in track.faces[frame].keypoints],
            score=round(track.faces[frame].score, 3),
            how=track.how[frame],
        )
        for frame in sorted(track.faces)
    ]
    return TrackEntry(id=number, person=person, faces=faces)


def _spans(frames: set[int]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for frame in sorted(frames):
        if spans and frame == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], frame)
        else:
            spans.append((frame, frame))
    return spans
