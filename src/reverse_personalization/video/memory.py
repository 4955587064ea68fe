"""Memory that does not grow with a video's length."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

# Of glibc's malloc.h.
M_MMAP_THRESHOLD: Final = -3
# Bytes from which memory is given back as soon as it is free, at least and at most. The grey pictures of videos are
# no smaller; what the rendering computes with is, and would cost a tenth of its time if it were got anew each time.
LEAST: Final = 32_768
MOST: Final = 262_144


def keep_pictures_apart(pixels: int) -> None:
    """Have pictures of so many pixels, even grey ones, kept outside the heap, where the system's allocator allows that.

    glibc moves them into the heap once it has seen a few; there the small things that are remembered of each frame
    come to lie between them, so that no hole is large enough for the next picture, and the heap grows without end.
    """
    if sys.platform == "linux":
        tune = getattr(ctypes.CDLL(None), "mallopt", None)
        if tune is not None:
            tune(M_MMAP_THRESHOLD, min(max(pixels, LEAST), MOST))
