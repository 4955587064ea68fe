"""Makes the pictures of docs/gallery.md from photos that packages ship: python benchmarks/gallery.py docs/images."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.cbook
import numpy as np
import skimage.data
from PIL import Image

from reverse_personalization import Anonymizer

SIDE = 300
SEED = 1
# What stands in a row, after the source.
RUNS: tuple[dict[str, object], ...] = (
    {},
    {"seed": 2},
    {"guidance": -5},
    {"attributes": "an old man"},
    {"attributes": "a young woman"},
    {"attributes": "a man with a beard"},
)


def photos() -> dict[str, np.ndarray]:
    """Photos with a face, uint8 H x W x 3."""
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        hopper = np.array(Image.open(file).convert("RGB"))
    return {"astronaut": skimage.data.astronaut(), "hopper": hopper}


def tile(image: np.ndarray, box: tuple[float, ...]) -> Image.Image:
    """A square around a face."""
    x, y, w, h = box
    half, middle = 0.9 * max(w, h), (x + w / 2, y + h / 2)
    area = (middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half)
    return Image.fromarray(image).crop(tuple(map(round, area))).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    anonymizers = [Anonymizer(**{"seed": SEED, **options}) for options in RUNS]
    for name, image in photos().items():
        results = [anonymizer.anonymize(image) for anonymizer in anonymizers]
        box = results[0].faces[0].box
        row = Image.new("RGB", (SIDE * (len(RUNS) + 1), SIDE))
        for column, shown in enumerate([image, *(result.image for result in results)]):
            row.paste(tile(shown, box), (SIDE * column, 0))
        row.save(folder / f"gallery-{name}.webp", quality=80, method=6)
        print(name, [(face.verdict, face.tries) for result in results for face in result.faces])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
