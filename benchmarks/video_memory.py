"""Peak memory of anonymizing a short and a long clip, each in a process of its own.

    python benchmarks/video_memory.py [--minutes 1 10] [--rate 10]

The clips are of 320 x 240 pixels and made of a portrait that packages ship. What is printed is the peak resident set
of `revpers anonymize`, with all models, and how much more it is for the longest clip than for the shortest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from portrait_clip import write_portrait_clip

SIZE = (320, 240)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", nargs="+", type=float, default=[1, 10])
    parser.add_argument("--rate", type=int, default=10, help="frames per second")
    arguments = parser.parse_args()
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for minutes in sorted(arguments.minutes):
            frames = round(60 * minutes * arguments.rate)
            clip = write_portrait_clip(Path(folder) / "clip.mp4", frames=frames, rate=arguments.rate, size=SIZE)
            begun = time.perf_counter()
            peaks.append(peak_of(clip, Path(folder) / f"{frames}.mp4"))
            print(
                f"{minutes:g} min, {frames} frames: peak {peaks[-1] / 1e6:.1f} MB, {time.perf_counter() - begun:.0f} s",
                flush=True,
            )
    print(f"ratio {peaks[-1] / peaks[0]:.3f}")


def peak_of(clip: Path, output: Path) -> int:
    """Bytes of the peak resident set of anonymizing a clip."""
    line = [sys.executable, "-m", "reverse_personalization", "anonymize", str(clip), "-o", str(output), "--seed", "0"]
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=told)
        _, status, usage = os.wait4(process.pid, 0)
        if os.waitstatus_to_exitcode(status) != 0:
            told.seek(0)
            raise SystemExit(told.read().decode())
    return int(usage.ru_maxrss) * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
