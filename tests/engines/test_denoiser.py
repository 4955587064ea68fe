"""The numpy denoiser is the network that was trained."""

from __future__ import annotations

import numpy as np
import pytest

from reverse_personalization.engines.compact.denoiser import Denoiser, time_features
from reverse_personalization.faces.face import FloatArray

DIMENSIONS, WIDTH = 7, 16


def random_tensors(seed: int, depth: int = 2) -> dict[str, FloatArray]:
    generator = np.random.default_rng(seed)
    sizes = {"enter": (WIDTH, DIMENSIONS), "time": (WIDTH, 64), "identity": (WIDTH, 128)}
    sizes |= {
        f"blocks.{i}.{part}": (WIDTH, WIDTH) for i in range(depth) for part in ("inner", "condition", "outer")
    }
    sizes["leave"] = (DIMENSIONS, WIDTH)
    tensors = {}
    for name, (out, into) in sizes.items():
        tensors[f"{name}.weight"] = (generator.standard_normal((out, into)) / np.sqrt(into)).astype(
            np.float32
        )
        tensors[f"{name}.bias"] = generator.standard_normal(out, np.float32)
    return tensors


def random_inputs(n: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    generator = np.random.default_rng(9)
    who = generator.standard_normal((n, 128), np.float32)
    who /= np.linalg.norm(who, axis=1, keepdims=True)
    who[0] = 0
    sigmas = np.linspace(0.05, 0.99, n).astype(np.float32)
    return generator.standard_normal((n, DIMENSIONS), np.float32), who, np.sqrt(1 - sigmas**2), sigmas


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_numpy_equals_torch(seed: int) -> None:
    torch = pytest.importorskip("torch")
    from reverse_personalization.training.network import DenoiserNetwork

    tensors, (codes, who, alphas, sigmas) = random_tensors(seed, depth=3), random_inputs(6)
    network = DenoiserNetwork(DIMENSIONS, width=WIDTH, depth=3).eval()
    network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
    with torch.no_grad():
        given = [torch.from_numpy(v) for v in (codes, who, alphas[:, None], sigmas[:, None])]
        velocity = network(*given).numpy()
    noise = Denoiser(tensors).predict_noise(codes, who, alphas=alphas, sigmas=sigmas)
    np.testing.assert_allclose(noise, sigmas[:, None] * codes + alphas[:, None] * velocity, atol=2e-5)


def test_a_silent_network_expects_standard_normal_codes() -> None:
    tensors, (codes, who, alphas, sigmas) = random_tensors(0), random_inputs(5)
    tensors["leave.weight"][:] = 0
    tensors["leave.bias"][:] = 0
    noise = Denoiser(tensors).predict_noise(codes, who, alphas=alphas, sigmas=sigmas)
    np.testing.assert_allclose(noise, sigmas[:, None] * codes, atol=1e-6)


def test_rows_do_not_see_each_other() -> None:
    denoiser, (codes, who, alphas, sigmas) = Denoiser(random_tensors(3)), random_inputs(5)
    together = denoiser.predict_noise(codes, who, alphas=alphas, sigmas=sigmas)
    for i in range(5):
        row = slice(i, i + 1)
        alone = denoiser.predict_noise(codes[row], who[row], alphas=alphas[row], sigmas=sigmas[row])
        np.testing.assert_allclose(alone, together[row], atol=1e-5)


def test_identity_and_time_are_heard() -> None:
    denoiser, (codes, who, alphas, sigmas) = Denoiser(random_tensors(4)), random_inputs(5)
    plain = denoiser.predict_noise(codes, who, alphas=alphas, sigmas=sigmas)
    other_person = denoiser.predict_noise(codes, np.roll(who, 1, 0), alphas=alphas, sigmas=sigmas)
    other_time = denoiser.predict_noise(codes, who, alphas=alphas[::-1], sigmas=sigmas[::-1])
    assert np.abs(plain - other_person).max() > 0.01
    assert np.abs(plain - other_time).max() > 0.01


def test_time_features_are_sinusoids_of_the_angle() -> None:
    features = time_features(np.array([1, 0], np.float32), np.array([0, 1], np.float32))
    np.testing.assert_allclose(features[0], [1] * 32 + [0] * 32, atol=1e-6)
    np.testing.assert_allclose(features[1, :4], [0, -1, 0, 1], atol=1e-5)
