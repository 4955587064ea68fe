"""What codes do to embeddings once they are rendered: measured, since hair, outline and light have their say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from reverse_personalization.engines.compact.attributes import Wish
from reverse_personalization.engines.compact.codec import FaceCodec, smooth, unpack
from reverse_personalization.engines.compact.engine import SHAPE_SHARE
from reverse_personalization.engines.compact.population import Population
from reverse_personalization.engines.compact.rendering import Renderer
from reverse_personalization.faces.compositing import paste
from reverse_personalization.faces.face import Face, FloatArray, Mesh
from reverse_personalization.identity.base import unit
from reverse_personalization.identity.sface import SFace
from reverse_personalization.training.dataset import CROP, CROP_TEMPLATE, TrainingFaces
from reverse_personalization.training.population_fitting import ridge

# Faces whose codes are changed, and changes of each.
FACES, CHANGES = 3000, 2
# Changes are strangers, all or half of the way, with noise of up to one standard deviation, pushed away from the
# face's own identity by up to so much guidance.
MOST_GUIDANCE = 6.0
LIMIT = 3.5
OF_EFFECTS = 300.0

# What changes more slowly than over so many texels is light, not features.
LIGHT_SCALE = 7.0

Progress = Callable[[int, int], None]


def measure_effects(
    faces: TrainingFaces,
    used: NDArray[np.bool_],
    codec: Mapping[str, FloatArray],
    population: Mapping[str, FloatArray],
    *,
    progress: Progress | None = None,
) -> FloatArray:
    """How SFace's embeddings follow codes when only the codes change, float32 d x 128.

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
    changes: list[FloatArray] = []
    effects: list[FloatArray] = []
    for done, index in enumerate(chosen, 1):
        for change, effect in experiment.run(faces, index):
            changes.append(change)
            effects.append(effect)
        if progress is not None:
            progress(done, len(chosen))
    moved, followed = np.stack(changes) * (codec["kept"] == 0), np.stack(effects)
    return ridge(moved - moved.mean(0), followed - followed.mean(0), OF_EFFECTS)


def light_of(tensors: Mapping[str, FloatArray]) -> FloatArray:
    """By how much of their change of texture codes change the light, float32 d x d.

    A form: v' L v is the energy of the light that a change v of codes makes, as a multiple of what one code changes.
    """
    codec = FaceCodec(tensors)
    seen = codec.frame.modelled.astype(np.float32)
    basis = np.stack([unpack(row, codec.frame) for row in tensors["texture_basis"].astype(np.float32)])
    of_texture = len(basis)
    slow = np.stack([(smooth(texture, seen, LIGHT_SCALE) * seen[..., None])[::2, ::2].ravel() for texture in basis])
    energy = np.zeros((codec.dimensions, codec.dimensions), np.float32)
    energy[:of_texture, :of_texture] = slow @ slow.T
    usual = (basis[:, ::2, ::2] ** 2).sum() / codec.dimensions
    rotation = tensors["rotation"]
    return np.asarray(rotation @ energy @ rotation.T / usual, np.float32)


class _Experiment:
    """Changes codes of one face after the other, and embeds what is rendered."""

    def __init__(self, codec: FaceCodec, population: Population, generator: np.random.Generator) -> None:
        self._codec, self._population, self._generator = codec, population, generator
        self._renderer, self._recogniser = Renderer(codec.frame), SFace()
        self._place = Face((0.0, 0.0, CROP, CROP), CROP_TEMPLATE, 1.0)

    def run(self, faces: TrainingFaces, index: int) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Changes of a face's codes (d) and of its embedding (128)."""
        crop, mesh, own = faces.crop[index], Mesh(faces.vertices[index], 1.0), faces.embedding[index]
        encoding = self._codec.encode(crop, mesh)
        before = unit(self._recogniser.embed(crop, self._place))
        for _ in range(CHANGES):
            codes = self._changed(encoding.codes, own)
            new = self._codec.decode(encoding, codes)
            shift = SHAPE_SHARE * new.offset[:, :2]
            rendering = self._renderer.render(crop, mesh, encoding.coverage, new.texture, shift, renewal=new.renewal)
            after = unit(self._recogniser.embed(paste(crop, rendering), self._place))
            yield codes - encoding.codes, after - before

    def _changed(self, codes: FloatArray, own: FloatArray) -> FloatArray:
        uniform = self._generator.uniform
        stranger = self._population.stranger(codes, own, Wish(), self._generator)
        noise = uniform(0, 1) * self._generator.standard_normal(len(codes))
        away = uniform(0, MOST_GUIDANCE) * self._population.expected(own[None])[0]
        changed = codes + uniform(0.5, 1) * (stranger - codes) + noise - away
        return np.asarray(np.clip(changed, -LIMIT, LIMIT), np.float32)
