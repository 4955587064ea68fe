"""Seconds and memory of `revpers anonymize`, standard and draft, and of `deface`, a blur tool, on one photo.

pip install deface    # in an environment of its own, on the PATH: its OpenCV may be one that SFace does not run in
python benchmarks/photo_speed.py PHOTO
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path)
    photo = parser.parse_args().photo
    peer = shutil.which("deface")
    if peer is None:
        raise SystemExit("deface is not installed: pip install deface")
    with tempfile.TemporaryDirectory() as folder:
        output = f"{folder}/ours.png"
        ours = [sys.executable, "-m", "reverse_personalization", "anonymize", str(photo), "-o", output, "--force"]
        lines = {
            "deface": [peer, str(photo), "-o", f"{folder}/theirs.png"],
            "revpers": ours,
            "revpers --quality draft": [*ours, "--quality", "draft"],
        }
        seconds = {}
        for name, line in lines.items():
            taken, peaks = zip(*(_run(line) for _ in range(RUNS)), strict=True)
            seconds[name] = statistics.median(taken)
            told = f", {_verdicts(Path(output + '.json'))}" if name != "deface" else ""
            print(f"{name:24} {seconds[name]:6.2f} s, median of {RUNS}, at most {max(peaks):.2f} GB{told}")
    for name in list(lines)[1:]:
        print(f"{name:24} {seconds[name] / seconds['deface']:6.2f} times as long as deface")


def _verdicts(record: Path) -> str:
    faces = [face["verdict"] for face in json.loads(record.read_text())["faces"]]
    return ", ".join(f"{faces.count(verdict)} {verdict}" for verdict in sorted(set(faces)))


def _run(line: list[str]) -> tuple[float, float]:
    """Seconds that a process takes, and the memory that it has at most, in GB."""
    begun = time.perf_counter()
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, line)
    unit = 1 if sys.platform == "darwin" else 1024
    return time.perf_counter() - begun, usage.ru_maxrss * unit / 1e9


if __name__ == "__main__":
    main()
