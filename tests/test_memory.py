"""What is freed goes back to the system."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from reverse_personalization.memory import freed_memory_given_back


def resident() -> int:
    """Bytes of this process that lie in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be asked")
def test_what_was_freed_goes_back() -> None:
    with freed_memory_given_back():
        # Too small to be mapped each for itself, and held in place from above.
        pieces = [np.ones(12_000) for _ in range(2000)]
        last = np.ones(12_000)
        held = resident()
        del pieces
        freed = resident()
    assert resident() < held - 0.9 * 2000 * 12_000 * 8
    assert freed > held - 0.1 * 2000 * 12_000 * 8
    assert last.all()


def test_what_goes_wrong_is_not_hidden() -> None:
    with pytest.raises(KeyError), freed_memory_given_back():
        raise KeyError
