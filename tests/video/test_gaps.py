"""Faces that the detector misses: they are followed, from both sides, and whatever is in doubt is covered."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from video_clips import RATE, SIZE, swinging, write_clip

from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.faces.face import Face
from reverse_personalization.video import gaps
from reverse_personalization.video.analysis import analyze
from reverse_personalization.video.following import follow
from reverse_personalization.video.gaps import complete
from reverse_personalization.video.reading import Frame
from reverse_personalization.video.tracking import GAP, Track, Tracker

FRAMES, GAP_FRAMES = 40, round(GAP * RATE)
# The detector is blind in these frames, around the turning point: the line between them is far from the face.
BLIND = range(14, 27)
REACH = round(gaps.EXTENSION * RATE)


def middle(face: Any) -> Any:
    x, y, w, h = face.box
    return np.array([x + w / 2, y + h / 2])


def face_at(centre: Any, size: float = 100.0, score: float = 0.9) -> Face:
    cx, cy = (float(v) for v in centre)
    offsets = np.array([[-0.2, -0.1], [0.2, -0.1], [0, 0.1], [-0.15, 0.25], [0.15, 0.25]]) * size
    keypoints = (offsets + np.array([cx, cy])).astype(np.float32)
    return Face((cx - size / 2, cy - size / 2, size, size), keypoints, score)


def film(portrait: Any, hidden: range = range(0)) -> Iterator[Frame]:
    for i in range(FRAMES):
        yield Frame(i, i / RATE, swinging(portrait, i, hidden)[0])


def tracked(portrait: Any, frames: Any) -> Track:
    track = Track()
    for i in frames:
        track.add(i, face_at(swinging(portrait, i)[1]))
    return track


def completed(track: Track, frames: Iterator[Frame], *, others: Any = (), cuts: Any = ()) -> Track:
    complete([track, *others], frames, rate=RATE, cuts=cuts, count=FRAMES)
    return track


def misses(track: Track, portrait: Any, frames: Any) -> list[float]:
    return [float(np.linalg.norm(middle(track.faces[i]) - swinging(portrait, i)[1])) for i in frames]


def covers(face: Face, centre: Any) -> bool:
    x, y, w, h = face.box
    return bool(x <= centre[0] <= x + w and y <= centre[1] <= y + h)


def seen(how: str, track: Track) -> set[int]:
    return {frame for frame, each in track.how.items() if each == how}


def test_a_hole_is_filled_by_where_the_face_went(astronaut: Any) -> None:
    known = [*range(BLIND[0]), *range(BLIND[-1] + 1, FRAMES)]
    followed = completed(tracked(astronaut, known), film(astronaut))
    unlooked = completed(tracked(astronaut, known), iter(()))
    assert seen("followed", followed) == set(BLIND)
    assert seen("interpolated", unlooked) == set(BLIND)
    assert max(misses(unlooked, astronaut, BLIND)) > 25
    assert max(misses(followed, astronaut, BLIND)) < 4


def test_the_analysis_follows_what_the_detector_misses(
    astronaut: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [swinging(astronaut, i)[0] for i in range(FRAMES)])
    detect, frames = YuNetDetector.detect, iter(range(FRAMES))
    blind = lambda self, image_rgb: [] if next(frames) in BLIND else detect(self, image_rgb)  # noqa: E731
    monkeypatch.setattr(YuNetDetector, "detect", blind)
    tracks = analyze(clip).tracks
    assert len({track.person for track in tracks}) == 1
    where = {face.frame: face for track in tracks for face in track.faces}
    assert sorted(where) == list(range(FRAMES))
    for face in where.values():
        assert np.linalg.norm(middle(face) - swinging(astronaut, face.frame)[1]) < 15, face.frame
        assert (face.how == "followed") == (face.frame in BLIND)
        assert (face.score == 0) == (face.frame in BLIND)


def test_what_hides_a_face_is_not_followed(astronaut: Any) -> None:
    hidden = range(17, 24)
    known = [*range(BLIND[0]), *range(BLIND[-1] + 1, FRAMES)]
    track = completed(tracked(astronaut, known), film(astronaut, hidden))
    assert seen("interpolated", track) == set(hidden)
    # Before and after it, flow from one side meets the line: the box covers both.
    for i in set(BLIND) - set(hidden):
        assert track.how[i] == "followed"
        assert covers(track.faces[i], swinging(astronaut, i)[1]), i


def test_ends_are_followed_as_long_as_the_face_is_there(astronaut: Any) -> None:
    track = completed(tracked(astronaut, range(18, 22)), film(astronaut))
    assert sorted(track.faces) == list(range(18 - GAP_FRAMES, 22 + GAP_FRAMES))
    assert max(misses(track, astronaut, track.faces)) < 8
    hidden = completed(tracked(astronaut, range(18, 22)), film(astronaut, range(24, 40)))
    assert max(hidden.faces) == 21 + REACH
    assert seen("extended", hidden) == {24}
    assert max(misses(hidden, astronaut, [24])) < 30


def test_ends_stay_within_their_scene_and_give_way_to_other_tracks(astronaut: Any) -> None:
    other = tracked(astronaut, range(27, FRAMES))
    track = completed(tracked(astronaut, range(18, 22)), film(astronaut), others=[other], cuts=[16])
    assert min(track.faces) == 16
    assert max(track.faces) == 26


def test_sides_that_disagree_are_both_covered() -> None:
    left, right, between = face_at((100, 100)), face_at((200, 100)), face_at((150, 150))
    face, how = gaps._settled(left, right, between, 0.5)
    assert how == "interpolated"
    assert face.box == (50, 50, 200, 150)
    assert gaps._settled(None, None, between, 0.5) == (between, "interpolated")


def test_flow_is_given_up_where_nothing_can_be_followed(astronaut: Any) -> None:
    flat = np.full(SIZE, 90, np.uint8)
    assert follow([flat, flat], face_at((200, 200))) == []
    grey = swinging(astronaut, 0)[0].mean(2).astype(np.uint8)
    face = face_at(swinging(astronaut, 0)[1])
    noise = np.random.default_rng(0).integers(0, 255, SIZE, np.uint8)
    assert follow([grey, noise], face) == []
    assert len(follow([grey, grey, noise, grey], face)) == 1
    assert follow([grey], face) == []


def test_faces_are_given_in_pixels_of_the_full_picture(astronaut: Any) -> None:
    greys = [swinging(astronaut, i)[0][:, :, 0] for i in (0, 2)]
    small = [grey[::2, ::2].copy() for grey in greys]
    (face,) = follow(small, face_at(swinging(astronaut, 0)[1]), 0.5)
    assert np.linalg.norm(middle(face) - swinging(astronaut, 2)[1]) < 3


def test_no_more_pictures_are_kept_than_a_hole_is_long(astronaut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    most, make = [0], gaps.small_grey

    class Kept(np.ndarray[Any, Any]):
        __hash__ = object.__hash__

    def counted(image_rgb: Any) -> Any:
        grey, scale = make(image_rgb)
        kept = grey.view(Kept)
        alive.add(kept)
        most[0] = max(most[0], len(alive))
        return kept, scale

    monkeypatch.setattr(gaps, "small_grey", counted)
    monkeypatch.setattr(gaps, "follow", lambda greys, face, scale: [])
    long = Track()
    for i in range(0, 400, 7):
        long.add(i, face_at((100, 100)))
    picture = np.zeros((*SIZE, 3), np.uint8)
    complete([long], (Frame(i, i / RATE, picture) for i in range(400)), rate=RATE, cuts=(), count=400)
    assert sorted(long.faces) == list(range(400))
    assert 2 <= most[0] <= GAP_FRAMES + 2


def advanced(faces: dict[int, list[Face]], cut: int = 99) -> list[Track]:
    tracker = Tracker(RATE)
    for frame in range(max(faces) + 1):
        picture = np.full((*SIZE, 3), 250 if frame >= cut else 20, np.uint8)
        tracker.advance(frame, picture, faces.get(frame, []))
    return tracker.finish()


def test_weak_faces_before_the_first_strong_one_are_its_track() -> None:
    def moving(i: int, score: float) -> Face:
        return face_at((60 + 24 * i, 100), 60, score)

    faces = {i: [moving(i, 0.4)] for i in (1, 2, 5)} | {i: [moving(i, 0.9)] for i in range(8, 12)}
    # Three frames at this speed leave nothing to overlap: only where the face came from tells.
    (track,) = advanced(faces)
    assert list(track.faces) == [1, 2, 5, 8, 9, 10, 11]
    assert set(track.how.values()) == {"detected"}
    assert track.faces[1].score == pytest.approx(0.4)
    (later,) = advanced(faces, cut=4)
    assert later.first == 5


def test_weak_faces_elsewhere_begin_nothing_and_are_taken_once() -> None:
    weak, there = face_at((100, 100), 60, 0.4), face_at((400, 300), 60, 0.4)
    strong = {i: [face_at((100, 100), 60), face_at((110, 105), 60)] for i in range(4, 6)}
    one, other = advanced({1: [there], 3: [weak]} | strong)
    assert sorted([one.first, other.first]) == [3, 4]
    assert advanced({1: [there], 3: [weak]}) == []
    assert [track.first for track in advanced({0: [there], 40: [face_at((400, 300), 60)]})] == [40]
