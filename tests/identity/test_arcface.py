"""ArcFace as a recogniser, on a network of its input and output whose embeddings are known."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reverse_personalization import weights
from reverse_personalization.errors import WeightsError
from reverse_personalization.faces.alignment import arcface_crop
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity import arcface
from reverse_personalization.identity.arcface import ArcFace
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.identity.onnx_recogniser import OnnxFile, OnnxRecogniser

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def write_network(path: Path, projection: FloatArray, size: int = 112) -> None:
    """A network whose embedding is the mean of each channel times `projection`."""
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["input.1", "axes"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", "projection"], ["683"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, ["None", 3, size, size])],
        [helper.make_tensor_value_info("683", TensorProto.FLOAT, ["None", projection.shape[1]])],
        [
            numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
            numpy_helper.from_array(projection, "projection"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, path)


@pytest.fixture
def projection() -> FloatArray:
    return np.random.default_rng(0).standard_normal((3, 512), np.float32)


@pytest.fixture
def file(tmp_path: Path, projection: FloatArray) -> Path:
    write_network(tmp_path / "tiny.onnx", projection)
    return tmp_path / "tiny.onnx"


def test_pixels_go_in_as_rgb_from_minus_one_to_one(file: Path, projection: FloatArray) -> None:
    crop = np.empty((112, 112, 3), np.uint8)
    crop[:] = (255, 0, 51)
    embedding = ArcFace(file).embed_crop(crop)
    assert (embedding.shape, embedding.dtype) == ((512,), np.float32)
    np.testing.assert_allclose(embedding, np.float32([1, -1, -0.6]) @ projection, atol=1e-4)


def test_a_face_is_embedded_from_its_aligned_crop(file: Path, astronaut: Any) -> None:
    recogniser: Recogniser = ArcFace(file)
    embedding = recogniser.embed(astronaut.image_rgb, astronaut.face)
    crop, _ = arcface_crop(astronaut.image_rgb, astronaut.face.keypoints)
    np.testing.assert_array_equal(embedding, ArcFace(file).embed_crop(crop))
    assert recogniser.similarity(embedding, 3 * embedding).item() == pytest.approx(1, abs=1e-5)
    assert recogniser.similarity(embedding, -embedding).item() == pytest.approx(-1, abs=1e-5)


def test_the_tables_file_is_the_default(file: Path, monkeypatch: pytest.MonkeyPatch, projection: FloatArray) -> None:
    monkeypatch.setattr(weights, "path", lambda name: {"arcface": file}[name])
    grey = np.full((112, 112, 3), 255, np.uint8)
    np.testing.assert_allclose(ArcFace().embed_crop(grey), projection.sum(0), atol=1e-4)


def test_the_licence_is_said_once_in_a_process(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    arcface._tell_licence.cache_clear()
    with caplog.at_level(logging.WARNING):
        ArcFace(file)
        ArcFace(file)
    said = "ArcFace's weights (InsightFace buffalo_l) are licensed for non-commercial research only."
    assert caplog.messages == [said]


def test_it_guides_and_has_no_threshold_to_verify_with() -> None:
    from reverse_personalization.identity.thresholds import threshold

    with pytest.raises(KeyError):
        threshold(ArcFace.name)


@pytest.mark.parametrize(("size", "length"), [(224, 512), (112, 128)])
def test_another_network_is_refused(tmp_path: Path, size: int, length: int) -> None:
    write_network(tmp_path / "other.onnx", np.ones((3, length), np.float32), size)
    with pytest.raises(WeightsError, match=rf"^other.onnx: .*({size}, {size}|gives {length} numbers)"):
        ArcFace(tmp_path / "other.onnx")


def test_a_file_that_is_no_network_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"\x00not protobuf")
    with pytest.raises(WeightsError, match=r"^bad.onnx: no ONNX network \(\w+\)\..* run `revpers models pull"):
        ArcFace(tmp_path / "bad.onnx")
    with pytest.raises(WeightsError, match=r"none.onnx: there is no such ONNX file; .* run `revpers models"):
        ArcFace(tmp_path / "none.onnx")


def test_without_onnxruntime(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        WeightsError, match=r"need onnxruntime; run `pip install 'reverse-personalization\[insightface\]'"
    ):
        ArcFace(file)


def test_another_file_reads_its_own_channels(file: Path, projection: FloatArray) -> None:
    crop = np.empty((112, 112, 3), np.uint8)
    crop[:] = (255, 0, 51)
    swapped = OnnxRecogniser(OnnxFile("adaface", file, "bgr")).embed_crop(crop)
    np.testing.assert_allclose(swapped, np.array([-0.6, -1, 1], np.float32) @ projection, rtol=1e-4, atol=1e-4)


def test_a_network_of_another_size_is_no_recogniser(tmp_path: Path, projection: FloatArray) -> None:
    write_network(tmp_path / "big.onnx", projection, size=224)
    with pytest.raises(WeightsError, match="112 x 112"):
        OnnxRecogniser(OnnxFile("big", tmp_path / "big.onnx"))
