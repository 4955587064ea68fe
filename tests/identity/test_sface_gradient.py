"""SFace run backwards says how its embedding follows pixels, as trying it out does."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from reverse_personalization import weights
from reverse_personalization.faces.alignment import arcface_crop
from reverse_personalization.identity.base import unit
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


def cosine(network: Any, crop: Any, known: Any) -> float:
    return float(unit(embedded(network, crop)) @ known)


@pytest.fixture
def crop(portrait: Any) -> Any:
    return arcface_crop(portrait.image_rgb, portrait.face.keypoints)[0]


@pytest.fixture
def somebody() -> Any:
    return unit(np.random.default_rng(0).standard_normal(128).astype(np.float32))


def test_it_sees_what_the_recogniser_sees(crop: Any, somebody: Any, gradient: SFaceGradient, network: Any) -> None:
    own = np.asarray(unit(embedded(network, crop)), np.float32)
    assert gradient(crop, own)[0] == pytest.approx(1, abs=1e-4)
    assert gradient(crop, somebody)[0] == pytest.approx(cosine(network, crop, somebody), abs=1e-4)


def test_it_is_the_slope_of_the_cosine(crop: Any, somebody: Any, gradient: SFaceGradient, network: Any) -> None:
    _, slopes = gradient(crop, somebody)
    assert slopes.shape == (SIDE, SIDE, 3)
    told, tried, generator = [], [], np.random.default_rng(1)
    for _ in range(12):
        change = 0.5 * cv2.GaussianBlur(generator.standard_normal((SIDE, SIDE, 3)).astype(np.float32), (0, 0), 3)
        tried.append((cosine(network, crop + change, somebody) - cosine(network, crop - change, somebody)) / 2)
        told.append(float((slopes * change).sum()))
    assert np.corrcoef(told, tried)[0, 1] > 0.99
    assert np.polyfit(tried, told, 1)[0] == pytest.approx(1, abs=0.1)


def test_it_follows_who_is_asked_for(crop: Any, somebody: Any, gradient: SFaceGradient) -> None:
    _, slopes = gradient(crop, somebody)
    np.testing.assert_allclose(gradient(crop, -somebody)[1], -slopes, atol=1e-3 * np.abs(slopes).max())
    assert np.abs(slopes).max() > 0
