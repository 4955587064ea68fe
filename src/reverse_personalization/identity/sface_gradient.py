"""How SFace's embedding follows the pixels that it sees: its network, run backwards by OpenCV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np

from reverse_personalization import weights
from reverse_personalization.faces.face import ByteArray, FloatArray
from reverse_personalization.identity.onnx_graph import OnnxGraph
from reverse_personalization.identity.onnx_tape import Tape

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
        layers, (head, bias) = list(_layers(net)), _head(net)
        model, self._outputs = _model(layers, bias, values=head.shape[1])
        del net, layers  # not while OpenCV holds the model twice
        self._net = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))
        self._net.setInput(head, "head")

    def __call__(self, crop_rgb: ByteArray, known: FloatArray) -> tuple[float, FloatArray]:
        """How much a face is like somebody, and how that follows what is seen of it.

        Args:
            crop_rgb: uint8 112 x 112 x 3, aligned.
            known: float32 128, somebody's embedding, a unit vector.

        Returns:
            The cosine, -1 to 1, and by how much it rises with each value of a pixel, float32 112 x 112 x 3.
        """
        self._net.setInput(cv2.dnn.blobFromImage(crop_rgb, SCALE, mean=MEAN), "input")
        self._net.setInput(np.asarray(known, np.float32).reshape(1, -1, 1, 1), "known")
        cosine, slopes = self._net.forward(self._outputs)
        return float(cosine.ravel()[0]), np.asarray(SCALE * slopes[0].transpose(1, 2, 0), np.float32)


def _layers(net: cv2.dnn.Net) -> Iterator[_Layer]:
    """The convolutions from the input on."""
    pairs = range(2, _PAIRS + 2)
    for name in ("conv_1", *(name for pair in pairs for name in (f"conv_{pair}_dw", f"conv_{pair}"))):
        scale, bias = _normalisation(net, f"{name}_batchnorm", _NORM_EPSILON)
        kernel = _blobs(net, f"{name}_conv2d")[0] * scale[:, None, None, None]
        groups = len(bias) if name.endswith("_dw") else 1
        yield _Layer(kernel, bias, _blobs(net, f"{name}_relu")[0].ravel(), groups, 2 if name in _HALVING else 1)


def _head(net: cv2.dnn.Net) -> tuple[FloatArray, FloatArray]:
    """The embedding as products of the last convolution's values: 128 x 50176, and a bias."""
    (inner, shift), (outer, last) = _normalisation(net, "bn1", _HEAD_EPSILON), _normalisation(net, "fc1", _HEAD_EPSILON)
    within, *bias = _blobs(net, "pre_fc1")
    before = within @ np.repeat(shift, _LAST**2) + (bias[0].ravel() if bias else 0)
    products = outer[:, None] * within * np.repeat(inner, _LAST**2)
    return np.asarray(products, np.float32), np.asarray(outer * before + last, np.float32)


def _normalisation(net: cv2.dnn.Net, name: str, epsilon: float) -> tuple[FloatArray, FloatArray]:
    """A batch normalisation as a scale and a shift of each channel."""
    mean, variance, gamma, beta = (blob.ravel() for blob in _blobs(net, name))
    scale = gamma / np.sqrt(variance + epsilon)
    return scale, beta - mean * scale


def _blobs(net: cv2.dnn.Net, name: str) -> list[FloatArray]:
    return [np.asarray(blob, np.float32) for blob in net.getLayer(net.getLayerId(f"onnx_node!{name}")).blobs]


def _model(layers: Sequence[_Layer], bias: FloatArray, *, values: int) -> tuple[bytes, tuple[str, str]]:
    """The network from the image to its likeness to somebody, and back from there, as an ONNX file's content.

    Its head, which takes so many values of the last layer, is an input; its outputs are the cosine and the gradient.
    """
    graph, length = OnnxGraph("sface-gradient", (1, 3, SIDE, SIDE)), len(bias)
    known, head = graph.input("known", (1, length, 1, 1)), graph.input("head", (length, values))
    tape, value = Tape(graph, side=SIDE), "input"
    for layer in layers:
        value = tape.convolve(value, layer.kernel, layer.bias, stride=layer.stride, groups=layer.groups)
        value = tape.bend(value, layer.slope)
    products = tape.project(value, head, length)
    embedding = graph.add("Add", products, weights=[bias[None, :, None, None]])
    norm = graph.add("Sqrt", graph.summed(graph.add("Mul", embedding, embedding), length))
    unit = graph.add("Div", embedding, norm)
    cosine = graph.summed(graph.add("Mul", unit, known), length)
    # A unit vector's slopes have no part along itself.
    across = graph.add("Sub", known, graph.add("Mul", unit, cosine))
    gradient = tape.follow(products, graph.add("Div", across, norm))
    return graph.serialized({cosine: (1, 1, 1, 1), gradient: (1, 3, SIDE, SIDE)}), (cosine, gradient)
