"""Fitting the canonical face space: mean face, components, and which directions are nobody's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.legendre import legval
from numpy.typing import NDArray

from reverse_personalization.engines.compact.codec import place
from reverse_personalization.engines.compact.frame import SIZE, CanonicalFrame
from reverse_personalization.engines.compact.textures import normalise, pack
from reverse_personalization.faces import topology
from reverse_personalization.faces.face import FloatArray, Mesh
from reverse_personalization.training.dataset import TrainingFaces
from reverse_personalization.training.population_fitting import ridge

TEXTURE_COMPONENTS = 320
SHAPE_COMPONENTS = 48
# Only faces seen nearly in full, and nearly from the front, tell what faces look like.
LEAST_VISIBLE = 0.97
MOST_YAW = 22.0
ROUNDS = 4
# Shading of up to this many half-waves across the face is light, not identity; so is colour.
LUMA_ORDER, CHROMA_ORDER = 3, 3
PROBE_RIDGE = 300.0

# Expression, as differences of vertex coordinates: (vertex, axis, weight).
EXPRESSIONS: dict[str, tuple[tuple[int, int, float], ...]] = {
    "mouth opening": ((14, 1, 1), (13, 1, -1)),
    "mouth width": ((291, 0, 1), (61, 0, -1)),
    "mouth corners": ((61, 1, 0.5), (291, 1, 0.5), (0, 1, -0.5), (17, 1, -0.5)),
    "right lids": ((145, 1, 1), (159, 1, -1)),
    "left lids": ((374, 1, 1), (386, 1, -1)),
    "right brow": ((33, 1, 0.5), (133, 1, 0.5), (105, 1, -0.5), (66, 1, -0.5)),
    "left brow": ((263, 1, 0.5), (362, 1, 0.5), (334, 1, -0.5), (296, 1, -0.5)),
    "frown": ((285, 0, 1), (55, 0, -1)),
}
# Expressions that show in the texture as well: wrinkles, shadows, the line of the lips.
SHOWN = ("mouth opening", "mouth width", "mouth corners", "right lids", "left lids")


@dataclass(frozen=True, eq=False)
class MeasuredFaces:
    """What the codec is fitted on.

    Attributes:
        mean_shape: float32 468 x 3.
        shapes: float32 n x 468 x 3, without placement.
        angles: float32 n x 2, yaw and pitch in degrees.
        textures: float32 n x p, packed.
        usable: bool n, which faces are seen well enough to train on.
    """

    mean_shape: FloatArray
    shapes: FloatArray
    angles: FloatArray
    textures: FloatArray
    usable: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FittedCodec:
    """A codec and the faces' codes.

    Attributes:
        tensors: for `FaceCodec`.
        codes: float32 n x d, of every measured face.
        explained: share of the texture's variance that the components hold.
    """

    tensors: dict[str, FloatArray]
    codes: FloatArray
    explained: float


def measure_faces(faces: TrainingFaces) -> MeasuredFaces:
    """Shape and texture of every face."""
    meshes = [Mesh(vertices, 1.0) for vertices in faces.vertices]
    mean_shape, shapes, angles = _mean_shape(meshes)
    textures, visible = _textures(faces, meshes, CanonicalFrame(mean_shape))
    usable = (visible > LEAST_VISIBLE) & (np.abs(angles[:, 0]) < MOST_YAW)
    return MeasuredFaces(mean_shape, shapes, angles, textures, usable)


def fit_codec(measured: MeasuredFaces, used: NDArray[np.bool_]) -> FittedCodec:
    """Fit shape and texture components on the faces that are `used`, bool n."""
    textures, mean_shape = measured.textures, measured.mean_shape
    offsets = (measured.shapes - mean_shape).reshape(len(textures), -1)
    mean_texture = textures[used].mean(0)
    texture_basis, explained = _components(textures[used] - mean_texture, TEXTURE_COMPONENTS)
    shape_basis, _ = _components(offsets[used], SHAPE_COMPONENTS)
    standardised = np.concatenate(
        [
            (textures - mean_texture) @ texture_basis.T / (texture_basis**2).sum(1),
            offsets @ shape_basis.T / (shape_basis**2).sum(1),
        ],
        1,
    )
    frame = CanonicalFrame(mean_shape)
    nuisances = np.stack(list(_nuisances(frame, texture_basis, shape_basis, standardised, measured.angles, used)))
    rotation = _rotation(nuisances)
    tensors = {
        "mean_shape": mean_shape,
        "shape_basis": shape_basis,
        "mean_texture": mean_texture,
        "texture_basis": texture_basis,
        "rotation": rotation,
        "kept": (np.arange(len(rotation)) < len(nuisances)).astype(np.float32),
    }
    return FittedCodec(tensors, (standardised @ rotation.T).astype(np.float32), explained)


def _mean_shape(meshes: list[Mesh]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Generalised Procrustes analysis: mean shape, n x 468 x 3 shapes, n x 2 yaw and pitch in degrees."""
    mean: FloatArray = np.mean([mesh.vertices for mesh in meshes], 0)
    mean = (mean - mean.mean(0)) / np.linalg.norm(mean[33] - mean[263])
    for _ in range(ROUNDS):
        placed = [place(mesh, mean) for mesh in meshes]
        shapes = np.stack([shape for _, shape in placed])
        angles = np.stack([_angles(placement) for placement, _ in placed])
        mean = shapes[(np.abs(angles) < MOST_YAW).all(1)].mean(0).astype(np.float32)
    return mean, shapes, angles


def _angles(placement: FloatArray) -> FloatArray:
    """Yaw and pitch, degrees, of a placement."""
    rotation = placement[:, :3] / np.cbrt(np.linalg.det(placement[:, :3]))
    yaw = np.arctan2(rotation[0, 2], rotation[2, 2])
    pitch = np.arctan2(-rotation[1, 2], np.hypot(rotation[0, 2], rotation[2, 2]))
    return np.degrees([yaw, pitch]).astype(np.float32)


def _textures(faces: TrainingFaces, meshes: list[Mesh], frame: CanonicalFrame) -> tuple[FloatArray, FloatArray]:
    """Packed textures n x p, and the share of the frame that is seen, n."""
    packed, visible = [], []
    for crop, mesh in zip(faces.crop, meshes, strict=True):
        seen = frame.visibility(mesh, crop.shape[:2]) * frame.modelled
        texture, _ = normalise(frame.sample(crop, mesh.points), seen)
        packed.append(pack(texture, frame))
        visible.append(seen.sum() / frame.modelled.sum())
    return np.stack(packed), np.array(visible, np.float32)


def _components(centred: FloatArray, count: int) -> tuple[FloatArray, float]:
    """Principal components, rows scaled to one standard deviation, and the share of variance they hold."""
    count = min(count, len(centred) - 1, centred.shape[1])
    gram = centred @ centred.T
    values, vectors = np.linalg.eigh(gram.astype(np.float64))
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    basis = (vectors / np.sqrt(len(centred))).T.astype(np.float32) @ centred
    return basis, float(values.sum() / np.trace(gram))


def _nuisances(
    frame: CanonicalFrame,
    texture_basis: FloatArray,
    shape_basis: FloatArray,
    standardised: FloatArray,
    angles: FloatArray,
    used: NDArray[np.bool_],
) -> Iterator[FloatArray]:
    """Directions of standardised components that hold expression, pose and light, one row each."""
    count = len(texture_basis)
    expressions = {name: _expression_row(terms, shape_basis, count) for name, terms in EXPRESSIONS.items()}
    yield from expressions.values()
    for pattern in _shading(frame):
        yield np.concatenate([texture_basis @ pattern, np.zeros(len(shape_basis), np.float32)])
    texture_only = np.arange(standardised.shape[1]) < count
    for name in SHOWN:
        yield _probe(standardised, standardised @ expressions[name], texture_only, used)
    for angle in angles.T:
        yield _probe(standardised, angle, texture_only, used)
        yield _probe(standardised, angle, ~texture_only, used)


def _expression_row(terms: tuple[tuple[int, int, float], ...], basis: FloatArray, before: int) -> FloatArray:
    pattern = np.zeros((topology.VERTICES, 3), np.float32)
    for vertex, axis, weight in terms:
        pattern[vertex, axis] = weight
    return np.concatenate([np.zeros(before, np.float32), basis @ pattern.ravel()])


def _shading(frame: CanonicalFrame) -> Iterator[FloatArray]:
    """Smooth patterns of luma and of each chroma plane, packed: products of Legendre polynomials."""
    luma = _polynomials(frame.modelled, SIZE / 2, LUMA_ORDER)
    chroma = _polynomials(frame.modelled[::2, ::2], SIZE / 4, CHROMA_ORDER)
    sizes = [luma.shape[1], chroma.shape[1], chroma.shape[1]]
    for plane, patterns in enumerate((luma, chroma, chroma)):
        for pattern in patterns:
            parts = [np.zeros(size, np.float32) for size in sizes]
            parts[plane] = pattern
            yield np.concatenate(parts)


def _polynomials(modelled: NDArray[np.bool_], half: float, most: int) -> FloatArray:
    rows, columns = np.nonzero(modelled)
    x, y = (columns - half) / half, (rows - half) / half
    unit = np.eye(most + 1)
    return np.array(
        [legval(x, unit[i]) * legval(y, unit[order - i]) for order in range(1, most + 1) for i in range(order + 1)],
        np.float32,
    )


def _probe(
    standardised: FloatArray, target: FloatArray, columns: NDArray[np.bool_], used: NDArray[np.bool_]
) -> FloatArray:
    """The direction within some components that best predicts a target (ridge regression)."""
    inputs = standardised[used][:, columns]
    wanted = (target[used] - target[used].mean()) / target[used].std()
    direction = np.zeros(standardised.shape[1], np.float32)
    direction[columns] = ridge(inputs, wanted, PROBE_RIDGE)
    return direction


def _rotation(nuisances: FloatArray) -> FloatArray:
    """An orthonormal d x d matrix whose first rows span the nuisances."""
    scaled = nuisances / np.linalg.norm(nuisances, axis=1, keepdims=True)
    d = scaled.shape[1]
    orthonormal, _ = np.linalg.qr(np.concatenate([scaled.T, np.eye(d)], 1))
    return orthonormal.T[:d].astype(np.float32)
