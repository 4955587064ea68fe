"""dlib's network run backwards says how its embedding follows pixels, as trying it out does."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from reverse_personalization import weights
from reverse_personalization.faces.mesh import FaceMesher
from reverse_personalization.identity.dlib_gradient import DlibGradient, chip
from reverse_personalization.identity.dlib_network import MEAN, SCALE, SIDE, DlibNetwork
from reverse_personalization.identity.dlib_resnet import DlibResNet


@pytest.fixture(scope="module")
def gradient() -> DlibGradient:
    return DlibGradient()


@pytest.fixture(scope="module")
def network() -> DlibNetwork:
    return DlibNetwork(weights.path("dlib-resnet"))


@pytest.fixture(scope="module")
def crop(portrait: Any) -> Any:
    return chip(portrait.image_rgb, FaceMesher().fitted(portrait.image_rgb, portrait.face))[0]


@pytest.fixture(scope="module")
def somebody(crop: Any, network: DlibNetwork) -> Any:
    return network(np.ascontiguousarray(crop[::-1]))


def distance(network: DlibNetwork, crop: Any, known: Any) -> float:
    """To somebody, of a crop whose pixels may lie between levels."""
    network._net.setInput(cv2.dnn.blobFromImage(crop.astype(np.float32), SCALE, mean=MEAN))
    return float(np.linalg.norm(network._net.forward().ravel().astype(np.float64) - known))


def test_its_chips_show_what_the_recogniser_knows(portrait: Any, crop: Any, network: DlibNetwork) -> None:
    known = DlibResNet().embed(portrait.image_rgb, portrait.face)
    assert np.linalg.norm(network(crop) - known) < 0.2


def test_it_sees_what_the_recogniser_sees(
    crop: Any, somebody: Any, gradient: DlibGradient, network: DlibNetwork
) -> None:
    assert gradient(crop, somebody)[0] == pytest.approx(1 - distance(network, crop, somebody) / 2, abs=1e-4)
    assert gradient(crop, network(crop))[0] == pytest.approx(1, abs=1e-3)


def test_it_is_the_slope_of_the_similarity(
    crop: Any, somebody: Any, gradient: DlibGradient, network: DlibNetwork
) -> None:
    _, slopes = gradient(crop, somebody)
    assert slopes.shape == (SIDE, SIDE, 3)
    told, tried, generator = [], [], np.random.default_rng(1)
    for _ in range(12):
        change = 0.5 * cv2.GaussianBlur(generator.standard_normal((SIDE, SIDE, 3)).astype(np.float32), (0, 0), 3)
        farther, nearer = (distance(network, crop + way * change, somebody) for way in (1, -1))
        tried.append((nearer - farther) / 4)
        told.append(float((slopes * change).sum()))
    assert np.corrcoef(told, tried)[0, 1] > 0.99
    assert np.polyfit(tried, told, 1)[0] == pytest.approx(1, abs=0.1)


def test_nobody_is_at_no_distance_from_themselves(crop: Any, gradient: DlibGradient, network: DlibNetwork) -> None:
    assert np.isfinite(gradient(crop, network(crop))[1]).all()
