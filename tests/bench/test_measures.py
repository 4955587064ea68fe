"""Observations and distances, against other ways to compute them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.linalg import sqrtm

from reverse_personalization.bench import utility
from reverse_personalization.bench.datasets import as_manifest, draw_trials, load_people
from reverse_personalization.bench.frechet import frechet_distance
from reverse_personalization.bench.observing import Observation, Observer, observe_all
from reverse_personalization.bench.subsets import hard_cases
from reverse_personalization.errors import InputError
from reverse_personalization.identity.onnx_recogniser import OnnxFile


@pytest.fixture(scope="module")
def observer() -> Observer:
    return Observer()


@pytest.fixture(scope="module")
def seen(observer: Observer, astronaut: Any) -> Observation:
    return observer.observe(astronaut.image_rgb)


def test_the_frechet_distance_is_that_of_its_formula() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.standard_normal((300, 8)), 0.5 + 2 * generator.standard_normal((200, 8))
    a, b = np.cov(one.T), np.cov(other.T)
    formula = ((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert frechet_distance(one, other) == pytest.approx(formula, rel=1e-6)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)
    assert np.isnan(frechet_distance(one[:1], other))


def test_a_photo_is_like_itself(seen: Observation) -> None:
    for change in (utility.pose_change, utility.gaze_change, utility.landmark_change, utility.colour_change):
        assert change([seen], [seen])[0] == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("angle", [8, 20])
def test_a_turned_picture_is_a_turned_head(observer: Observer, astronaut: Any, seen: Observation, angle: int) -> None:
    height, width = astronaut.image_rgb.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    turned = observer.observe(cv2.warpAffine(astronaut.image_rgb, matrix, (width, height)))
    assert utility.pose_change([seen], [turned])[0] == pytest.approx(angle, abs=3)
    assert utility.gaze_change([seen], [turned])[0] < 4
    assert np.abs(turned.expression - seen.expression).max() < 0.06


def test_a_mirror_image_looks_the_other_way(observer: Observer, astronaut: Any, seen: Observation) -> None:
    mirrored = observer.observe(np.ascontiguousarray(astronaut.image_rgb[:, ::-1]))
    assert mirrored.gaze[0] == pytest.approx(-seen.gaze[0], abs=6)
    assert mirrored.gaze[1] == pytest.approx(seen.gaze[1], abs=3)


def test_a_blurred_face_is_a_worse_face(observer: Observer, astronaut: Any, seen: Observation) -> None:
    blurred = [observer.observe(cv2.GaussianBlur(astronaut.image_rgb, (0, 0), sigma)) for sigma in (4, 8)]
    lost = utility.quality_lost([seen, seen, seen], [seen, *blurred])
    assert lost[0] == 0
    assert 0.1 < lost[1] < lost[2] < 1


def test_a_network_of_face_quality_is_asked(astronaut: Any, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("ReduceMean", ["crop"], ["mean"], axes=[2, 3], keepdims=0),
            onnx.helper.make_node("ReduceMean", ["mean"], ["score"], axes=[1], keepdims=1),
        ],
        "brightness",
        [tensor("crop", onnx.TensorProto.FLOAT, ["n", 3, 112, 112])],
        [tensor("score", onnx.TensorProto.FLOAT, ["n", 1])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "brightness.onnx")
    observer = Observer([OnnxFile("brightness", tmp_path / "brightness.onnx")])
    bright, dark = (observer.observe(image) for image in (astronaut.image_rgb, astronaut.image_rgb // 2))
    assert 0.1 < utility.score_lost("brightness", [bright], [dark])[0] < 1


def test_expressions_are_measured_against_other_peoples(seen: Observation) -> None:
    generator = np.random.default_rng(0)
    people = [replace(seen, expression=generator.standard_normal(7).astype(np.float32)) for _ in range(200)]
    assert np.median(utility.expression_change(people, people)) == 0
    assert utility.expression_change(people, people[1:] + people[:1]).mean() == pytest.approx(1, abs=0.1)


def test_no_face_is_nothing_seen(observer: Observer) -> None:
    nothing = observer.observe(np.full((60, 60, 3), 90, np.uint8))
    assert nothing.score == 0
    assert all(np.isnan(row).all() for row in nothing.embeddings.values())
    assert np.isnan(utility.pose_change([nothing], [nothing])[0])
    assert not utility.found_again([nothing])[0]


def test_observations_are_kept(tmp_path: Path, astronaut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(astronaut.image_rgb).save(path)
    ((first, nothing),) = [observe_all([path, None], tmp_path / "kept", workers=1, progress=lambda done, total: None)]
    monkeypatch.setattr(Observer, "observe", None)
    (again,) = observe_all([path], tmp_path / "kept", workers=1, progress=lambda done, total: None)
    np.testing.assert_array_equal(again.points, first.points)
    np.testing.assert_array_equal(again.embeddings["sface"], first.embeddings["sface"])
    assert nothing.score == 0


def test_two_processes_may_see_a_photo_at_once(
    tmp_path: Path, astronaut: Any, seen: Observation, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(astronaut.image_rgb).save(tmp_path / "a.png")
    monkeypatch.setattr(Observer, "observe", lambda self, image_rgb: seen)
    look = partial(observe_all, [tmp_path / "a.png"], tmp_path / "kept", workers=1, progress=lambda done, total: None)
    savez = np.savez

    def overtaken(*given: Any, **fields: Any) -> None:
        savez(*given, **fields)
        monkeypatch.setattr(np, "savez", savez)
        look()

    monkeypatch.setattr(np, "savez", overtaken)
    (first,), (again,) = look(), look()
    np.testing.assert_array_equal(again.points, first.points)
    assert len(list((tmp_path / "kept").iterdir())) == 1


@pytest.mark.filterwarnings("error")
def test_what_nobody_sees_is_not_measured(observer: Observer) -> None:
    nothing = [observer.nothing()] * 3
    assert np.isnan(utility.expression_change(nothing, nothing)).all()
    assert not hard_cases(nothing)


def test_changes_outside_the_face_are_counted(tmp_path: Path, astronaut: Any, seen: Observation) -> None:
    image = astronaut.image_rgb.copy()
    paths = [tmp_path / f"{name}.png" for name in ("source", "inside", "outside")]
    centre = np.round(seen.points.mean(0)).astype(int)
    inside, outside = image.copy(), image.copy()
    inside[centre[1] - 5 : centre[1] + 5, centre[0] - 5 : centre[0] + 5] = 0
    outside[:20] = 0
    for path, picture in zip(paths, (image, inside, outside), strict=True):
        Image.fromarray(picture).save(path)
    shares = utility.changed_outside([paths[0]] * 3, [paths[1], paths[2], None], [seen] * 3, lambda done, total: None)
    assert shares[0] == 0
    assert shares[1] == pytest.approx(20 / len(image), abs=0.01)
    assert np.isnan(shares[2])


def test_medians_come_with_intervals() -> None:
    values = np.random.default_rng(0).exponential(2, 2000)
    values[:10] = np.nan
    of = utility.spread(values)
    assert of.low < of.median < of.high
    assert of.low < 2 * np.log(2) < of.high
    assert of.count == 1990
    assert utility.spread(np.array([np.nan])).count == 0


def test_data_sets_of_three_layouts(tmp_path: Path) -> None:
    for name in ("ann/1.png", "ann/2.png", "ben/1.png", "flat/x.png", "flat/y.png", "flat/z.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    (tmp_path / "ids.txt").write_text("x.png 7\ny.png 7\nz.png 9\n")
    (tmp_path / "list.txt").write_text("x\nz\n")
    flat = tmp_path / "flat"
    assert [p.name for p in load_people(flat)] == ["x", "y", "z"]
    assert [(p.name, len(p.photos)) for p in load_people(flat, identities=tmp_path / "ids.txt")] == [("7", 2), ("9", 1)]
    assert [p.name for p in load_people(flat, listed=tmp_path / "list.txt")] == ["x", "z"]
    people = load_people(tmp_path)
    assert [p.name for p in people] == ["ann", "ben", "flat"]
    assert [(t.photo.name, t.other and t.other.name) for t in draw_trials(people)] == [
        ("2.png", "1.png"),
        ("y.png", "x.png"),
    ]
    assert draw_trials(people, limit=1, seed=3) == draw_trials(people, limit=1, seed=3)
    assert [t.other for t in draw_trials(load_people(flat))] == [None] * 3
    for wrong in (tmp_path / "nowhere", tmp_path / "list.txt"):
        with pytest.raises(InputError):
            load_people(wrong)
    with pytest.raises(InputError, match="list"):
        load_people(flat, listed=tmp_path / "no-list.txt")


def test_a_manifest_holds_photos_to_what_they_were(tmp_path: Path) -> None:
    for number, name in enumerate(("ann/1.png", "ann/2 b.png", "ben/1.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / name)
    ann, _ = load_people(tmp_path)
    manifest = tmp_path / "manifest.sha256"
    manifest.write_text(as_manifest(tmp_path, ann.photos))
    digest = hashlib.sha256((tmp_path / "ann" / "1.png").read_bytes()).hexdigest()
    assert manifest.read_text().splitlines()[0] == f"{digest}  ann/1.png"
    assert load_people(tmp_path, manifest=manifest) == [ann]
    Image.new("RGB", (4, 4), (9, 9, 9)).save(ann.photos[0])
    with pytest.raises(InputError, match=r"1\.png: is missing, or not the photo"):
        load_people(tmp_path, manifest=manifest)
    ann.photos[0].unlink()
    with pytest.raises(InputError, match="is missing"):
        load_people(tmp_path, manifest=manifest)
