"""The compact denoiser: exact for standard normal codes whose mean an identity moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from reverse_personalization.faces.face import FloatArray


@dataclass(frozen=True, eq=False)
class Expectation:
    """A condition of the denoiser.

    Attributes:
        mean: float32 n x d, the codes that are to be expected of n faces; zeros are the null identity.
    """

    mean: FloatArray


def predict_noise(codes: FloatArray, expected: Expectation, *, alpha: float, sigma: float) -> FloatArray:
    """The noise that is to be expected in noisy codes.

    For x = a x0 + s eps, a^2 + s^2 = 1, and x0 normal with unit variance, E[eps | x] = s (x - a E[x0]).

    Args:
        codes: float32 n x d, x.
        expected: of x0.
        alpha: the signal's share a.
        sigma: the noise's share s.

    Returns:
        float32 n x d.
    """
    return cast(FloatArray, np.float32(sigma) * (codes - np.float32(alpha) * expected.mean))
