"""From faces in single frames to tracks; `gaps` fills their holes."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import cv2
import numpy as np

from reverse_personalization.faces.face import ByteArray, Face

How = Literal["detected", "followed", "interpolated", "extended"]
# Scores with which a face begins a track, and continues one.
BEGIN, CONTINUE = 0.6, 0.3
OVERLAP = 0.25
# Seconds for which a face may be lost within a track.
GAP = 0.7
# Frames from which it is told where a face is heading.
HEADING = 3
# Difference of neighbouring thumbnails, 0 to 255, that is another scene.
CUT = 40.0
THUMBNAIL = (32, 18)


@dataclass(eq=False)
class Track:
    """A face over time.

    Attributes:
        faces: by frame, in the order of frames as long as holes are not filled.
        how: by frame, whether it was detected, or is where it must have been.
    """

    faces: dict[int, Face] = field(default_factory=dict)
    how: dict[int, How] = field(default_factory=dict)

    @property
    def first(self) -> int:
        """First frame."""
        return next(iter(self.faces))

    @property
    def last(self) -> int:
        """Last frame."""
        return next(reversed(self.faces))

    def add(self, frame: int, face: Face, how: How = "detected") -> None:
        """Add the face of a frame."""
        self.faces[frame], self.how[frame] = face, how


class Tracker:
    """Follows faces from frame to frame."""

    def __init__(self, rate: float) -> None:
        """Take the frames per second."""
        self._gap = gap_frames(rate)
        self._open: list[Track] = []
        self._closed: list[Track] = []
        self._thumbnail: ByteArray | None = None
        self._weak: dict[int, list[Face]] = {}
        self.cuts: list[int] = []

    def advance(self, frame: int, image_rgb: ByteArray, faces: Sequence[Face]) -> list[tuple[Track, Face]]:
        """Take the faces (with scores of `CONTINUE` and more) of the next frame.

        Returns:
            The tracks that they continue or begin.
        """
        if self._is_cut(image_rgb):
            self.cuts.append(frame)
            self._close(self._open)
        self._close([track for track in self._open if frame - track.last > self._gap])
        taken = _matched(self._open, frame, faces)
        found = [(self._open[i], faces[j]) for i, j in taken.items()]
        weak: list[Face] = []
        for j, face in enumerate(faces):
            if j in taken.values():
                continue
            if face.score >= BEGIN:
                self._open.append(Track())
                found.append((self._open[-1], face))
            else:
                weak.append(face)
        if weak:
            self._weak[frame] = weak
        for track, face in found:
            track.add(frame, face)
        return found

    def missing(self, frame: int) -> list[Face]:
        """Where the faces must be that are followed and were not found in the present frame, with scores of 0."""
        return [replace(_ahead(track, frame), score=0.0) for track in self._open if track.last < frame]

    def follows(self, track: Track) -> bool:
        """Whether a track may go on."""
        return track in self._open

    def forget(self, before: int) -> None:
        """Forget ended tracks, weak faces, and all but the last face before a frame: a live picture has no end."""
        self._closed.clear()
        self._weak.clear()
        self.cuts.clear()
        for track in self._open:
            for frame in [f for f in track.faces if f < min(before, track.last)]:
                del track.faces[frame], track.how[frame]

    def finish(self) -> list[Track]:
        """All tracks, joined backwards by the weak faces before them, in the order of their beginnings."""
        self._close(self._open)
        self._join_backwards()
        return sorted(self._closed, key=lambda track: track.first)

    def _join_backwards(self) -> None:
        """Extend tracks over weak faces that lie where they came from: the same as forwards, with time mirrored."""
        heads: dict[int, list[tuple[Track, Track]]] = defaultdict(list)
        for track in self._closed:
            heads[self._scene(track.first)].append((track, _mirrored_head(track)))
        for frame in sorted(self._weak, reverse=True):
            near = [head for _, head in heads[self._scene(frame)] if 0 < -frame - head.last <= self._gap]
            for i, j in _matched(near, -frame, self._weak[frame]).items():
                near[i].add(-frame, self._weak[frame][j])
        for track, head in (pair for pairs in heads.values() for pair in pairs):
            before = [frame for frame in head.faces if -frame < track.first]
            track.faces = {-frame: head.faces[frame] for frame in reversed(before)} | track.faces
            track.how = {-frame: head.how[frame] for frame in reversed(before)} | track.how

    def _scene(self, frame: int) -> int:
        return bisect_right(self.cuts, frame)

    def _close(self, tracks: Sequence[Track]) -> None:
        self._closed += tracks
        self._open = [track for track in self._open if track not in self._closed]

    def _is_cut(self, image_rgb: ByteArray) -> bool:
        thumbnail = cast(ByteArray, cv2.resize(image_rgb, THUMBNAIL, interpolation=cv2.INTER_AREA))
        before, self._thumbnail = self._thumbnail, thumbnail
        return before is not None and float(np.abs(before.astype(np.float32) - thumbnail).mean()) > CUT


def gap_frames(rate: float) -> int:
    """For how many frames a face may be lost within a track."""
    return max(1, round(GAP * rate))


def _mirrored_head(track: Track) -> Track:
    """The first faces of a track as the last ones of a track that runs backwards, at negative frames."""
    first = track.first
    head = [frame for frame in range(first, first + HEADING + 1) if frame in track.faces]
    mirrored = Track()
    for frame in reversed(head):
        mirrored.add(-frame, track.faces[frame], track.how[frame])
    return mirrored


def _matched(tracks: Sequence[Track], frame: int, faces: Sequence[Face]) -> dict[int, int]:
    """Which track goes on with which face, by index: the greatest overlaps first, none twice."""
    expected = [_ahead(track, frame) for track in tracks]
    pairs = sorted(
        ((overlap(one, face), i, j) for i, one in enumerate(expected) for j, face in enumerate(faces)), reverse=True
    )
    taken: dict[int, int] = {}
    for shared, i, j in pairs:
        if shared >= OVERLAP and i not in taken and j not in taken.values():
            taken[i] = j
    return taken


def _ahead(track: Track, frame: int) -> Face:
    """Where the face can be expected, going on as it went."""
    now = track.faces[track.last]
    past = [f for f in range(track.last - HEADING, track.last) if f in track.faces]
    if not past:
        return now
    then = track.faces[past[0]]
    # At most as far as its own size: a wild guess finds nothing.
    steps = (frame - track.last) / (track.last - past[0])
    shift = np.clip((now.keypoints.mean(0) - then.keypoints.mean(0)) * steps, -now.size, now.size)
    return now.moved(float(-shift[0]), float(-shift[1]))


def overlap(one: Face, other: Face) -> float:
    """Intersection over union of two boxes."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = one.box, other.box
    width = min(ax + aw, bx + bw) - max(ax, bx)
    height = min(ay + ah, by + bh) - max(ay, by)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (aw * ah + bw * bh - width * height)
