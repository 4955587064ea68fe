"""Embeddings of the subjects of photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import cv2
import numpy as np

from reverse_personalization.faces.detection import Detector
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.media.images import read_photo

MAX_PIXELS = 50_000_000


class Boxed(Protocol):
    """Something with a box: x, y, width, height in pixels."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x, y, width, height."""
        ...


B = TypeVar("B", bound=Boxed)


def middlemost(faces: Sequence[B], image_rgb: ByteArray) -> B | None:
    """The face that a portrait is of: the one nearest to the middle, in units of its own size."""
    height, width = image_rgb.shape[:2]

    def distance(face: B) -> float:
        x, y, w, h = face.box
        return float(np.hypot(x + w / 2 - width / 2, y + h / 2 - height / 2)) / max(w, h)

    return min(faces, key=distance, default=None)


def embed_photos(
    paths: Sequence[Path],
    detector: Detector,
    recognisers: Sequence[Recogniser],
    sizes: Sequence[float],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, FloatArray]]:
    """Embeddings of many portraits' subjects.

    Args:
        paths: of the photos.
        detector: finds the subjects.
        recognisers: by whose networks they are embedded.
        sizes: pixels of the longer side of the subject's face, to which photos are shrunk if it has more.
        progress: called with the photos done and their number.

    Returns:
        For each size, and each recogniser's name, float32 n x d, in the order of `paths`; NaN where no face is found.
    """
    found = []
    for done, path in enumerate(paths, 1):
        image_rgb = read_photo(path, max_pixels=MAX_PIXELS).image_rgb
        face = middlemost(detector.detect(image_rgb), image_rgb)
        found.append([_embedded(image_rgb, face, size, detector, recognisers) for size in sizes])
        if progress is not None:
            progress(done, len(paths))
    return [
        {r.name: stack([None if row is None else row[r.name] for row in rows]) for r in recognisers}
        for rows in zip(*found, strict=True)
    ]


def _embedded(
    image_rgb: ByteArray, face: Face | None, size: float, detector: Detector, recognisers: Sequence[Recogniser]
) -> dict[str, FloatArray] | None:
    """A portrait's subject by each recogniser, no larger than so many pixels, or None where no face is found."""
    if face is not None and face.size > size:
        image_rgb = shrunk(image_rgb, face, size)
        face = middlemost(detector.detect(image_rgb), image_rgb)
    return None if face is None else {recogniser.name: recogniser.embed(image_rgb, face) for recogniser in recognisers}


def shrunk(image_rgb: ByteArray, face: Face, size: float) -> ByteArray:
    """A picture in which a face's longer side has so many pixels."""
    share = size / face.size
    return np.asarray(cv2.resize(image_rgb, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.uint8)


def stack(rows: Sequence[FloatArray | None], *, width: int = 1) -> FloatArray:
    """Rows as one array; None becomes a row of NaN, of `width` where all are None."""
    width = next((len(row) for row in rows if row is not None), width)
    return np.stack([np.full(width, np.nan, np.float32) if row is None else row for row in rows])
