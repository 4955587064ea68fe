"""The bench's processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import os, time
from reverse_personalization.bench.processes import side_by_side
if __name__ == "__main__":
    with side_by_side(1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="tells the living by /proc")
def test_they_end_with_a_bench_that_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True) as bench:
        assert bench.stdout is not None
        worker = int(bench.stdout.readline())
        assert _is_alive(worker)
        bench.kill()
    for _ in range(200):
        if not _is_alive(worker):
            return
        time.sleep(0.1)
    raise AssertionError("The bench was killed, and its process is still there.")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"  # where nobody waits for orphans they stay as zombies
