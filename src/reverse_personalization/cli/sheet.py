"""Collects faces before and after for the contact sheet, within bounded memory."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from reverse_personalization.media.atomic import write_atomically
from reverse_personalization.media.contact_sheet import SheetEntry, contact_sheet

if TYPE_CHECKING:
    from reverse_personalization.canvas import AnonymizedPhoto, FaceResult
    from reverse_personalization.media.photo import ByteArray

MAX_FACES: Final = 100
_MAX_SIDE: Final = 256
# How far the crop reaches beyond the detector's box, as a share of its sides.
_MARGIN: Final = 0.4


@dataclass
class SheetCollector:
    """Keeps the first `MAX_FACES` faces, as small pictures, and counts the others."""

    path: Path
    entries: list[SheetEntry] = field(default_factory=list)
    left_out: int = 0

    def add(self, name: str, result: AnonymizedPhoto) -> None:
        """Take the faces of a photo called `name`."""
        for index, face in enumerate(result.faces):
            rows, columns = _surroundings(face, result.image.shape[:2])
            if len(self.entries) == MAX_FACES or rows.start >= rows.stop or columns.start >= columns.stop:
                self.left_out += 1
                continue
            self.entries.append(
                SheetEntry(
                    _small(result.photo.image_rgb[rows, columns]),
                    _small(result.image[rows, columns]),
                    _title(name, index, face),
                    face.verdict,
                )
            )

    def write(self) -> str | None:
        """Draw and write the sheet.

        Returns:
            A sentence about what it does not show, or None.

        Raises:
            OutputError: it cannot be written.
        """
        if not self.entries:
            return f"{self.path}: was not written, since no face was done."
        buffer = io.BytesIO()
        contact_sheet(self.entries).save(buffer, "PNG")
        write_atomically(self.path, buffer.getvalue())
        if not self.left_out:
            return None
        total = len(self.entries) + self.left_out
        return f"{self.path}: shows the first {len(self.entries)} of {total} faces."


def _surroundings(face: FaceResult, size: tuple[int, ...]) -> tuple[slice, slice]:
    x, y, width, height = face.box
    left, right = np.clip([x - _MARGIN * width, x + (1 + _MARGIN) * width], 0, size[1])
    top, bottom = np.clip([y - _MARGIN * height, y + (1 + _MARGIN) * height], 0, size[0])
    return slice(int(top), int(np.ceil(bottom))), slice(int(left), int(np.ceil(right)))


def _small(crop_rgb: ByteArray) -> ByteArray:
    picture = Image.fromarray(crop_rgb)
    picture.thumbnail((_MAX_SIDE, _MAX_SIDE))
    return np.array(picture)


def _title(name: str, index: int, face: FaceResult) -> str:
    tries = f"{face.tries} {'try' if face.tries == 1 else 'tries'}"
    lines = [f"{name}, face {index}", f"{tries}. {face.reason}"]
    for similarity in face.similarities:
        before, after = (
            f"{value:.2f}" if math.isfinite(value) else "?" for value in (similarity.before, similarity.after)
        )
        lines.append(f"{similarity.recogniser} {before} -> {after} (same person > {similarity.threshold:.2f})")
    return "\n".join(lines)
