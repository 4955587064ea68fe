"""Work in other threads gives what work in one gives: the same order, the same errors, and little that waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from video_clips import SIZE, write_clip

from reverse_personalization.errors import OutputError
from reverse_personalization.video.options import VideoOptions
from reverse_personalization.video.reading import VideoReader
from reverse_personalization.video.threads import Behind, ahead, spread
from reverse_personalization.video.writing import VideoWriter

PATIENCE = 10.0


class Source:
    """Numbers, and how many were taken."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.taken, self.fails_at, self.threads = 0, fails_at, set[int]()

    def __iter__(self) -> Iterator[int]:
        for number in range(100):
            if number == self.fails_at:
                raise ZeroDivisionError("here")
            self.taken += 1
            self.threads.add(threading.get_ident())
            yield number


def _until(condition: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def _running() -> int:
    return sum(thread.name.startswith("ThreadPoolExecutor") for thread in threading.enumerate())


def test_ahead_keeps_the_order_in_another_thread() -> None:
    source = Source()
    assert list(ahead(source, 3)) == list(range(100))
    assert source.threads.isdisjoint({threading.get_ident()})


def test_ahead_takes_no_more_than_it_may() -> None:
    source = Source()
    items = ahead(source, 3)
    next(items)
    _until(lambda: source.taken >= 4)
    time.sleep(0.05)
    assert source.taken == 4
    items.close()


def test_ahead_fails_where_its_source_fails() -> None:
    items = ahead(Source(fails_at=5), 3)
    assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ZeroDivisionError, match="here"):
        next(items)


@pytest.mark.parametrize("spent", [lambda: ahead(Source(), 3), lambda: spread([1, 2], lambda _, item: item, Source())])
def test_threads_end_when_nobody_asks_on(spent: Any) -> None:
    before, items = _running(), spent()
    next(items)
    assert _running() > before
    items.close()
    assert _running() == before


def test_spread_keeps_the_order_and_shares_no_tool() -> None:
    used, both, wait = [0, 0], threading.Event(), threading.Barrier(2, timeout=PATIENCE)

    def work(tool: int, item: int) -> int:
        used[tool] += 1
        assert used[tool] == 1, "shared"
        if item < 2:
            wait.wait()  # two items are under way at once
            both.set()
            time.sleep(0.02 * (1 - item))  # the second is ready first
        used[tool] -= 1
        return item * item

    source = Source()
    results = spread([0, 1], work, source)
    assert next(results) == 0
    assert both.is_set()
    assert source.taken == 3
    assert [0, *results] == [i * i for i in range(100)]


def test_spread_fails_where_work_fails() -> None:
    with pytest.raises(ZeroDivisionError):
        list(spread([1, 2], lambda tool, item: tool // (item - 7), Source()))


def test_behind_does_things_in_order_and_waits_for_no_more_than_it_may() -> None:
    behind, may, done = Behind(2), threading.Event(), list[int]()
    for number in range(2):
        behind.do(lambda number=number: (may.wait(PATIENCE), done.append(number)))  # type: ignore[misc]
    assert done == []
    late = threading.Thread(target=behind.do, args=(lambda: done.append(2),))
    late.start()
    time.sleep(0.05)
    assert late.is_alive()  # a third thing has to wait
    may.set()
    late.join(PATIENCE)
    behind.finish()
    assert done == [0, 1, 2]


def test_behind_tells_what_went_wrong() -> None:
    behind = Behind(1)
    behind.do(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        behind.do(lambda: None)
    behind.do(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        behind.finish()
    behind.abandon()


def test_behind_drops_what_waits() -> None:
    before, behind, begun, may, done = _running(), Behind(3), threading.Event(), threading.Event(), list[int]()
    behind.do(lambda: (begun.set(), may.wait(PATIENCE)))
    behind.do(lambda: done.append(1))
    assert begun.wait(PATIENCE)
    threading.Timer(0.05, may.set).start()
    behind.abandon()
    assert done == []
    assert _running() == before


def test_a_closed_reader_decodes_no_more(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [np.zeros((*SIZE, 3), np.uint8)] * 20)
    before = _running()
    with VideoReader(clip) as reader:
        frames = reader.frames()
        next(frames)
        assert _running() > before
    assert _running() == before


def test_a_picture_that_cannot_be_written_is_told_of_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, before = write_clip(tmp_path / "clip.mp4", [np.zeros((*SIZE, 3), np.uint8)] * 20), _running()
    written = list[int]()
    with pytest.raises(OutputError, match="the disk is full"):
        _write_to_full_disk(clip, tmp_path / "out" / "out.mp4", written, monkeypatch)
    assert 5 <= len(written) < 10
    assert not list((tmp_path / "out").iterdir())
    assert _running() == before


def _write_to_full_disk(clip: Path, output: Path, written: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    with VideoReader(clip) as reader, VideoWriter(output, reader, VideoOptions()) as writer:
        for frame in reader.frames():
            if frame.index == 5:
                monkeypatch.setattr(writer, "_encode", lambda *given: writer._mux(full))
            writer.write(frame, frame.image_rgb)
            written.append(frame.index)
