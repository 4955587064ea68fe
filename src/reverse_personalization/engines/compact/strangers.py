"""Identities of people who do not exist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
from numpy.typing import NDArray

from reverse_personalization.faces.face import FloatArray

CANDIDATES = 64
# Cosine to the source at which a stranger is plainly somebody else, and still could be in the same place.
TARGET_COSINE = 0.05


class Strangers:
    """A normal distribution of embeddings, from which nobody's in particular is drawn."""

    def __init__(self, tensors: Mapping[str, NDArray[np.floating]]) -> None:
        """Take `mean` 128 and `factor` 128 x 128, whose product with standard normals has the covariance."""
        self._mean = np.asarray(tensors["mean"], np.float32)
        self._factor = np.asarray(tensors["factor"], np.float32)

    def draw(self, own: FloatArray, generator: np.random.Generator) -> FloatArray:
        """A unit embedding, float32 128: of several strangers the one whose cosine to `own` suits best."""
        drawn = (
            self._mean + generator.standard_normal((CANDIDATES, len(self._mean)), np.float32) @ self._factor
        )
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        return cast(FloatArray, drawn[np.abs(drawn @ own - TARGET_COSINE).argmin()])
