"""From faces in single frames to tracks without holes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal, cast

import cv2
import numpy as np

from reverse_personalization.faces.face import ByteArray, Face

How = Literal["detected", "interpolated", "extended"]
# Scores with which a face begins a track, and continues one.
BEGIN, CONTINUE = 0.6, 0.3
OVERLAP = 0.25
# Seconds for which a face may be lost within a track, and by which tracks are extended at both ends.
GAP, EXTENSION = 0.7, 0.15
# Difference of neighbouring thumbnails, 0 to 255, that is another scene.
CUT = 40.0
THUMBNAIL = (32, 18)


@dataclass(eq=False)
class Track:
    """A face over time.

    Attributes:
        faces: by frame.
        how: by frame, whether it was detected, or is where it must have been.
    """

    faces: dict[int, Face] = field(default_factory=dict)
    how: dict[int, How] = field(default_factory=dict)

    @property
    def first(self) -> int:
        """First frame."""
        return min(self.faces)

    @property
    def last(self) -> int:
        """Last frame."""
        return max(self.faces)

    def add(self, frame: int, face: Face, how: How = "detected") -> None:
        """Add the face of a frame."""
        self.faces[frame], self.how[frame] = face, how


class Tracker:
    """Follows faces from frame to frame."""

    def __init__(self, rate: float) -> None:
        """Take the frames per second."""
        self._gap, self._reach = max(1, round(GAP * rate)), max(1, round(EXTENSION * rate))
        self._open: list[Track] = []
        self._closed: list[Track] = []
        self._thumbnail: ByteArray | None = None
        self.cuts: list[int] = []
        self._frames = 0

    def advance(self, frame: int, image_rgb: ByteArray, faces: Sequence[Face]) -> list[tuple[Track, Face]]:
        """Take the faces (with scores of `CONTINUE` and more) of the next frame.

        Returns:
            The tracks that they continue or begin.
        """
        self._frames = frame + 1
        if self._is_cut(image_rgb):
            self.cuts.append(frame)
            self._close(self._open)
        self._close([track for track in self._open if frame - track.last > self._gap])
        pairs = sorted(
            (
                (_overlap(_ahead(track, frame), face), i, j)
                for i, track in enumerate(self._open)
                for j, face in enumerate(faces)
            ),
            reverse=True,
        )
        taken: dict[int, int] = {}
        for overlap, i, j in pairs:
            if overlap >= OVERLAP and i not in taken and j not in taken.values():
                taken[i] = j
        found = [(self._open[i], faces[j]) for i, j in taken.items()]
        for j, face in enumerate(faces):
            if j not in taken.values() and face.score >= BEGIN:
                self._open.append(Track())
                found.append((self._open[-1], face))
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
        """Forget ended tracks, and all but the last face before a frame: a live picture has no end."""
        self._closed.clear()
        self.cuts.clear()
        for track in self._open:
            for frame in [f for f in track.faces if f < min(before, track.last)]:
                del track.faces[frame], track.how[frame]

    def finish(self) -> list[Track]:
        """All tracks, their holes filled and their ends extended, in the order of their beginnings."""
        self._close(self._open)
        scenes = [0, *self.cuts, self._frames]
        for track in self._closed:
            fill(track)
            begin = max(cut for cut in scenes if cut <= track.first)
            end = min(cut for cut in scenes if cut > track.last)
            extend(track, self._reach, begin, end - 1)
        return sorted(self._closed, key=lambda track: track.first)

    def _close(self, tracks: Sequence[Track]) -> None:
        self._closed += tracks
        self._open = [track for track in self._open if track not in self._closed]

    def _is_cut(self, image_rgb: ByteArray) -> bool:
        thumbnail = cast(ByteArray, cv2.resize(image_rgb, THUMBNAIL, interpolation=cv2.INTER_AREA))
        before, self._thumbnail = self._thumbnail, thumbnail
        return before is not None and float(np.abs(before.astype(np.float32) - thumbnail).mean()) > CUT


def fill(track: Track) -> None:
    """Put the face where it must have been in frames without one, between those that have one."""
    known = sorted(track.faces)
    for before, after in pairwise(known):
        for frame in range(before + 1, after):
            share = (frame - before) / (after - before)
            track.add(frame, _between(track.faces[before], track.faces[after], share), "interpolated")


def extend(track: Track, reach: int, begin: int, end: int) -> None:
    """Keep the face for `reach` frames before its first and after its last one, within a scene."""
    first, last = track.first, track.last
    for frame in range(max(begin, first - reach), first):
        track.add(frame, replace(track.faces[first], score=0.0), "extended")
    for frame in range(last + 1, min(end, last + reach) + 1):
        track.add(frame, replace(track.faces[last], score=0.0), "extended")


def _ahead(track: Track, frame: int) -> Face:
    """Where the face can be expected, going on as it went."""
    now = track.faces[track.last]
    past = [f for f in track.faces if track.last - 3 <= f < track.last]
    if not past:
        return now
    then = track.faces[past[0]]
    # At most as far as its own size: a wild guess finds nothing.
    steps = (frame - track.last) / (track.last - past[0])
    shift = np.clip((now.keypoints.mean(0) - then.keypoints.mean(0)) * steps, -now.size, now.size)
    return now.moved(float(-shift[0]), float(-shift[1]))


def _overlap(one: Face, other: Face) -> float:
    """Intersection over union of two boxes."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = one.box, other.box
    width = min(ax + aw, bx + bw) - max(ax, bx)
    height = min(ay + ah, by + bh) - max(ay, by)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (aw * ah + bw * bh - width * height)


def _between(one: Face, other: Face, share: float) -> Face:
    box = np.array(one.box) * (1 - share) + np.array(other.box) * share
    x, y, w, h = (float(v) for v in box)
    keypoints = (one.keypoints * (1 - share) + other.keypoints * share).astype(np.float32)
    return Face((x, y, w, h), keypoints, 0.0)
