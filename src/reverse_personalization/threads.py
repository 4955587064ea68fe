"""Work that several do in threads, or one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from queue import SimpleQueue
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import cv2

Worker = TypeVar("Worker")
Job = TypeVar("Job")
Result = TypeVar("Result")
Given = ParamSpec("Given")


class TakingTurns(Protocol):
    """What threads use one after the other."""

    @property
    def turn(self) -> AbstractContextManager[object]:
        """A lock that a thread may take again while it has it."""


Shared = TypeVar("Shared", bound=TakingTurns)


def in_turn(method: Callable[Concatenate[Shared, Given], Result]) -> Callable[Concatenate[Shared, Given], Result]:
    """A method that waits until no other thread is in one of these methods of the same object."""

    @wraps(method)
    def called(self: Shared, /, *given: Given.args, **named: Given.kwargs) -> Result:
        with self.turn:
            return method(self, *given, **named)

    return called


def side_by_side(do: Callable[[Worker, Job], Result], workers: Sequence[Worker], jobs: Iterable[Job]) -> list[Result]:
    """Let whoever is idle do the next job; no worker does two at a time, nor has threads of OpenCV beside its own.

    One that is alone works in this thread, with all of OpenCV's.

    Returns:
        What came of the jobs, in their order.

    Raises:
        Exception: what the first job that failed did raise, when all have ended.
    """
    if len(workers) == 1:
        return [do(workers[0], job) for job in jobs]
    by_idle = by_whoever_is_idle(do, workers)
    with _one_opencv_thread(), ThreadPoolExecutor(len(workers)) as pool:
        return [done.result() for done in [pool.submit(by_idle, job) for job in jobs]]


def by_whoever_is_idle(do: Callable[[Worker, Job], Result], workers: Sequence[Worker]) -> Callable[[Job], Result]:
    """What does a job with a worker that does no other meanwhile; it waits until there is one."""
    idle: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def done(job: Job) -> Result:
        worker = idle.get()
        try:
            return do(worker, job)
        finally:
            idle.put(worker)

    return done


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
