"""SFace run backwards says how its embedding follows pixels, as trying it out does."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from reverse_personalization import weights
from reverse_personalization.faces.alignment import arcface_crop
from reverse_personalization.identity.sface_gradient import SIDE, SFaceGradient


@pytest.fixture(scope="module")
def gradient() -> SFaceGradient:
    return SFaceGradient()


@pytest.fixture(scope="module")
def network() -> Any:
    return cv2.dnn.readNetFromONNX(str(weights.path("sface")))


def embedded(network: Any, crop: Any) -> Any:
    network.setInput(cv2.dnn.blobFromImage(crop.astype(np.float32)))
    return network.forward()[0].astype(np.float64)


def test_it_is_the_slope_of_the_embedding(portrait: Any, gradient: SFaceGradient, network: Any) -> None:
    crop, _ = arcface_crop(portrait.image_rgb, portrait.face.keypoints)
    generator = np.random.default_rng(0)
    direction = generator.standard_normal(128).astype(np.float32)
    slopes = gradient(crop, direction)
    assert slopes.shape == (SIDE, SIDE, 3)
    told, tried = [], []
    for _ in range(12):
        change = 0.5 * cv2.GaussianBlur(generator.standard_normal((SIDE, SIDE, 3)).astype(np.float32), (0, 0), 3)
        tried.append((embedded(network, crop + change) - embedded(network, crop - change)) @ direction / 2)
        told.append(float((slopes * change).sum()))
    assert np.corrcoef(told, tried)[0, 1] > 0.99
    assert np.polyfit(tried, told, 1)[0] == pytest.approx(1, abs=0.1)


def test_it_follows_the_direction(portrait: Any, gradient: SFaceGradient) -> None:
    crop, _ = arcface_crop(portrait.image_rgb, portrait.face.keypoints)
    one, other = np.random.default_rng(1).standard_normal((2, 128)).astype(np.float32)
    both = gradient(crop, one + 2 * other)
    apart = gradient(crop, one) + 2 * gradient(crop, other)
    np.testing.assert_allclose(both, apart, atol=1e-3 * np.abs(both).max())
    assert np.abs(both).max() > 0
