"""Work that several do in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

import cv2

Worker = TypeVar("Worker")
Job = TypeVar("Job")


def side_by_side(do: Callable[[Worker, Job], None], workers: Sequence[Worker], jobs: Iterable[Job]) -> None:
    """Let whoever is idle do the next job; no worker does two at a time, nor has threads of OpenCV beside its own.

    Raises:
        Exception: what the first job that failed did raise, when all have ended.
    """
    idle: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def next_one(job: Job) -> None:
        worker = idle.get()
        try:
            do(worker, job)
        finally:
            idle.put(worker)

    with _one_opencv_thread(), ThreadPoolExecutor(len(workers)) as pool:
        for done in [pool.submit(next_one, job) for job in jobs]:
            done.result()


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
