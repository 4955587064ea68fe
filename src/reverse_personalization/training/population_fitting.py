"""Fitting the population: attributes and identity as they show in codes."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from reverse_personalization.engines.compact.attributes import NAMES
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.training.labels import Labels

Mask = NDArray[np.bool_]
# Ridge penalties.
OF_ATTRIBUTES, OF_CODES, OF_EMBEDDINGS = 300.0, 300.0, 30.0
# Least number of photos whose attribute must be known.
LEAST_LABELLED = 20
# Entries of unit vectors of 128 numbers are of this size when they are multiplied by it.
EMBEDDING_SCALE = float(np.sqrt(128))
# Shares of the unlabelled faces that surely wear glasses, or surely do not, once they are sorted by a first probe: real
# faces are not labelled with them, and differ from generated ones.
SURE: Final = (0.07, 0.6)
ROUNDS = 2
# What a change of the light costs guidance, where a change that is none costs 1, and the share of the best fit that one
# unit of guidance moves: -5, the mildest of the paper, is then as mild as sheets of faces bear.
LIGHT_PRICE, GUIDANCE_UNIT = 30.0, 0.25
# Faces with a higher score than this wear glasses, by the probe.
WEARS_GLASSES = 0.15


def find_glasses(codes: FloatArray, labels: Labels, among: Mask) -> Mask:
    """Which faces (bool n) wear glasses; none where no photo is labelled."""
    probe = _probe(codes, labels.values["glasses"], among, SURE)
    if probe is None:
        return np.zeros(len(codes), bool)
    direction, mean = probe
    return np.asarray(codes @ direction + mean > WEARS_GLASSES)


def fit_population(
    codes: FloatArray, embeddings: FloatArray, labels: Labels, kept: FloatArray, used: Mask
) -> dict[str, FloatArray]:
    """The tensors of `Population`, from the codes (n x d) and embeddings (n x 128) of the faces `used`."""
    free = kept == 0
    told = np.concatenate([codes, EMBEDDING_SCALE * embeddings], 1)
    seen, seen_mean = _attributes(told, labels, used)
    completed = _completed(labels, told @ seen.T + seen_mean)
    attributes, attribute_mean = _attributes(codes * free, completed, used)
    mean = embeddings[used].mean(0)
    x, e = codes[used] * free, embeddings[used] - mean
    identity = ridge(e, x, OF_EMBEDDINGS)
    # Identity is what is left once the attributes are known.
    identity -= identity @ np.linalg.pinv(attributes) @ attributes
    seen[:, codes.shape[1] :] *= EMBEDDING_SCALE
    return {
        "embedding_mean": mean,
        "identity": identity.astype(np.float32),
        "embedding": ridge(x, e, OF_CODES),
        "attributes": attributes,
        "attribute_mean": attribute_mean,
        "seen": seen,
        "seen_mean": seen_mean,
    }


def follow_effects(
    population: dict[str, FloatArray], effects: FloatArray, light: FloatArray, codes: FloatArray, embeddings: FloatArray
) -> dict[str, FloatArray]:
    """The tensors that effects (d x 128) on embeddings change: guidance goes where it has most effect for its price.

    An identity lets codes (n x d) expect along its own effect, dear where that changes the light (d x d), scaled to fit
    the faces' codes best, and then so that guidance has the paper's range.
    """
    attributes = population["attributes"]
    identity = np.linalg.solve(np.eye(len(light)) + LIGHT_PRICE * light, effects).T
    identity -= identity @ np.linalg.pinv(attributes) @ attributes
    along = (embeddings - population["embedding_mean"]) @ identity
    scale = GUIDANCE_UNIT * float((codes * along).sum() / (along**2).sum())
    return {"identity": (scale * identity).astype(np.float32), "embedding": effects}


def ridge(inputs: FloatArray, targets: FloatArray, penalty: float) -> FloatArray:
    """Least squares with a penalty on the weights, i x o, for centred inputs n x i and targets n x o."""
    gram = inputs.T @ inputs + penalty * np.eye(inputs.shape[1])
    return np.asarray(np.linalg.solve(gram, inputs.T @ targets), np.float32)


def _attributes(inputs: FloatArray, labels: Labels, used: Mask) -> tuple[FloatArray, FloatArray]:
    """Directions k x i and means k that tell attributes from inputs n x i, in the order of `NAMES`."""
    directions = np.zeros((len(NAMES), inputs.shape[1]), np.float32)
    means = np.zeros(len(NAMES), np.float32)
    for row, name in enumerate(NAMES):
        probe = _probe(inputs, labels.values[name], used)
        if probe is not None:
            directions[row], means[row] = probe
    return directions, means


def _completed(labels: Labels, seen: FloatArray) -> Labels:
    """Labels with what was seen (n x k) where nothing is known."""
    return Labels(
        {
            name: np.where(np.isfinite(labels.values[name]), labels.values[name], seen[:, row])
            for row, name in enumerate(NAMES)
        }
    )


def _probe(
    codes: FloatArray, labelled: FloatArray, among: Mask, sure: tuple[float, float] | None = None
) -> tuple[FloatArray, float] | None:
    """Direction and mean that predict an attribute; None where too few photos are labelled.

    Where shares of the unlabelled faces are `sure`, the first probe labels these, and the next learns from
    them.
    """
    known = np.isfinite(labelled) & among
    if known.sum() < LEAST_LABELLED or labelled[known].std() == 0:
        return None
    target = np.where(known, labelled, 0).astype(np.float32)
    probe = _fit(codes[known], target[known])
    unlabelled = np.flatnonzero(among & ~known)
    if sure is None or not len(unlabelled):
        return probe
    many, few = (int(share * len(unlabelled)) for share in (sure[1], sure[0]))
    for _ in range(ROUNDS):
        ranked = unlabelled[np.argsort(codes[unlabelled] @ probe[0])]
        low, high = ranked[:many], ranked[len(ranked) - few :]
        target[low], target[high] = 0, 1
        chosen = np.concatenate([np.flatnonzero(known), low, high])
        probe = _fit(codes[chosen], target[chosen])
    return probe


def _fit(codes: FloatArray, target: FloatArray) -> tuple[FloatArray, float]:
    centre, mean = codes.mean(0), float(target.mean())
    direction = ridge(codes - centre, (target - mean)[:, None], OF_ATTRIBUTES)[:, 0]
    return direction, mean - float(centre @ direction)
