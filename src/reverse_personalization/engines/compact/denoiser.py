"""The compact denoiser: predicts the noise in a code, given whose face it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reverse_personalization.faces.face import FloatArray

# Length of an identity embedding, and by how much a unit vector is stretched to have unit-sized entries.
IDENTITY = 128
IDENTITY_SCALE = float(np.sqrt(IDENTITY))
FREQUENCIES = 32


class Denoiser:
    """A residual network on codes, conditioned on time and identity, that predicts the velocity.

    The velocity (Salimans and Ho 2022) is v = a eps - s x0 for x = a x0 + s eps; a network that says
    nothing, v = 0, is the best guess for standard normal codes, so that all it learns is what faces add.
    """

    def __init__(self, tensors: Mapping[str, NDArray[np.floating]]) -> None:
        """Take the network's tensors, named as in `training.network.DenoiserNetwork`."""
        self._tensors = {name: np.asarray(tensor, np.float32) for name, tensor in tensors.items()}
        self._blocks = sum(name.endswith(".inner.weight") for name in self._tensors)

    def predict_noise(
        self, codes: FloatArray, identities: FloatArray, *, alphas: FloatArray, sigmas: FloatArray
    ) -> FloatArray:
        """Epsilon of noisy codes.

        Args:
            codes: float32 n x d, a x0 + s eps.
            identities: float32 n x 128, unit vectors; zeros are the null identity.
            alphas: float32 n, the signal's share a.
            sigmas: float32 n, the noise's share s.

        Returns:
            float32 n x d.
        """
        condition = self._linear("time", time_features(alphas, sigmas))
        condition = _silu(condition + self._linear("identity", identities * IDENTITY_SCALE))
        hidden = self._linear("enter", codes)
        for i in range(self._blocks):
            inner = self._linear(f"blocks.{i}.inner", _layer_norm(hidden))
            inner = _silu(inner + self._linear(f"blocks.{i}.condition", condition))
            hidden = hidden + self._linear(f"blocks.{i}.outer", inner)
        velocity = self._linear("leave", _layer_norm(hidden))
        noise: FloatArray = sigmas[:, None] * codes + alphas[:, None] * velocity
        return noise

    def _linear(self, name: str, x: FloatArray) -> FloatArray:
        # Few rows times a large matrix: in this order BLAS reads the weights along their rows.
        y: FloatArray = (self._tensors[f"{name}.weight"] @ x.T).T + self._tensors[f"{name}.bias"]
        return y


def time_features(alphas: FloatArray, sigmas: FloatArray) -> FloatArray:
    """float32 n x 64 sinusoids of the angle arctan(s / a), 0 at the clean end, a right angle at the noisy."""
    angle = np.arctan2(sigmas, alphas)[:, None]
    phase = angle * np.arange(1, FREQUENCIES + 1, dtype=np.float32)
    return np.concatenate([np.cos(phase), np.sin(phase)], 1).astype(np.float32)


def _silu(x: FloatArray) -> FloatArray:
    return np.asarray(x / (1 + np.exp(-np.clip(x, -60, 60))), np.float32)


def _layer_norm(x: FloatArray) -> FloatArray:
    centred = x - x.mean(1, keepdims=True)
    scaled: FloatArray = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5)
    return scaled
