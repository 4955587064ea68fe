"""An anonymizer without models: reads real files, and paints a square where a face would be.

The name of a file says what happens to it: `noface`, `crowd` (three faces, one of them obscured), `engine`
(an error in one face), `crash`, `memory`, `slow`. Run as a script, this is `revpers` with that anonymizer.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from reverse_personalization import anonymizer
from reverse_personalization.anonymizer import ModelCard
from reverse_personalization.canvas import AnonymizedPhoto, FaceResult
from reverse_personalization.identity.verification import Similarity
from reverse_personalization.media.images import read_photo
from reverse_personalization.settings import Settings

MODEL = ModelCard("fake-net", "fake.onnx", "0" * 64, "CC0-1.0")
SIMILARITIES = (
    Similarity("dlib-resnet", "verifier", before=0.91234567, after=0.1, threshold=0.6),
    Similarity("sface", "guide", before=0.8, after=float("nan"), threshold=0.36),
)


class FakeAnonymizer:
    made = 0

    def __init__(self, *, settings: Settings) -> None:
        type(self).made += 1
        self.settings = settings

    @property
    def models(self) -> tuple[ModelCard, ...]:
        return (MODEL,)

    def anonymize(self, image: Path) -> AnonymizedPhoto:
        photo = read_photo(image, max_pixels=self.settings.max_pixels)
        if "crash" in image.name:
            raise ValueError("a message\nof two lines")
        if "memory" in image.name:
            raise MemoryError
        if "slow" in image.name:
            time.sleep(60)
        faces = tuple(_faces(image.name))
        picture = photo.image_rgb.copy()
        for face in faces:
            x, y, width, height = (int(value) for value in face.box)
            region = picture[max(y, 0) : y + height, max(x, 0) : x + width]
            region[...] = 255 - region
        return AnonymizedPhoto(picture, (picture != photo.image_rgb).any(2), faces, photo)


def _faces(name: str) -> Any:
    if "noface" in name:
        return
    yield FaceResult((4.0, 4.0, 8.04, 8.0), 0.95, "anonymized", "Replaced.", 2, SIMILARITIES)
    if "crowd" in name:
        yield FaceResult((20.0, 4.0, 8.0, 8.0), 0.9, "anonymized", "Replaced.", 1, SIMILARITIES)
        yield FaceResult((-3.0, 20.0, 8.0, 8.0), 0.7, "obscured", "Too unclear to be recognised.", 0)
    if "engine" in name:
        yield FaceResult((20.0, 4.0, 8.0, 8.0), 0.9, "obscured", "Internal error.", 0, failed=True)


def picture(width: int = 40, height: int = 32, *, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


if __name__ == "__main__":
    # A test run in the background would hand down ignored signals.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    anonymizer.Anonymizer = FakeAnonymizer  # type: ignore[misc,assignment]
    from reverse_personalization.cli import main

    sys.exit(main())
