"""The recogniser that training differentiates is the one that guides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reverse_personalization import weights
from reverse_personalization.faces.alignment import arcface_crop
from reverse_personalization.identity.base import cosine
from reverse_personalization.identity.sface import SFace

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")


def test_it_embeds_as_opencv_does(portrait: Any, sface: SFace) -> None:
    from reverse_personalization.training.sface_torch import DifferentiableSFace

    crop, _ = arcface_crop(portrait.image_rgb, portrait.face.keypoints)
    rgb = torch.from_numpy(crop).permute(2, 0, 1)[None].float().requires_grad_()
    embedding = DifferentiableSFace(weights.path("sface"))(rgb)
    assert cosine(sface.embed_crop(crop), embedding.detach().numpy()).item() > 0.999
    embedding[0, 0].backward()
    assert np.isfinite(rgb.grad.numpy()).all()
    assert rgb.grad.abs().max() > 0
