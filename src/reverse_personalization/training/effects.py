"""What codes do to embeddings and expressions once they are rendered: measured, since hair and light have their say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reverse_personalization.engines.compact.attributes import Wish
from reverse_personalization.engines.compact.codec import FaceCodec
from reverse_personalization.engines.compact.population import Population
from reverse_personalization.engines.compact.rendering import Renderer
from reverse_personalization.engines.compact.settling import MeshedFace, Settler
from reverse_personalization.engines.compact.sight import LIGHT_SCALE, Views
from reverse_personalization.engines.compact.textures import Blurring, unpack
from reverse_personalization.faces.bearing import EXPRESSIONS, expression
from reverse_personalization.faces.compositing import paste
from reverse_personalization.faces.face import ByteArray, Face, FloatArray, Mesh
from reverse_personalization.faces.mesh import FaceMesher
from reverse_personalization.identity.base import unit
from reverse_personalization.identity.sface import SFace
from reverse_personalization.training.dataset import CROP, CROP_TEMPLATE, Progress, TrainingFaces
from reverse_personalization.training.population_fitting import ridge

# Faces whose codes are changed, and changes of each.
FACES, CHANGES = 3000, 2
# Changes are strangers, all or half of the way, with noise of up to one standard deviation, pushed away from the
# face's own identity by up to so much guidance.
MOST_GUIDANCE = 6.0
LIMIT = 3.5
# Ridge penalties.
OF_EFFECTS, OF_EXPRESSIONS = 300.0, 1000.0


@dataclass(frozen=True, eq=False)
class Effects:
    """What follows codes when only the codes change.

    Attributes:
        embeddings: float32 d x 128, SFace's.
        expressions: float32 d x e, see `faces.bearing.EXPRESSIONS`.
    """

    embeddings: FloatArray
    expressions: FloatArray


def measure_effects(
    faces: TrainingFaces,
    used: NDArray[np.bool_],
    codec: Mapping[str, FloatArray],
    population: Mapping[str, FloatArray],
    *,
    progress: Progress | None = None,
) -> Effects:
    """Change codes, render, and look.

    Args:
        faces: whose codes are changed.
        used: bool n, which of them may be.
        codec: tensors of `FaceCodec`.
        population: tensors of `Population`, which draws the changes.
        progress: called with the faces done and their number.
    """
    generator = np.random.default_rng(0)
    chosen = generator.permutation(np.flatnonzero(used))[:FACES]
    experiment = _Experiment(FaceCodec(codec), Population(population, codec["kept"]), generator)
    seen: list[tuple[FloatArray, ...]] = []
    for done, index in enumerate(chosen, 1):
        seen += experiment.run(faces, index)
        if progress is not None:
            progress(done, len(chosen))
    changes, embeddings, expressions = (np.stack(of) - np.mean(of, 0) for of in zip(*seen, strict=True))
    moved = np.asarray(changes * (codec["kept"] == 0), np.float32)
    return Effects(ridge(moved, embeddings, OF_EFFECTS), ridge(moved, expressions, OF_EXPRESSIONS))


def light_of(tensors: Mapping[str, FloatArray]) -> FloatArray:
    """By how much of their change of texture codes change the light, float32 d x d.

    A form: v' L v is the energy of the light that a change v of codes makes, as a multiple of what one code changes.
    """
    codec = FaceCodec(tensors)
    seen = codec.frame.modelled.astype(np.float32)
    blurred = Blurring(seen)
    basis = np.stack([unpack(row, codec.frame) for row in tensors["texture_basis"].astype(np.float32)])
    of_texture = len(basis)
    slow = np.stack([(blurred(texture, LIGHT_SCALE) * seen[..., None])[::2, ::2].ravel() for texture in basis])
    energy = np.zeros((codec.dimensions, codec.dimensions), np.float32)
    energy[:of_texture, :of_texture] = slow @ slow.T
    usual = (basis[:, ::2, ::2] ** 2).sum() / codec.dimensions
    rotation = tensors["rotation"]
    return np.asarray(rotation @ energy @ rotation.T / usual, np.float32)


class _Experiment:
    """Changes codes of one face after the other, and embeds what is rendered."""

    def __init__(self, codec: FaceCodec, population: Population, generator: np.random.Generator) -> None:
        self._codec, self._population, self._generator = codec, population, generator
        self._mesher, self._recogniser = FaceMesher(), SFace()
        nothing_known = np.zeros((codec.dimensions, len(EXPRESSIONS)), np.float32)
        self._settler = Settler(codec, Renderer(codec.frame), self._mesher, nothing_known)
        self._place = Face((0.0, 0.0, CROP, CROP), CROP_TEMPLATE, 1.0)

    def run(self, faces: TrainingFaces, index: int) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
        """Changes of a face's codes (d), of its embedding (128) and of its expression (e)."""
        crop, mesh, own = faces.crop[index], Mesh(faces.vertices[index], 1.0), faces.embedding[index]
        encoding = self._codec.encode(crop, mesh)
        face = MeshedFace(mesh, encoding, Views.of(crop, self._place, mesh))
        who, how = self._seen(crop, mesh)
        for _ in range(CHANGES):
            codes = self._changed(encoding.codes, own)
            settled = self._settler.settle(crop, face, codes, lambda corrected: corrected)
            became, shows = self._seen(paste(crop, self._settler.draw(crop, face, settled)), mesh)
            yield codes - encoding.codes, became - who, shows - how

    def _seen(self, crop: ByteArray, mesh: Mesh) -> tuple[FloatArray, FloatArray]:
        """Embedding and expression."""
        return unit(self._recogniser.embed(crop, self._place)), expression(self._mesher.again(crop, mesh))

    def _changed(self, codes: FloatArray, own: FloatArray) -> FloatArray:
        uniform = self._generator.uniform
        stranger = self._population.stranger(codes, own, Wish(), self._generator)
        noise = uniform(0, 1) * self._generator.standard_normal(len(codes))
        away = uniform(0, MOST_GUIDANCE) * self._population.expected(own[None])[0]
        changed = codes + uniform(0.5, 1) * (stranger - codes) + noise - away
        return np.asarray(np.clip(changed, -LIMIT, LIMIT), np.float32)
