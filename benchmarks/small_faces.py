"""A data set whose faces are small: for `revpers bench run` on faces as street scenes and large groups have them.

    python benchmarks/small_faces.py DATASET OUT --size 24

Every photo below DATASET is shrunk until the longer side of its subject's face has so many pixels, and written to OUT
without loss, at its place. Photos without a face, or with one that is as small already, are left as they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from reverse_personalization.bench.embedding import MAX_PIXELS, middlemost, shrunk
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.media.images import photos_below, read_photo


def main() -> None:
    """Read the arguments, and write the photos."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=float, required=True)
    given = parser.parse_args()
    detector, photos = YuNetDetector(turned=False), list(photos_below(given.dataset))
    for photo in photos:
        picture = read_photo(photo, max_pixels=MAX_PIXELS).image_rgb
        face = middlemost(detector.detect(picture), picture)
        small = picture if face is None or face.size <= given.size else shrunk(picture, face, given.size)
        written = (given.out / photo.relative_to(given.dataset)).with_suffix(".png")
        written.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(small).save(written)
    print(f"Wrote {len(photos)} photos to {given.out}.")


if __name__ == "__main__":
    main()
