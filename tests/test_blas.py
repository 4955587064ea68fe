"""Linear algebra in the thread that asks for it."""

from __future__ import annotations

import time

import numpy as np

from reverse_personalization.blas import one_blas_thread


def test_equations_are_solved_in_the_thread_that_asks() -> None:
    equations = np.eye(300, dtype=np.float32) + 0.01
    with one_blas_thread():
        # Of two threads, one would compute beside the one that asks.
        process, own = time.process_time(), time.thread_time()
        for _ in range(20):
            np.linalg.solve(equations, equations)
        process, own = time.process_time() - process, time.thread_time() - own
    assert process < 1.2 * own + 0.02
