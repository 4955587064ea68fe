"""Photos a minute, and memory: one process, two, and Ray with two workers; and photos in batches against one by one.

    pip install '.[ray]' psutil
    python benchmarks/throughput.py FOLDER [--limit 60]

Whole processes are timed, loading included. Memory is the proportional set size of the process and all that it began.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from reverse_personalization import Anonymizer

BATCH = 32
REVPERS = (sys.executable, "-m", "reverse_personalization")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=60)
    arguments = parser.parse_args()
    photos = list(islice(sorted(arguments.folder.rglob("*.jpg")), arguments.limit))
    if not photos:
        raise SystemExit(f"{arguments.folder}: has no .jpg below it")
    with tempfile.TemporaryDirectory() as folder:
        runs(photos, Path(folder))
    batches(photos)


def runs(photos: list[Path], folder: Path) -> None:
    """One process, two, and Ray with two workers."""
    source = folder / "photos"
    source.mkdir()
    for number, photo in enumerate(photos):
        shutil.copy(photo, source / f"{number:05}.jpg")
    common = (str(source), "--seed", "0", "--allow-no-faces", "--progress", "none")
    lines = {
        "1 process": ("anonymize", "-r", "--workers", "1"),
        "2 processes": ("anonymize", "-r", "--workers", "2"),
        "Ray, 2 workers": ("cluster", "--workers", "2"),
    }
    rates = {}
    for name, (command, *options) in lines.items():
        output = folder / name.replace(" ", "-")
        seconds, peak = watched([*REVPERS, command, *common, "-o", f"{output}/", *options])
        written = sum(1 for _ in output.glob("*.jpg"))
        rates[name] = written / seconds * 60
        share = rates[name] / rates["1 process"]
        print(
            f"{name:16} {rates[name]:6.1f} photos a minute ({written} of {len(photos)} written, {seconds:.1f} s), "
            f"{share:.2f} times one process; at most {peak / 1e9:.2f} GB"
        )


def watched(line: list[str]) -> tuple[float, int]:
    """Seconds of a process, and the most bytes that it and its descendants held at a time."""
    begun, peak = time.perf_counter(), 0
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, memory(process.pid))
        time.sleep(0.5)
    if process.returncode not in {0, 3}:
        raise SystemExit(f"{' '.join(line)} ended with {process.returncode}")
    return time.perf_counter() - begun, peak


def memory(pid: int) -> int:
    """Bytes of a process and its descendants; what they share is counted once."""
    held = 0
    try:
        for process in (parent := psutil.Process(pid), *parent.children(recursive=True)):
            held += process.memory_full_info().pss
    except psutil.NoSuchProcess:
        pass  # ended meanwhile
    return held


def batches(photos: list[Path]) -> None:
    """The same photos by a loop, and by batches whose faces share the networks' runs."""
    pictures = [np.array(Image.open(photo).convert("RGB")) for photo in photos]
    anonymizer = Anonymizer(seed=0)
    anonymizer.anonymize(pictures[0])
    begun = time.perf_counter()
    for picture in pictures:
        anonymizer.anonymize(picture)
    loop = time.perf_counter() - begun
    begun = time.perf_counter()
    for start in range(0, len(pictures), BATCH):
        anonymizer.anonymize_batch(pictures[start : start + BATCH])
    together = time.perf_counter() - begun
    rate = len(pictures) / loop * 60
    ratio = loop / together
    print(f"one by one       {rate:6.1f} photos a minute, in one process, models loaded")
    print(f"batches of {BATCH}     {rate * ratio:6.1f} photos a minute, {ratio:.2f} times the loop")


if __name__ == "__main__":
    main()
