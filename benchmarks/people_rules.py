"""How often `--keep-people` and `--only` decide rightly, on people with two photos or more, by size of face.

python benchmarks/people_rules.py lfw

The folder holds one photo of each person in turn. The other photos of them, and photos of others, are the faces.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from reverse_personalization.bench.datasets import load_people
from reverse_personalization.bench.embedding import middlemost
from reverse_personalization.bench.statistics import Rate
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.identity.dlib_resnet import DlibResNet
from reverse_personalization.identity.people import LEAST_SIZE, People
from reverse_personalization.identity.sface import SFace
from reverse_personalization.identity.verification import Verifier
from reverse_personalization.media.images import read_photo

SIZES = (None, 64, 48, 32)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    people = [person for person in load_people(parser.parse_args().dataset) if len(person.photos) > 1]
    detector, recognisers = YuNetDetector(turned=False), (SFace(), DlibResNet())
    verifier = Verifier(detector, [(recogniser, "verifier") for recogniser in recognisers])
    known = [_source(verifier, detector, person.photos[0], None) for person in people]
    print(f"{sum(k is not None for k in known)} people with a photo in the folder; --only wants {LEAST_SIZE} pixels")
    for size in SIZES:
        faces = [_source(verifier, detector, person.photos[1], size) for person in people]
        for rule in ("keep", "only"):
            print(f"faces of {size or 'all'} pixels, {rule}: {_rates(rule, known, faces, recognisers)}")


def _source(verifier: Verifier, detector: YuNetDetector, path: Path, size: int | None) -> Any:
    image_rgb = read_photo(path, max_pixels=10**8).image_rgb
    face = middlemost(detector.detect(image_rgb), image_rgb)
    if face is not None and size is not None:
        scale = size / face.size
        image_rgb = cv2.resize(image_rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        face = middlemost(detector.detect(image_rgb), image_rgb)
    if face is None:
        return None
    source = verifier.source(image_rgb, face)
    return source if verifier.recognises(source) else None


def _rates(rule: Any, known: Any, faces: Any, recognisers: Any) -> str:
    own: list[bool] = []
    foreign: list[bool] = []
    for i, of in enumerate(known):
        if of is None:
            continue
        one = People(rule, {r.name: np.stack([of.embeddings[r.name]]) for r in recognisers}, recognisers)
        for j, face in enumerate(faces):
            if face is None:
                continue
            # The size as a free parameter: what the least size of `only` is for.
            visible = bool(one.leaves(face.embeddings, 10**6))
            (own if i == j else foreign).append(visible)
    return (
        f"the person left visible {Rate(sum(own), len(own))}, somebody else {Rate(sum(foreign), len(foreign))}; "
        f"{sum(face is None for face in faces)} faces too unclear, so replaced or obscured"
    )


if __name__ == "__main__":
    main()
