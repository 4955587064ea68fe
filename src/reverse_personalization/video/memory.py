"""Memory that does not grow with a video's length."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

# Of glibc's malloc.h, and the size from which memory is given back as soon as it is free.
M_MMAP_THRESHOLD: Final = -3
LARGE: Final = 32_768


def keep_pictures_apart() -> None:
    """Have pictures kept outside the heap, where the system's allocator allows that.

    glibc moves them into the heap once it has seen a few; there the small things that are remembered of each frame
    come to lie between them, so that no hole is large enough for the next picture, and the heap grows without end.
    """
    if sys.platform == "linux":
        tune = getattr(ctypes.CDLL(None), "mallopt", None)
        if tune is not None:
            tune(M_MMAP_THRESHOLD, LARGE)
