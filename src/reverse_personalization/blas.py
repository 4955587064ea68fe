"""Linear algebra in the thread that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within the block, or the function that it decorates, NumPy's BLAS computes in the thread that asks.

    For matrices of a few hundred rows its own threads win little, and where they have to share cores with others
    they wait for each other: solving 300 equations then takes over a hundred times as long. And sums come out the same,
    however many cores there are.
    """
    with _pools().limit(limits=1, user_api="blas"):
        yield


@cache
def _pools() -> ThreadpoolController:
    np.linalg.inv(np.eye(2))  # loads the library that is looked for
    return ThreadpoolController()
