"""What is freed goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from reverse_personalization.memory import freed_memory_given_back

# In a process of its own: others have memory to spare that none of this would show in.
FREEING = """
import os
from contextlib import nullcontext
import numpy as np
from reverse_personalization.memory import freed_memory_given_back

def resident():
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def left(block):
    before = resident()
    with block:
        # Too small to be mapped each for itself, and held in place from above.
        pieces = [np.ones(12_000) for _ in range(2000)]
        last = np.ones(12_000)
        held = resident() - before
        del pieces
    return (resident() - before) / held

print(left(nullcontext()), left(freed_memory_given_back()))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked")
def test_what_was_freed_goes_back() -> None:
    printed = subprocess.run([sys.executable, "-c", FREEING], capture_output=True, text=True, check=True).stdout
    kept, given_back = (float(share) for share in printed.split())
    assert kept > 0.5
    assert given_back < 0.1


def test_what_goes_wrong_is_not_hidden() -> None:
    with pytest.raises(KeyError), freed_memory_given_back():
        raise KeyError
