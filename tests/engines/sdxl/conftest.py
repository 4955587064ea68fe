from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NEEDED = ("torch", "diffusers", "transformers", "peft")
# Without the sdxl extra there is nothing to test here.
collect_ignore_glob = [] if all(find_spec(name) for name in NEEDED) else ["test_*.py"]


class RandomArcFace:
    """Embeds a face as a random projection of its crop: real in shape, of no use to anybody."""

    name = "arcface"

    def embed(self, image_rgb: Any, face: Any) -> Any:
        from reverse_personalization.faces.alignment import arcface_crop

        crop, _ = arcface_crop(image_rgb, face.keypoints)
        small = crop[::8, ::8].astype(np.float32).ravel() / 255 - 0.5
        return np.random.default_rng(0).standard_normal((512, small.size), np.float32) @ small

    def similarity(self, a: Any, b: Any) -> Any:
        from reverse_personalization.identity.base import cosine

        return cosine(a, b)


@pytest.fixture(scope="session")
def tiny_sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tiny

    return tiny.save_model(tmp_path_factory.mktemp("models") / "sdxl", "sdxl")


@pytest.fixture(scope="session")
def tiny_sd15(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tiny

    return tiny.save_model(tmp_path_factory.mktemp("models") / "sd15", "sd15")


@pytest.fixture(scope="session")
def tiny_adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tiny

    return tiny.save_adapter(tmp_path_factory.mktemp("adapters") / "faceid_sdxl.safetensors", "sdxl")


@pytest.fixture(scope="session")
def tiny_sd15_adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tiny

    return tiny.save_adapter(tmp_path_factory.mktemp("adapters") / "faceid_sd15.safetensors", "sd15")


@pytest.fixture(scope="session")
def network(tiny_sdxl: Path, tiny_adapter: Path) -> Any:
    from reverse_personalization.engines.sdxl.network import DiffusionNetwork

    return DiffusionNetwork.from_pretrained(tiny_sdxl, tiny_adapter, device="cpu")


@pytest.fixture(scope="session")
def guide() -> RandomArcFace:
    return RandomArcFace()


@pytest.fixture
def engine(network: Any, guide: RandomArcFace) -> Any:
    from reverse_personalization.engines.sdxl.engine import SdxlEngine

    return SdxlEngine(network, guide, mode="exact")
