"""FID by torch-fidelity on random features, against our Frechet distance of the same features."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reverse_personalization.bench.fidelity import fid_and_kid
from reverse_personalization.bench.frechet import frechet_distance
from reverse_personalization.errors import WeightsError


@pytest.fixture(scope="module")
def torch_fidelity() -> Any:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    try:
        import_module("torch_fidelity")
    except (ImportError, RuntimeError):  # the latter where torchvision does not fit torch
        pytest.skip("torch-fidelity is not installed")
    return torch


@pytest.fixture(scope="module")
def weights(torch_fidelity: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inception with random weights."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    torch_fidelity.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch_fidelity, "load", lambda *given, **named: {})
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path="none")
    torch_fidelity.save(network.state_dict(), path)
    return path


def photos(folder: Path, count: int, brightness: int) -> list[Path]:
    generator = np.random.default_rng(brightness)
    folder.mkdir()
    paths = [folder / f"{number}.png" for number in range(count)]
    for path in paths:
        Image.fromarray(generator.integers(0, brightness, (40, 40, 3), np.uint8)).save(path)
    return paths


def test_it_is_the_frechet_distance_of_inception_features(weights: Path, torch_fidelity: Any, tmp_path: Path) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    one, other = photos(tmp_path / "one", 6, 255), photos(tmp_path / "other", 6, 120)
    found = fid_and_kid(one, [*other, None], weights)
    same = fid_and_kid(one, list(one), weights)
    network = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights)
    ).eval()

    def features(paths: list[Path]) -> Any:
        stack = np.stack([np.asarray(Image.open(path)).transpose(2, 0, 1) for path in paths])
        with torch_fidelity.no_grad():
            return network(torch_fidelity.from_numpy(stack))[0].numpy()

    assert found["FID"] == pytest.approx(frechet_distance(features(one), features(other)), rel=1e-3, abs=1e-6)
    assert same["FID"] == pytest.approx(0, abs=1e-4)
    assert set(found) == {"FID", "KID"}


def test_a_file_that_is_no_weights_is_refused(torch_fidelity: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="no weights"):
        fid_and_kid([], [], tmp_path / "bad.pth")
    with pytest.raises(WeightsError, match="no such file"):
        fid_and_kid([], [], tmp_path / "none.pth")
