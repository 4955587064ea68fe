"""Memory that a picture needed, and that is free again, goes back to the system."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


@contextmanager
def freed_memory_given_back() -> Iterator[None]:
    """After the block, or the function that it decorates, what is free is the system's again.

    Else all that one picture needed stays with the process, and the next one's needs come on top. Only glibc can be
    asked; elsewhere nothing happens.
    """
    try:
        yield
    finally:
        trim = _trim()
        if trim is not None:
            trim(0)


@cache
def _trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
