"""How glasses show in codes, so that nobody gets any: what would draw that which lies around the eyes of some faces."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reverse_personalization.engines.compact.codec import FaceCodec
from reverse_personalization.engines.compact.textures import luma_of
from reverse_personalization.faces.face import ByteArray, FloatArray, Mesh
from reverse_personalization.training.dataset import Progress, TrainingFaces

# Texels around the eyes in which glasses lie, and the share of those that they hide at least.
AROUND_EYES, LEAST_HIDDEN = 14.0, 0.08
DIRECTIONS = 4


def measure_glasses(
    faces: TrainingFaces,
    used: NDArray[np.bool_],
    codec: Mapping[str, FloatArray],
    *,
    progress: Progress | None = None,
) -> FloatArray:
    """The principal directions of codes that draw glasses, orthonormal, float32 k x d; none if nobody wears any.

    Args:
        faces: with glasses and without.
        used: bool n, which of them are looked at.
        codec: tensors of `FaceCodec`, fitted on those without.
        progress: called with the faces done and their number.
    """
    seeing, worn, looked_at = FaceCodec(codec), [], np.flatnonzero(used)
    for done, index in enumerate(looked_at, 1):
        layer, hidden = _around_eyes(seeing, faces.crop[index], Mesh(faces.vertices[index], 1.0))
        if hidden > LEAST_HIDDEN:
            worn.append(seeing.meaning(layer))
        if progress is not None:
            progress(done, len(looked_at))
    if not worn:
        return np.zeros((0, seeing.dimensions), np.float32)
    return np.asarray(np.linalg.svd(np.stack(worn), full_matrices=False)[2][:DIRECTIONS], np.float32)


def _around_eyes(codec: FaceCodec, crop_rgb: ByteArray, mesh: Mesh) -> tuple[FloatArray, float]:
    """What lies around the eyes, as both halves have it (luma, SIZE x SIZE), and the share that is hidden by it."""
    encoding = codec.encode(crop_rgb, mesh)
    near = (codec.frame.from_eyes < AROUND_EYES) & codec.frame.modelled
    hidden = (1 - encoding.explained) * near
    layer = luma_of(encoding.detail) / encoding.tone.contrast * hidden
    return np.asarray((layer + layer[:, ::-1]) / 2, np.float32), float(hidden.sum() / near.sum())
