"""Print time per face and peak memory, for pictures that are given or that packages ship.

    python benchmarks/time_per_face.py [PICTURE...] [--repeat N] [--quality draft]

Loading is timed apart. The first picture is anonymized once before the clock starts.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image
from skimage import data

from reverse_personalization import Anonymizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--quality", default="standard", choices=("draft", "standard", "paper"))
    arguments = parser.parse_args()
    pictures = {path.name: np.array(Image.open(path).convert("RGB")) for path in arguments.pictures}
    pictures = pictures or shipped()

    start = time.perf_counter()
    anonymizer = Anonymizer(seed=0, quality=arguments.quality)
    loaded = time.perf_counter() - start
    print(f"{os.cpu_count()} cores; models load in {loaded:.2f} s")
    anonymizer.anonymize(next(iter(pictures.values())))
    per_face = []
    for name, image_rgb in pictures.items():
        times = []
        for _ in range(arguments.repeat):
            start = time.perf_counter()
            faces = anonymizer.anonymize(image_rgb).faces
            times.append((time.perf_counter() - start) / max(len(faces), 1))
        per_face += times
        tries = sum(face.tries for face in faces) / max(len(faces), 1)
        height, width = image_rgb.shape[:2]
        print(
            f"{name} ({width} x {height}, {len(faces)} faces, {tries:.1f} tries a face): "
            f"{statistics.median(times):.2f} s a face, median of {len(times)}"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"all: {statistics.mean(per_face):.2f} s a face on average; peak memory {peak / 1e9:.2f} GB")


def shipped() -> dict[str, np.ndarray]:
    hopper = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return {"astronaut": data.astronaut(), "grace_hopper": np.array(Image.open(hopper).convert("RGB"))}


if __name__ == "__main__":
    main()
