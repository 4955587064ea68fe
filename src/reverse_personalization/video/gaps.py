"""Holes and ends of tracks: where a face must be in frames in which the detector did not see it.

Optical flow follows it from both sides. Where flow cannot be trusted, the face is put on the line between the frames
that have it, and where two guesses differ its box covers both: what is in doubt is obscured.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias, cast

import cv2
import numpy as np

from reverse_personalization.faces.face import ByteArray, Face
from reverse_personalization.video.following import follow
from reverse_personalization.video.reading import Frame
from reverse_personalization.video.tracking import OVERLAP, How, Track, gap_frames, overlap

# Seconds by which tracks are extended at both ends, even if nothing can be followed.
EXTENSION = 0.15
# Overlap of where a face is followed to from both sides, from which on they agree.
AGREE = 0.6
# Long side, in pixels, of the grey pictures in which faces are followed.
LONG_SIDE = 960

Grey: TypeAlias = tuple[ByteArray, float]
"""A grey picture, uint8 h x w, and its pixels for one of the full picture."""
Seen: TypeAlias = dict[int, list[tuple[Track, Face]]]
"""The detected faces of frames, and whose they are."""


@dataclass(frozen=True, eq=False)
class Hole:
    """Frames of a track without a face: between two that have one, or beyond one end.

    Attributes:
        track: the track.
        before, after: the frames on both sides that have the face; one is None beyond an end.
        frames: those without a face, the nearest to a known one first.
    """

    track: Track
    before: int | None
    after: int | None
    frames: range

    @property
    def pictures(self) -> range:
        """The frames that are looked at to fill it, in their order."""
        every = [*self.frames, *(edge for edge in (self.before, self.after) if edge is not None)]
        return range(min(every), max(every) + 1)


def complete(tracks: Sequence[Track], frames: Iterable[Frame], *, rate: float, cuts: Sequence[int], count: int) -> None:
    """Fill the holes of tracks and extend their ends, within a scene.

    Holes are no longer than `tracking.GAP`, and only the grey pictures of as long are kept.

    Args:
        tracks: with the faces that were detected.
        frames: of the video, from its beginning; no more of them are read than needed.
        rate: frames per second.
        cuts: first frames of scenes.
        count: how many frames there are.
    """
    holes = [hole for track in tracks for hole in _holes(track, gap_frames(rate), [0, *cuts, count])]
    holes.sort(key=lambda hole: hole.pictures[-1])
    wanted = {frame for hole in holes for frame in hole.pictures}
    others = _by_frame(tracks, wanted)
    reach = max(1, round(EXTENSION * rate))
    waiting, longest = deque(holes), max((len(hole.pictures) for hole in holes), default=0)
    greys: dict[int, Grey] = {}
    for frame in frames if holes else ():
        if frame.index in wanted:
            greys[frame.index] = small_grey(frame.image_rgb)
        while waiting and waiting[0].pictures[-1] <= frame.index:
            _fill(waiting.popleft(), greys, reach, others)
        greys.pop(frame.index - longest, None)
        if not waiting:
            break
    for hole in waiting:  # there are fewer frames than were told
        _fill(hole, {}, reach, others)


def small_grey(image_rgb: ByteArray) -> Grey:
    """A picture in grey, its long side at most `LONG_SIDE`, and by how much it was scaled."""
    grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, LONG_SIDE / max(grey.shape))
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cast(ByteArray, grey), scale


def _holes(track: Track, gap: int, scenes: Sequence[int]) -> Iterator[Hole]:
    """Holes of a track, and up to `gap` frames beyond both of its ends, within its scene."""
    first, last = track.first, track.last
    begin = max(cut for cut in scenes if cut <= first)
    end = min(cut for cut in scenes if cut > last)
    for before, after in pairwise(list(track.faces)):
        if after - before > 1:
            yield Hole(track, before, after, range(before + 1, after))
    if first > begin:
        yield Hole(track, None, first, range(first - 1, max(begin, first - gap) - 1, -1))
    if last + 1 < end:
        yield Hole(track, last, None, range(last + 1, min(end, last + gap + 1)))


def _by_frame(tracks: Sequence[Track], wanted: set[int]) -> Seen:
    """The detected faces of frames."""
    faces: Seen = {frame: [] for frame in wanted}
    for track in tracks:
        for frame in track.faces.keys() & wanted:
            faces[frame].append((track, track.faces[frame]))
    return faces


def _fill(hole: Hole, greys: Mapping[int, Grey], reach: int, others: Seen) -> None:
    if hole.before is not None and hole.after is not None:
        _fill_between(hole.track, hole.before, hole.after, greys)
    else:
        _fill_beyond(hole, greys, reach, others)


def _fill_between(track: Track, before: int, after: int, greys: Mapping[int, Grey]) -> None:
    """Put the face where flow from both sides, or else the line between them, says."""
    forth = _followed(track, before, range(before + 1, after), greys)
    back = _followed(track, after, range(after - 1, before, -1), greys)
    for frame in range(before + 1, after):
        share = (frame - before) / (after - before)
        between = _mixed(track.faces[before], track.faces[after], share)
        track.add(frame, *_settled(forth.get(frame), back.get(frame), between, share))


def _fill_beyond(hole: Hole, greys: Mapping[int, Grey], reach: int, others: Seen) -> None:
    """Follow the face beyond an end while that can be trusted, and keep it for at least `reach` frames.

    Beyond `reach`, another track that has the face takes over.
    """
    track = hole.track
    edge = cast(int, hole.after if hole.before is None else hole.before)
    followed = _followed(track, edge, hole.frames, greys)
    latest = replace(track.faces[edge], score=0.0)
    for step, frame in enumerate(hole.frames, 1):
        now = followed.get(frame)
        if step > reach and (now is None or _is_seen(now, track, others[frame])):
            break
        latest = latest if now is None else now
        track.add(frame, latest, "extended" if now is None else "followed")


def _is_seen(face: Face, track: Track, others: Sequence[tuple[Track, Face]]) -> bool:
    """Whether another track has a face."""
    return any(other is not track and overlap(face, seen) >= OVERLAP for other, seen in others)


def _followed(track: Track, edge: int, frames: range, greys: Mapping[int, Grey]) -> dict[int, Face]:
    """Where flow takes the face of frame `edge` in the frames, up to where it cannot be trusted."""
    pictures = [greys[frame] for frame in (edge, *frames) if frame in greys]
    if len(pictures) <= len(frames):
        return {}
    _, scale = pictures[0]
    return dict(zip(frames, follow([grey for grey, _ in pictures], track.faces[edge], scale), strict=False))


def _settled(forth: Face | None, back: Face | None, between: Face, share: float) -> tuple[Face, How]:
    """Of guesses from before, from after and on the line between, the one to take; in doubt it covers all."""
    if forth is not None and back is not None:
        if overlap(forth, back) >= AGREE:
            return _mixed(forth, back, share), "followed"
        return _covering(between, forth, back), "interpolated"
    if forth is not None:
        return _covering(_mixed(forth, between, share), forth, between), "followed"
    if back is not None:
        return _covering(_mixed(between, back, share), back, between), "followed"
    return between, "interpolated"


def _mixed(one: Face, other: Face, share: float) -> Face:
    """The face that lies between two, at a share of the way; with a score of 0."""
    x, y, w, h = (float(v) for v in np.array(one.box) * (1 - share) + np.array(other.box) * share)
    keypoints = (one.keypoints * (1 - share) + other.keypoints * share).astype(np.float32)
    return Face((x, y, w, h), keypoints, 0.0)


def _covering(face: Face, *others: Face) -> Face:
    """A face whose box covers those of others, too."""
    boxes = np.array([one.box for one in (face, *others)])
    left, top = (float(v) for v in boxes[:, :2].min(0))
    right, bottom = (float(v) for v in (boxes[:, :2] + boxes[:, 2:]).max(0))
    return replace(face, box=(left, top, right - left, bottom - top))
