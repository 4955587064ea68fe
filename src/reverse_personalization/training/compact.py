"""Making the compact engine's weights: data set, codec, population, one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from reverse_personalization.engines.compact.denoiser import Expectation, predict_noise
from reverse_personalization.engines.compact.population import Population
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.inversion import STABLE_DIFFUSION
from reverse_personalization.training.beards import measure_beards
from reverse_personalization.training.codec_fitting import FittedCodec, fit_codec, measure_faces
from reverse_personalization.training.dataset import Report, faces_of, held_out, silent
from reverse_personalization.training.effects import light_of, measure_effects
from reverse_personalization.training.glasses import measure_glasses
from reverse_personalization.training.labels import read_labels
from reverse_personalization.training.population_fitting import find_glasses, fit_population, follow_effects

CODE_LIMIT = 4.0
TIMESTEPS = range(50, 1000, 50)
HALVED = ("codec.texture_basis", "codec.shape_basis", "hair.moustache", "hair.beard")


@dataclass(frozen=True)
class Measured:
    """What came out, on held-out faces.

    Attributes:
        faces, glasses, held_out: photos that were used, left out for glasses, and held out.
        explained: share of the texture's variance that the codec holds.
        conditional, null: squared error of the predicted velocity, with the face's own and with the null
            identity; codes that are standard normal and known by nothing give 1.
    """

    faces: int
    glasses: int
    held_out: int
    explained: float
    conditional: float
    null: float


def train_compact(data: Path, out: Path, *, report: Report = silent) -> Measured:
    """Fit everything on the photos below `data` and write the weights to `out`.

    The faces that were found are kept in a folder beside `out`, so that another fit does not read the photos
    again.

    Args:
        data: folder of photos, and `labels.csv` with their prompts.
        out: the safetensors file to write.
        report: told how far it is.

    Raises:
        InputError: no faces below `data`.
    """
    faces = faces_of(data, out, report)
    held = held_out(faces)
    labels = read_labels(data, list(faces.source))
    report("measuring faces", 0, 4)
    measured = measure_faces(faces)
    report("finding glasses", 1, 4)
    seen = measured.usable & ~held
    # Frames must not become a part of faces: they stay in the picture as what the codes do not hold.
    glasses = find_glasses(_clipped(fit_codec(measured, seen)), labels, measured.usable)
    used = seen & ~glasses
    report("fitting the codec", 2, 4)
    fitted = fit_codec(measured, used)
    report("fitting the population", 3, 4)
    codes, kept = _clipped(fitted), fitted.tensors["kept"]
    population = fit_population(codes, faces.embedding, labels, kept, used)
    effects = measure_effects(
        faces, used, fitted.tensors, population, progress=lambda done, total: report("measuring effects", done, total)
    )
    light = light_of(fitted.tensors)
    population |= follow_effects(population, effects.embeddings, light, codes[used], faces.embedding[used])
    population["expressions"] = effects.expressions
    population["glasses"] = measure_glasses(
        faces, seen, fitted.tensors, progress=lambda done, total: report("looking at glasses", done, total)
    )
    hair = measure_beards(faces, used, labels, fitted.tensors["mean_shape"])
    _export({"codec": fitted.tensors, "population": population, "hair": hair}, out)
    tested = measured.usable & held & ~glasses
    losses = _losses(Population(population, kept), codes[tested], faces.embedding[tested])
    with_glasses, without, untouched = (int(m.sum()) // 2 for m in (seen & glasses, used, tested))
    return Measured(without, with_glasses, untouched, fitted.explained, *losses)


def _clipped(fitted: FittedCodec) -> FloatArray:
    return np.clip(fitted.codes, -CODE_LIMIT, CODE_LIMIT)


def _losses(population: Population, codes: FloatArray, embeddings: FloatArray) -> tuple[float, float]:
    return _loss(population.expected(embeddings), codes), _loss(np.zeros_like(codes), codes)


def _loss(expected: FloatArray, codes: FloatArray) -> float:
    """Squared error of the velocity a eps - s x0, over the time axis."""
    generator, errors = np.random.default_rng(0), []
    for t in TIMESTEPS:
        alpha, sigma = STABLE_DIFFUSION.alpha(t), STABLE_DIFFUSION.sigma(t)
        eps = generator.standard_normal(codes.shape, np.float32)
        x = alpha * codes + sigma * eps
        wrong = predict_noise(x, Expectation(expected), alpha=alpha, sigma=sigma) - eps
        # At a given x, the velocity is off by the noise's error over a.
        errors.append(float((wrong**2).mean()) / alpha**2)
    return float(np.mean(errors))


def _export(parts: Mapping[str, Mapping[str, FloatArray]], out: Path) -> None:
    """One file, with the large tensors in half precision."""
    tensors = {f"{part}.{name}": tensor for part, of in parts.items() for name, tensor in of.items()}
    halved = {name: tensor.astype(np.float16) for name, tensor in tensors.items() if name in HALVED}
    partial = out.with_suffix(".partial")
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in (tensors | halved).items()}, partial)
    partial.replace(out)
