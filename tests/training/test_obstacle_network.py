"""Obstacles are drawn on faces as labelled, and the network that learns from them is the one that the engine runs."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from reverse_personalization import weights
from reverse_personalization.engines.compact import obstacles as engine_side
from reverse_personalization.engines.compact.frame import SIZE, CanonicalFrame
from reverse_personalization.errors import InputError
from reverse_personalization.training import obstacles as drawing
from reverse_personalization.training.dataset import TrainingFaces
from reverse_personalization.training.obstacles import HIDES, ObstacleDrawer

SKIN = np.full((SIZE, SIZE, 3), (0.7, 0.5, 0.4), np.float32)


@pytest.fixture(scope="module")
def frame() -> CanonicalFrame:
    return CanonicalFrame(load_file(weights.path("compact"))["codec.mean_shape"])


@pytest.fixture
def drawer(frame: CanonicalFrame) -> Any:
    materials = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)
    return ObstacleDrawer(frame, materials, np.random.default_rng(0))


def test_what_is_drawn_is_what_is_labelled(drawer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ObstacleDrawer, "_photographed", lambda self, texture: texture)
    monkeypatch.setattr(ObstacleDrawer, "_shaded", lambda self, texture: texture)
    drawn = [drawer.draw(SKIN) for _ in range(60)]
    changed = [np.abs(one.texture_rgb - SKIN).max(2) > 1e-6 for one in drawn]
    assert 0.01 < np.mean([one.hidden.mean() for one in drawn]) < 0.4
    for one, there in zip(drawn, changed, strict=True):
        assert not (one.hidden & ~there).any() or (one.hidden & ~there).sum() < 0.1 * one.hidden.sum()
    # What covers less than `HIDES` of a texel is seen, and not labelled.
    assert 0 < HIDES < 1
    assert any((there & ~one.hidden).any() for one, there in zip(drawn, changed, strict=True))


def test_pictures_stay_within_their_range(drawer: Any) -> None:
    for _ in range(60):
        texture = drawer.draw(SKIN).texture_rgb
        assert texture.dtype == np.float32
        assert texture.min() >= 0
        assert texture.max() <= 1


def test_an_interrupted_training_goes_on_and_the_engine_runs_what_was_learned(
    tmp_path: Path, astronaut: Any, mesher: Any, frame: CanonicalFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    from reverse_personalization.training import obstacle_network as training

    named = listed(training.PLAIN)[:60] + listed(training.WORN)[:60]
    mesh, count = mesher.mesh(astronaut.image_rgb, astronaut.face), len(named)
    faces = TrainingFaces(
        np.repeat(named, 2),
        np.repeat(astronaut.image_rgb[None, :256, 128:384], 2 * count, 0),
        np.repeat((mesh.vertices - (128, 0, 0))[None], 2 * count, 0).astype(np.float32),
        np.ones((2 * count, 128), np.float32),
    )
    out = tmp_path / "obstacles.safetensors"
    (tmp_path / "obstacles.training").mkdir()
    faces.save(tmp_path / "obstacles.training" / "faces.npz")
    for name, value in (("BATCH", 2), ("CHECKPOINT", 2), ("TESTED", 3)):
        monkeypatch.setattr(training, name, value)

    def interrupted(what: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train_obstacles(tmp_path, out, steps=4, report=interrupted)
    steps: list[int] = []
    tested = training.train_obstacles(tmp_path, out, steps=4, report=lambda what, done, total: steps.append(done))
    assert steps == [3, 4]
    assert (tested.pictures, 0 < tested.plain < 60, 0 < tested.worn < 60) == (3, True, True)
    network = training.ObstacleNetwork()
    network.load_state_dict(torch.load(out.with_suffix(".training") / "obstacles.checkpoint")["network"])
    network.eval()
    seen = np.random.default_rng(0).random((SIZE, SIZE)).astype(np.float32)
    planes = np.random.default_rng(1).standard_normal((SIZE, SIZE, 3)).astype(np.float32)
    with torch.no_grad():
        wanted = torch.sigmoid(network(torch.from_numpy(engine_side.packed(planes, seen))[None]))[0, 0].numpy()
    monkeypatch.setattr(engine_side.weights, "path", lambda name: out)
    finder = engine_side.ObstacleFinder(frame)
    np.testing.assert_allclose(finder._surely(planes, seen), wanted, atol=2e-3)
    assert load_file(out)["entry.kernel"].dtype == np.float16


def test_what_lies_on_faces_of_photos_is_shown_as_it_is_in_worse_ones(
    frame: CanonicalFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from reverse_personalization.training import obstacle_network as training

    for kind in ("GLASSES", "HAIR", "OBJECT", "SHADE"):
        monkeypatch.setattr(drawing, kind, 0)
    lies = np.zeros((SIZE, SIZE), np.uint8)
    lies[40:50, 20:100], lies[50:52, 20:100] = 255, 150
    texture = np.rint(255 * SKIN).astype(np.uint8)
    texture[lies > 0] = 0
    full = np.full((1, SIZE, SIZE), 255, np.uint8)
    worn = training.Textures(texture[None], full, lies[None])
    pictures = iter(training.Faces([(1.0, worn)], frame, full[..., None].repeat(3, 3), 0))
    shown = [next(pictures) for _ in range(8)]
    for _, hidden, counts in shown:
        np.testing.assert_array_equal(hidden[0].numpy() > 0, lies == 255)
        assert not counts[0].numpy()[lies == 150].any()
        assert counts[0].numpy()[60, 64] == 1
    assert len({seen.numpy().tobytes() for seen, _, _ in shown}) == len(shown)


def listed(table: Path) -> list[str]:
    with table.open(newline="", encoding="utf-8") as lines:
        return [row["file"] for row in csv.DictReader(lines)]


def test_no_face_is_both_plain_and_worn() -> None:
    pytest.importorskip("torch")
    from reverse_personalization.training import obstacle_network as training

    plain, worn = listed(training.PLAIN), listed(training.WORN)
    assert not {*plain} & {*worn}
    assert len({*plain}) == len(plain)
    assert len({*worn}) == len(worn)


def test_a_folder_without_plain_faces_is_refused(astronaut: Any, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from reverse_personalization.training.obstacle_network import train_obstacles

    Image.fromarray(astronaut.image_rgb).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"plain_faces\.csv"):
        train_obstacles(tmp_path, tmp_path / "obstacles.safetensors", steps=1)
    assert not (tmp_path / "obstacles.safetensors").exists()
