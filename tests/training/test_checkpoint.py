"""Training data and checkpoints, on the two portraits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reverse_personalization.errors import InputError, UsageError

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")


def test_a_dataset_holds_each_face_and_its_mirror_image(astronaut: Any, hopper: Any, tmp_path: Path) -> None:
    from reverse_personalization.training.dataset import TrainingFaces, build_dataset

    for name, portrait in (("a", astronaut), ("b", hopper)):
        Image.fromarray(portrait.image_rgb).save(tmp_path / f"{name}.png")
    faces = build_dataset(tmp_path)
    assert list(faces.source) == ["a.png", "a.png", "b.png", "b.png"]
    np.testing.assert_allclose(np.linalg.norm(faces.embedding, axis=1), 1, atol=1e-5)
    alike = faces.embedding @ faces.embedding.T
    assert min(alike[0, 1], alike[2, 3]) > max(alike[0, 2], alike[1, 3])
    faces.save(tmp_path / "faces.npz")
    again = TrainingFaces.load(tmp_path / "faces.npz")
    np.testing.assert_array_equal(again.crop, faces.crop)
    np.testing.assert_array_equal(again.vertices, faces.vertices)


def test_a_folder_without_faces_is_refused(tmp_path: Path) -> None:
    from reverse_personalization.training.dataset import build_dataset

    Image.new("RGB", (80, 80), "teal").save(tmp_path / "a.png")
    with pytest.raises(InputError, match="no face"):
        build_dataset(tmp_path)


def test_another_recipe_does_not_go_on_from_a_checkpoint(tmp_path: Path) -> None:
    from dataclasses import asdict

    from reverse_personalization.training.compact import Recipe, Trainer

    torch.save({"recipe": asdict(Recipe(seed=1))}, tmp_path / "checkpoint.pt")
    trainer = Trainer.__new__(Trainer)
    trainer.recipe = Recipe(seed=2)
    with pytest.raises(UsageError, match="another recipe"):
        trainer.resume(tmp_path / "checkpoint.pt")
