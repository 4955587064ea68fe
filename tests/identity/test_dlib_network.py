"""dlib's network gives the same embeddings through OpenCV as through dlib."""

from __future__ import annotations

from typing import Any

import dlib
import numpy as np
import pytest

from reverse_personalization import weights
from reverse_personalization.errors import WeightsError
from reverse_personalization.identity.dlib_network import SIDE, DlibNetwork


@pytest.fixture(scope="module")
def network() -> DlibNetwork:
    return DlibNetwork(weights.path("dlib-resnet"))


def chips(portrait: Any) -> list[Any]:
    x, y, w, h = (round(v) for v in portrait.face.box)
    face = portrait.image_rgb[max(y, 0) : y + h, max(x, 0) : x + w]
    rows, columns = (np.linspace(0, size - 1, SIDE).astype(int) for size in face.shape[:2])
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    return [face[rows][:, columns].copy(), noise, np.zeros_like(noise), np.full_like(noise, 255)]


def test_embeddings_are_those_of_dlib_itself(network: DlibNetwork, portrait: Any) -> None:
    official = dlib.face_recognition_model_v1(str(weights.path("dlib-resnet")))
    for chip in chips(portrait):
        ours = network(chip)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, official.compute_face_descriptor(chip), atol=1e-5)


def test_an_embedding_outlives_the_next_one(network: DlibNetwork, portrait: Any) -> None:
    first, second, *_ = chips(portrait)
    kept = network(first)
    before = kept.copy()
    network(second)
    np.testing.assert_array_equal(kept, before)


def test_a_file_of_something_else_is_named() -> None:
    with pytest.raises(WeightsError, match="does not hold dlib's face recognition network"):
        DlibNetwork(weights.path("dlib-landmarks5"))
