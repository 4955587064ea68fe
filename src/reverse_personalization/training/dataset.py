"""From a folder of photos to the faces that the compact engine trains on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reverse_personalization.errors import InputError
from reverse_personalization.faces.alignment import (
    ARCFACE_TEMPLATE,
    similarity_transform,
    transform_points,
    warp_square,
)
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.faces.face import ByteArray, Face, FloatArray, Mesh
from reverse_personalization.faces.mesh import FaceMesher
from reverse_personalization.identity.sface import SFace
from reverse_personalization.media.images import photos_below, read_photo

CROP = 256
# The recogniser's template, in the middle of the crop, with room for chin and forehead.
CROP_TEMPLATE: FloatArray = ((ARCFACE_TEMPLATE - 56) * (0.58 * CROP / 112) + [CROP / 2, 0.48 * CROP]).astype(np.float32)
LEAST_MESH_SCORE = 0.9
LEAST_SIZE = 60.0
MAX_PIXELS = 50_000_000
# One photo in this many is held out, with its mirror image.
HELD_OUT = 20

Progress = Callable[[int, int], None]
Report = Callable[[str, int, int], None]
"""Called with what is being done, the steps done and their number."""


def silent(what: str, done: int, total: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True, eq=False)
class TrainingFaces:
    """Aligned faces, each followed by its mirror image.

    Attributes:
        source: str n, the photo's path below the data folder; a face and its mirror image share it.
        crop: uint8 n x 256 x 256 x 3.
        vertices: float32 n x 468 x 3, the mesh in the crop's pixels.
        embedding: float32 n x 128, SFace's, unit length.
    """

    source: NDArray[np.str_]
    crop: ByteArray
    vertices: FloatArray
    embedding: FloatArray

    def save(self, path: Path) -> None:
        """Write everything to an npz file."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, allow_pickle=False, **arrays)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> TrainingFaces:
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})


def faces_of(data: Path, out: Path, report: Report) -> TrainingFaces:
    """The faces of the photos below a folder, which are kept beside what is trained, so that they are read once.

    Raises:
        InputError: no face in any photo.
    """
    cached = out.with_suffix(".training") / "faces.npz"
    if not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        build_dataset(data, progress=lambda done, total: report("reading photos", done, total)).save(cached)
    return TrainingFaces.load(cached)


def held_out(faces: TrainingFaces) -> NDArray[np.bool_]:
    """Which faces are not to be trained on, bool n."""
    digests = (hashlib.sha256(source.encode()).hexdigest() for source in faces.source)
    return np.array([int(digest, 16) % HELD_OUT == 0 for digest in digests])


def build_dataset(folder: Path, *, progress: Progress | None = None) -> TrainingFaces:
    """Find, mesh and embed the main face of every photo below a folder.

    Raises:
        InputError: no face in any photo.
    """
    photos = list(photos_below(folder))
    detector, mesher, recogniser = YuNetDetector(threshold=0.7, turned=False), FaceMesher(), SFace()
    rows: list[dict[str, object]] = []
    for done, path in enumerate(photos, 1):
        image_rgb = read_photo(path, max_pixels=MAX_PIXELS).image_rgb
        face = next((f for f in detector.detect(image_rgb) if f.size >= LEAST_SIZE), None)
        if face is not None:
            pair = [_row(*view, mesher, recogniser) for view in _both(image_rgb, face)]
            if all(row is not None for row in pair):
                rows += [{"source": str(path.relative_to(folder)), **row} for row in pair if row is not None]
        if progress is not None:
            progress(done, len(photos))
    if not rows:
        raise InputError(f"{folder.name}: no face of at least {LEAST_SIZE:g} pixels in {len(photos)} photos.")
    return TrainingFaces(**{name: np.array([row[name] for row in rows]) for name in rows[0]})


def _both(image_rgb: ByteArray, face: Face) -> Iterator[tuple[ByteArray, Face]]:
    """The picture with its face, and its mirror image."""
    yield image_rgb, face
    yield np.ascontiguousarray(image_rgb[:, ::-1]), face.mirrored(image_rgb.shape[1])


def _row(
    image_rgb: ByteArray, face: Face, mesher: FaceMesher, recogniser: SFace
) -> dict[str, ByteArray | FloatArray] | None:
    mesh = mesher.mesh(image_rgb, face)
    if mesh.score < LEAST_MESH_SCORE:
        return None
    to_crop = similarity_transform(face.keypoints, CROP_TEMPLATE)
    embedding = recogniser.embed(image_rgb, face)
    return {
        "crop": warp_square(image_rgb, to_crop, CROP),
        "vertices": _moved(mesh, to_crop),
        "embedding": embedding / np.linalg.norm(embedding),
    }


def _moved(mesh: Mesh, matrix: FloatArray) -> FloatArray:
    scale = float(np.sqrt(np.linalg.det(matrix[:, :2])))
    return np.column_stack([transform_points(matrix, mesh.points), mesh.vertices[:, 2] * scale]).astype(np.float32)
