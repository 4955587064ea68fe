"""People of one colour each, and judges that know them by it: real logic on pictures made to measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reverse_personalization.bench.datasets import Person
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.base import cosine

KEYPOINTS = np.zeros((5, 2), np.float32)


def make_people(root: Path, count: int, photos: int = 2) -> list[Person]:
    """Folders of PNG files; nobody's colour is near to another's."""
    generator = np.random.default_rng(0)
    people = []
    for number in range(count):
        colour = generator.integers(20, 255, 3)
        folder = root / f"person-{number:03}"
        folder.mkdir(parents=True)
        paths = []
        for photo in range(photos):
            paths.append(folder / f"{photo}.png")
            noise = generator.integers(-1, 2, (12, 12, 3))
            Image.fromarray(np.clip(colour + noise, 1, 255).astype(np.uint8)).save(paths[-1])
        people.append(Person(folder.name, tuple(paths)))
    return people


class ColourDetector:
    """Takes every picture that is not black for a portrait."""

    def detect(self, image_rgb: ByteArray) -> list[Face]:
        return [Face((2, 2, 8, 8), KEYPOINTS, 0.9)] if image_rgb.any() else []

    def find_again(self, image_rgb: ByteArray, face: Face) -> Face | None:
        return face


class ColourRecogniser:
    """Embeds a picture as random waves of its mean colour: near colours are alike, others are not."""

    name = "sface"

    def __init__(self) -> None:
        generator = np.random.default_rng(1)
        self._waves = generator.standard_normal((3, 256)) / 12
        self._phases = generator.uniform(0, 2 * np.pi, 256)

    def embed(self, image_rgb: ByteArray, face: Face) -> FloatArray:
        mean = image_rgb.reshape(-1, 3).mean(0)
        return np.asarray(np.cos(mean @ self._waves + self._phases), np.float32)

    def similarity(self, a: FloatArray, b: FloatArray) -> FloatArray:
        return cosine(a, b)


class Result:
    """The part of an AnonymizedPhoto that the bench reads."""

    def __init__(self, image: ByteArray) -> None:
        self.image = image
        self.faces: tuple[Any, ...] = ()
