"""The denoiser is Bayes' rule for normal codes."""

from __future__ import annotations

import numpy as np
import pytest

from reverse_personalization.engines.compact.denoiser import Expectation, predict_noise
from reverse_personalization.inversion import STABLE_DIFFUSION


@pytest.mark.parametrize("t", [20, 300, 700, 980])
def test_no_linear_guess_of_the_noise_is_better(t: int) -> None:
    generator = np.random.default_rng(t)
    alpha, sigma = STABLE_DIFFUSION.alpha(t), STABLE_DIFFUSION.sigma(t)
    mean = np.array([[1.5]], np.float32)
    x0, eps = mean + generator.standard_normal((20_000, 1)), generator.standard_normal((20_000, 1))
    x = (alpha * x0 + sigma * eps).astype(np.float32)
    slope, intercept = np.polyfit(x[:, 0], eps[:, 0], 1)
    guess = predict_noise(x, Expectation(mean), alpha=alpha, sigma=sigma)
    np.testing.assert_allclose(guess, slope * x + intercept, atol=0.05)


def test_an_expectation_moves_the_guess_by_as_much_everywhere() -> None:
    codes, mean = np.random.default_rng(0).standard_normal((2, 4, 7), np.float32)
    null = predict_noise(codes, Expectation(np.zeros_like(mean)), alpha=0.8, sigma=0.6)
    told = predict_noise(codes, Expectation(mean), alpha=0.8, sigma=0.6)
    np.testing.assert_allclose(null, 0.6 * codes, atol=1e-6)
    np.testing.assert_allclose(told - null, -0.48 * mean, atol=1e-6)
    assert told.dtype == np.float32
