"""A face is taken apart one frame ahead, with what would be known of it in its turn."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import pytest

from reverse_personalization.errors import EngineError
from reverse_personalization.faces.face import Face
from reverse_personalization.video.analysis import TrackEntry
from reverse_personalization.video.atwork import HOLD, TrackAtWork, with_following
from reverse_personalization.video.choosing import Stranger
from reverse_personalization.video.reading import Frame
from reverse_personalization.video.threads import AtOnce

PICTURES = [np.full((40, 40, 3), i, np.uint8) for i in range(20)]


class Engine:
    """Says of every face what it was taken apart with."""

    def __init__(self, fails_at: int = -1) -> None:
        self.done, self.threads, self.fails_at = list[int](), set[int](), fails_at

    def encode(self, image_rgb: Any, face: Face, *, smooth: Any, last: Any) -> Any:
        frame = int(image_rgb[0, 0, 0])
        self.threads.add(threading.get_ident())
        if frame == self.fails_at:
            raise EngineError("no mesh")
        before = smooth.func.__self__._before
        vertices = np.column_stack([np.linspace(5, 35, 468), np.linspace(35, 5, 468), np.zeros(468)])
        smooth(vertices.astype(np.float32))
        self.done.append(frame)
        moved_from = None if before is None else int(before.grey[0, 0])
        return f"{frame} after {last and last.split()[0]}, moved from {moved_from}"


def _face(score: float = 1.0) -> Face:
    return Face((5, 5, 30, 30), np.zeros((5, 2), np.float32), score)


def _taken_apart(engine: Engine, executor: Executor, *, ahead: bool, unverified: tuple[int, ...] = ()) -> list[str]:
    """What becomes of a track's frames, some of which do not verify."""
    work = TrackAtWork(TrackEntry(id=0, person=0, faces=[]), Stranger(None, {}, 0), None, executor)
    faces, told = [_face() for _ in PICTURES], []
    for i, picture in enumerate(PICTURES):
        if work.holds():
            told.append("held")
            continue
        work.following = (PICTURES[i + 1], faces[i + 1]) if ahead and i + 1 < len(faces) else None
        try:
            told.append(str(work.encoded(cast(Any, engine), picture, faces[i])))
        except EngineError as error:
            told.append(str(error))
            work.hold()
        if i in unverified:
            work.hold()
    return told


@pytest.mark.parametrize("fails_at", [-1, 0, 4])
@pytest.mark.parametrize("unverified", [(), (3,), (3, 10)])
def test_what_is_begun_early_is_what_would_be_done_in_its_turn(unverified: tuple[int, ...], fails_at: int) -> None:
    ahead, in_turn = Engine(fails_at), Engine(fails_at)
    with ThreadPoolExecutor(1) as executor:
        found = _taken_apart(ahead, executor, ahead=True, unverified=unverified)
    assert found == _taken_apart(in_turn, AtOnce(), ahead=False, unverified=unverified)
    assert ahead.threads.isdisjoint(in_turn.threads)
    assert found.count("held") >= (HOLD - 1) * len(unverified) * (fails_at < 0)
    assert set(ahead.done) >= set(in_turn.done)


def test_the_face_of_the_next_frame_is_begun_before_it_is_asked_for() -> None:
    engine, work = Engine(), TrackAtWork(TrackEntry(id=0, person=0, faces=[]), Stranger(None, {}, 0))
    work.following = PICTURES[1], _face()
    work.encoded(cast(Any, engine), PICTURES[0], _face())
    assert engine.done == [0, 1]
    work.following = PICTURES[3], _face(score=0.0)  # must be seen on a second look first
    work.encoded(cast(Any, engine), PICTURES[2], _face())
    assert engine.done == [0, 1, 2]


def test_every_item_comes_with_the_frame_after_it() -> None:
    a, b, c = (Frame(i, i / 25, PICTURES[i]) for i in range(3))
    items = ["p", a, b, "q", "r", c, "s"]
    assert list(with_following(items)) == [("p", a), (a, b), (b, c), ("q", c), ("r", c), (c, None), ("s", None)]
