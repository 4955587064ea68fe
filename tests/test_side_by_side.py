"""Work in threads: everything is done once, and nobody does two things at a time."""

from __future__ import annotations

import time
from collections import Counter

import cv2
import pytest

from reverse_personalization.threads import side_by_side


class Worker:
    """Notes what it did, and whether it was ever asked for two things at a time."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.busy = self.overrun = False

    def do(self, job: int) -> None:
        self.overrun |= self.busy
        self.busy = True
        time.sleep(0.002)
        self.busy = False
        if job < 0:
            raise ValueError(job)
        self.done.append(job)


def test_every_job_is_done_once_by_somebody_who_does_nothing_else() -> None:
    workers = [Worker(), Worker(), Worker()]
    side_by_side(Worker.do, workers, range(50))
    assert Counter(job for worker in workers for job in worker.done) == Counter(range(50))
    assert not any(worker.overrun for worker in workers)
    assert sum(bool(worker.done) for worker in workers) > 1


def test_opencv_has_its_threads_back_afterwards() -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    seen: list[int] = []
    side_by_side(lambda worker, job: seen.append(cv2.getNumThreads()), [Worker(), Worker()], range(4))
    assert (seen, cv2.getNumThreads()) == ([1] * 4, 2)
    cv2.setNumThreads(before)


def test_a_job_that_fails_keeps_nobody_from_the_others() -> None:
    workers = [Worker(), Worker()]
    with pytest.raises(ValueError, match="-3"):
        side_by_side(Worker.do, workers, [1, 2, -3, 4, 5])
    assert sorted(job for worker in workers for job in worker.done) == [1, 2, 4, 5]


def test_results_come_in_the_order_of_jobs() -> None:
    def doubled(_: str, job: int) -> int:
        time.sleep(0.004 if job == 0 else 0)
        return 2 * job

    assert side_by_side(doubled, ["one", "another"], range(5)) == [0, 2, 4, 6, 8]
    assert side_by_side(doubled, ["alone"], range(5)) == [0, 2, 4, 6, 8]


def test_who_is_alone_has_all_of_opencvs_threads() -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    assert side_by_side(lambda worker, job: cv2.getNumThreads(), ["alone"], range(2)) == [2, 2]
    cv2.setNumThreads(before)
