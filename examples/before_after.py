"""Make the README's picture: photos that Python packages ship, before, after, and the difference.

python examples/before_after.py docs/images
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image
from skimage import data

from reverse_personalization import Anonymizer

HEIGHT = 360


def main(folder: Path) -> None:
    """Write astronaut.jpg, the input of the README's first command, and before_after.png."""
    hopper = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    photos = [data.astronaut(), np.array(Image.open(hopper).convert("RGB"))]
    anonymizer = Anonymizer(seed=0)
    strips = []
    for photo in photos:
        result = anonymizer.anonymize(photo)
        difference = np.abs(photo.astype(int) - result.image).max(2).clip(0, 63) * 4
        columns = (photo, result.image, np.stack([255 - difference] * 3, 2).astype(np.uint8))
        x, y, w, h = result.faces[0].box
        left, top, side = int(x + w / 2 - w), max(int(y + h / 2 - 1.1 * h), 0), int(2 * w)
        crops = [Image.fromarray(column).crop((left, top, left + side, top + side)) for column in columns]
        strips += [crop.resize((HEIGHT, HEIGHT), Image.Resampling.LANCZOS) for crop in crops]
        print(*(f"{face.verdict}: {face.reason}" for face in result.faces))
    folder.mkdir(parents=True, exist_ok=True)
    sheet = Image.new("RGB", (HEIGHT * len(strips) // 2, HEIGHT * 2), "white")
    for i, strip in enumerate(strips):
        sheet.paste(strip, (HEIGHT * (i % 3), HEIGHT * (i // 3)))
    Image.fromarray(photos[0]).save(folder / "astronaut.jpg", quality=92)
    sheet.save(folder / "before_after.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
