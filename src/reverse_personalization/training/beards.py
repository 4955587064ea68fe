"""Where beards grow: how much darker men's skin is where they have one, than it is on men who have none."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reverse_personalization.engines.compact.attributes import GROWN
from reverse_personalization.engines.compact.beards import DARKEST_OF_BROWS
from reverse_personalization.engines.compact.frame import ABOVE_TIP, SIZE, UNDER_NOSE, CanonicalFrame, polygons
from reverse_personalization.engines.compact.textures import luma_of
from reverse_personalization.faces import topology
from reverse_personalization.faces.face import FloatArray, Mesh
from reverse_personalization.training.dataset import CROP, TrainingFaces
from reverse_personalization.training.labels import Labels

# Moustaches end above this vertex.
LOWER_LIP = 17
# Fewer men with a kind of beard, or without, tell nothing.
LEAST_MEN = 10
# What is seen less is not looked at; cheeks are so many texels inside of the outline.
SEEN, INSIDE = 0.3, 14.0
# Brows that stand out less from skin, by luma, tell no more than this.
LEAST_APART = 0.08
# Beards that are asked for are as dense as this quantile of bearded men's; their borders are so many texels soft.
DENSE = 0.7
SOFT = 1.2


def measure_beards(
    faces: TrainingFaces, used: NDArray[np.bool_], labels: Labels, mean_shape: FloatArray
) -> dict[str, FloatArray]:
    """How much of grown men's skin moustaches, and beards, cover: SIZE x SIZE, 0 to 1, of each of `beards.KINDS`.

    Args:
        faces: of whom some are men.
        used: bool n, which of them are looked at.
        labels: of these.
        mean_shape: of `FaceCodec`, 468 x 3.
    """
    of = labels.values
    men = used & (of["woman"] == 0) & (of["growth"] == GROWN)
    frame = CanonicalFrame(mean_shape)
    row = np.arange(SIZE)[:, None]
    below = frame.modelled & (row >= frame.vertices[UNDER_NOSE, 1] - 1)
    kinds = {
        "moustache": (men & (of["moustache"] == 1) & (of["beard"] == 0), below & (row < frame.vertices[LOWER_LIP, 1])),
        "beard": (men & (of["beard"] == 1), below),
    }
    bare = _darkness(faces, men & (of["moustache"] == 0) & (of["beard"] == 0), frame, 0.5)
    return {
        kind: _grown(_darkness(faces, who, frame, DENSE), bare, where, frame) for kind, (who, where) in kinds.items()
    }


def _grown(
    bearded: FloatArray | None, bare: FloatArray | None, where: NDArray[np.bool_], frame: CanonicalFrame
) -> FloatArray:
    if bearded is None or bare is None:
        return np.zeros((SIZE, SIZE), np.float32)
    darker = bearded - bare
    both = np.where(where, np.clip((darker + darker[:, ::-1]) / 2, 0, 1), 0)
    lips = polygons(frame.vertices, topology.OUTER_LIPS)
    hair, mouth = (cv2.GaussianBlur(layer.astype(np.float32), (0, 0), SOFT) for layer in (both, lips))
    return np.asarray(hair * (1 - mouth), np.float32)


def _darkness(
    faces: TrainingFaces, who: NDArray[np.bool_], frame: CanonicalFrame, quantile: float
) -> FloatArray | None:
    """How dark texels are: 0 as cheeks are, 1 as brows are; a quantile of some faces, or None if there are too few."""
    if who.sum() < LEAST_MEN:
        return None
    dark = [_one(faces.crop[i], faces.vertices[i], frame) for i in np.flatnonzero(who)]
    unseen = np.isnan(dark).all(0)
    return np.asarray(np.nanquantile(np.where(unseen, 0, dark), quantile, axis=0), np.float32)


def _one(crop_rgb: NDArray[np.uint8], vertices: FloatArray, frame: CanonicalFrame) -> FloatArray:
    mesh = Mesh(vertices, 1.0)
    luma, seen = luma_of(frame.sample(crop_rgb, mesh.points)), frame.visibility(mesh, (CROP, CROP)) > SEEN
    row = np.arange(SIZE)[:, None]
    between = (row > frame.vertices[ABOVE_TIP, 1]) & (row < frame.vertices[UNDER_NOSE, 1])
    cheeks = luma[between & (frame.skin > SEEN) & (frame.inward > INSIDE) & seen]
    brows = luma[(frame.brows > SEEN) & seen]
    if not (cheeks.size and brows.size):
        return np.full((SIZE, SIZE), np.nan, np.float32)
    skin, hair = np.median(cheeks), np.quantile(brows, DARKEST_OF_BROWS)
    return np.asarray(np.where(seen, (skin - luma) / max(skin - hair, LEAST_APART), np.nan), np.float32)
