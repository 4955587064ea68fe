"""Processes that share the bench's work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Final

import cv2

THREADS: Final = "OMP_NUM_THREADS"


@contextmanager
def side_by_side(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool whose processes have one thread each, so that they do not stand in each other's way."""
    before = os.environ.get(THREADS)
    os.environ[THREADS] = "1"
    try:
        # Forked processes would inherit the networks' threads, and hang on them.
        with ProcessPoolExecutor(workers, get_context("spawn"), _prepare) as pool:
            yield pool
    finally:
        if before is None:
            os.environ.pop(THREADS, None)
        else:
            os.environ[THREADS] = before


def _prepare() -> None:
    cv2.setNumThreads(1)
    Thread(target=_leave_with_the_bench, daemon=True).start()


def _leave_with_the_bench() -> None:
    """End this process with the one that it works for, however that ends: killed, it tells nobody."""
    if (bench := parent_process()) is not None:
        bench.join()
        os._exit(1)
