"""How SFace's embedding follows the pixels that it sees: its network, run backwards by OpenCV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np

from reverse_personalization import weights
from reverse_personalization.faces.face import ByteArray, FloatArray
from reverse_personalization.identity.onnx_graph import OnnxGraph

SIDE: Final = 112
"""Pixels of the network's square input."""
MEAN: Final = (127.5, 127.5, 127.5)
SCALE: Final = 1 / 128

# The network is MobileNet: a convolution, then 13 pairs of one in each channel and one across channels; the 3rd, 5th,
# 7th and 13th pair halve the picture.
_PAIRS: Final = 13
_HALVING: Final = frozenset(f"conv_{pair}_dw" for pair in (3, 5, 7, 13))
# Pixels along a side of what the last convolution sees.
_LAST: Final = 7
_NORM_EPSILON, _HEAD_EPSILON = 1e-3, 2e-5


class _Layer(NamedTuple):
    """A convolution with its normalisation taken into its weights, and the slopes of the PReLU behind it."""

    kernel: FloatArray
    bias: FloatArray
    slope: FloatArray
    groups: int
    stride: int


class SFaceGradient:
    """The network and its transpose in memory; not for several threads at a time."""

    def __init__(self) -> None:
        """Read SFace's weights as OpenCV holds them."""
        net = cv2.dnn.readNetFromONNX(str(weights.path("sface")))
        layers = list(_layers(net))
        self._head, self._values = _head(net), (1, len(layers[-1].bias), _LAST, _LAST)
        self._net = cv2.dnn.readNetFromONNX(np.frombuffer(_model(layers), np.uint8))

    def __call__(self, crop_rgb: ByteArray, direction: FloatArray) -> FloatArray:
        """By how much the embedding moves along a direction, for each pixel's change by one level.

        Args:
            crop_rgb: uint8 112 x 112 x 3, aligned.
            direction: float32 128, in the space of embeddings that are not normalised.

        Returns:
            float32 112 x 112 x 3.
        """
        above = np.asarray(direction @ self._head, np.float32).reshape(self._values)
        self._net.setInput(cv2.dnn.blobFromImage(crop_rgb, SCALE, mean=MEAN), "input")
        self._net.setInput(above, "above")
        return np.asarray(SCALE * self._net.forward()[0].transpose(1, 2, 0), np.float32)


def _layers(net: cv2.dnn.Net) -> Iterator[_Layer]:
    """The convolutions from the input on."""
    pairs = range(2, _PAIRS + 2)
    for name in ("conv_1", *(name for pair in pairs for name in (f"conv_{pair}_dw", f"conv_{pair}"))):
        scale, bias = _normalisation(net, f"{name}_batchnorm", _NORM_EPSILON)
        kernel = _blobs(net, f"{name}_conv2d")[0] * scale[:, None, None, None]
        groups = len(bias) if name.endswith("_dw") else 1
        yield _Layer(kernel, bias, _blobs(net, f"{name}_relu")[0].ravel(), groups, 2 if name in _HALVING else 1)


def _head(net: cv2.dnn.Net) -> FloatArray:
    """What the embedding is of the last convolution's values, 128 x 50176, apart from a constant."""
    inner, _ = _normalisation(net, "bn1", _HEAD_EPSILON)
    outer, _ = _normalisation(net, "fc1", _HEAD_EPSILON)
    return np.asarray(outer[:, None] * _blobs(net, "pre_fc1")[0] * np.repeat(inner, _LAST**2), np.float32)


def _normalisation(net: cv2.dnn.Net, name: str, epsilon: float) -> tuple[FloatArray, FloatArray]:
    """A batch normalisation as a scale and a shift of each channel."""
    mean, variance, gamma, beta = (blob.ravel() for blob in _blobs(net, name))
    scale = gamma / np.sqrt(variance + epsilon)
    return scale, beta - mean * scale


def _blobs(net: cv2.dnn.Net, name: str) -> list[FloatArray]:
    return [np.asarray(blob, np.float32) for blob in net.getLayer(net.getLayerId(f"onnx_node!{name}")).blobs]


def _model(layers: Sequence[_Layer]) -> bytes:
    """The network from the image to its last values, and back from what changes those, as an ONNX file's content."""
    graph = OnnxGraph("sface-gradient", (1, 3, SIDE, SIDE))
    gradient = graph.input("above", (1, len(layers[-1].bias), _LAST, _LAST))
    slopes, value = [], "input"
    for layer in layers:
        before = _convolved(graph, value, layer.kernel, layer.bias, stride=layer.stride, groups=layer.groups)
        slopes.append(_slope(graph, before, layer.slope))
        value = graph.add("Mul", before, slopes[-1])
    for layer, slope in zip(reversed(layers), reversed(slopes), strict=True):
        gradient = _transposed(graph, graph.add("Mul", gradient, slope), layer)
    return graph.serialized(gradient, (1, 3, SIDE, SIDE))


def _slope(graph: OnnxGraph, before: str, negative: FloatArray) -> str:
    """A PReLU's slope at each value: 1 above 0, its channel's below."""
    of_channel = negative[None, :, None, None]
    positive = graph.add("Relu", graph.add("Sign", before))
    return graph.add("Add", graph.add("Mul", positive, weights=[1 - of_channel]), weights=[of_channel])


def _transposed(graph: OnnxGraph, gradient: str, layer: _Layer) -> str:
    """How something follows a layer's input, given how it follows its convolution."""
    if layer.stride > 1:
        return graph.add(
            "ConvTranspose",
            gradient,
            weights=[layer.kernel],
            kernel_shape=layer.kernel.shape[2:],
            strides=(layer.stride,) * 2,
            pads=(1,) * 4,
            output_padding=(layer.stride - 1,) * 2,
            group=layer.groups,
        )
    # OpenCV runs the same as a convolution in less than half of the time.
    flipped = layer.kernel[:, :, ::-1, ::-1]
    kernel = flipped if layer.groups > 1 else flipped.transpose(1, 0, 2, 3)
    return _convolved(graph, gradient, kernel, np.zeros(len(kernel), np.float32), stride=1, groups=layer.groups)


def _convolved(graph: OnnxGraph, value: str, kernel: FloatArray, bias: FloatArray, *, stride: int, groups: int) -> str:
    side = kernel.shape[2]
    return graph.add(
        "Conv",
        value,
        weights=[np.ascontiguousarray(kernel), bias],
        kernel_shape=(side,) * 2,
        strides=(stride,) * 2,
        pads=(side // 2,) * 4,
        group=groups,
    )
