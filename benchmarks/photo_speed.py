"""Seconds of the whole process of `revpers anonymize`, standard and draft, and of `deface`, a blur tool, on one photo.

pip install deface
python benchmarks/photo_speed.py PHOTO
"""

from __future__ import annotations

import argparse
import json
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
            seconds[name] = statistics.median(_seconds(line) for _ in range(RUNS))
            told = f", {_verdicts(Path(output + '.json'))}" if name != "deface" else ""
            print(f"{name:24} {seconds[name]:6.2f} s, whole process, median of {RUNS}{told}")
    for name in list(lines)[1:]:
        print(f"{name:24} {seconds[name] / seconds['deface']:6.2f} times as long as deface")


def _verdicts(record: Path) -> str:
    faces = [face["verdict"] for face in json.loads(record.read_text())["faces"]]
    return ", ".join(f"{faces.count(verdict)} {verdict}" for verdict in sorted(set(faces)))


def _seconds(line: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
