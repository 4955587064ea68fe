"""Frames per second of `revpers anonymize` and of `deface`, a blur tool, on the same clip in one run.

pip install deface
python benchmarks/video_speed.py CLIP
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from reverse_personalization.video.reading import VideoReader


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    clip = parser.parse_args().clip
    peer = shutil.which("deface")
    if peer is None:
        raise SystemExit("deface is not installed: pip install deface")
    with VideoReader(clip) as reader:
        frames = sum(1 for _ in reader.frames())
    with tempfile.TemporaryDirectory() as folder:
        revpers = [sys.executable, "-m", "reverse_personalization", "anonymize", str(clip), "-o", f"{folder}/ours.mp4"]
        rates = {
            name: frames / _seconds(line)
            for name, line in (("deface", [peer, str(clip), "-o", f"{folder}/theirs.mp4"]), ("revpers", revpers))
        }
    for name, rate in rates.items():
        print(f"{name:8} {rate:5.2f} frames/s, whole process, {frames} frames")
    print(f"ratio    {rates['revpers'] / rates['deface']:5.2f}")


def _seconds(line: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
