"""dlib's ResNet-29, read from dlib's own file and run by OpenCV.

dlib's wheels run it without a BLAS, in one thread that holds the interpreter: about .06 s a face, and OpenCV is several
times as fast. `tests/identity/test_dlib_network.py` compares both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from reverse_personalization.errors import WeightsError
from reverse_personalization.faces.face import ByteArray, FloatArray
from reverse_personalization.identity.onnx_graph import OnnxGraph
from reverse_personalization.identity.onnx_tape import Tape

SIDE: Final = 150
"""Pixels of the network's square input."""
LENGTH: Final = 128
"""Of an embedding."""
MEAN: Final = (122.782, 117.001, 104.298)
SCALE: Final = 1 / 256

# Residual blocks from the input on: their filters, and whether they halve the picture (dlib's `alevel4` to `alevel0`).
_BLOCKS: Final = (
    *((32, False),) * 3,
    *((64, True), (64, False), (64, False), (64, False)),
    *((128, True), (128, False), (128, False)),
    *((256, True), (256, False), (256, False)),
    (256, True),
)
_STEM: Final = 32
# Pixels along a side of what is averaged in the end.
_LAST: Final = 2
_MEAN_OF_FOUR: FloatArray = np.full((2, 2), 0.25, np.float32)
# Where blocks of so many filters halve, their unpadded convolutions end one pixel short of the averages beside them.
_SHORT: Final = 256
_LAYERS: Final = re.compile(rb"con_4|affine_|fc_2")


class DlibNetwork:
    """The network in memory; not for several threads at a time."""

    def __init__(self, path: Path) -> None:
        """Read `dlib_face_recognition_resnet_model_v1.dat`.

        Raises:
            WeightsError: the file holds another network.
        """
        try:
            self._net = cv2.dnn.readNetFromONNX(np.frombuffer(_model(read_parameters(path)), np.uint8))
        except (IndexError, StopIteration, ValueError, cv2.error) as error:
            raise WeightsError(f"{path} does not hold dlib's face recognition network: {error}") from error

    def __call__(self, chip_rgb: ByteArray) -> FloatArray:
        """Embed a uint8 150 x 150 x 3 chip: float32 128."""
        self._net.setInput(cv2.dnn.blobFromImage(chip_rgb, SCALE, mean=MEAN))
        return np.array(self._net.forward(), np.float32).reshape(LENGTH)


def read_parameters(path: Path) -> Iterator[FloatArray]:
    """The parameters of the layers that have some, from the input to the output, each float32 and flat."""
    content = path.read_bytes()
    for found in _LAYERS.finditer(content):
        at = found.end()
        if found.group() == b"fc_2":
            _, at = _integer(content, at)
            _, at = _integer(content, at)
        _, at = _integer(content, at)
        count = 1
        for _ in range(4):
            size, at = _integer(content, at)
            count *= size
        yield np.frombuffer(content, "<f4", count, at)


def _integer(content: bytes, at: int) -> tuple[int, int]:
    """An integer as dlib writes it, a byte with the number of bytes and then those, and where it ends."""
    end = at + 1 + (content[at] & 0xF)
    return int.from_bytes(content[at + 1 : end], "little"), end


def _model(parameters: Iterator[FloatArray]) -> bytes:
    """The network as the content of an ONNX file."""
    graph = OnnxGraph("dlib-resnet", (1, 3, SIDE, SIDE))
    return graph.serialized({embedded(Tape(graph, side=SIDE), parameters): (1, LENGTH, 1, 1)})


def embedded(tape: Tape, parameters: Iterator[FloatArray]) -> str:
    """Add the network of such parameters to a tape, from its input to the embedding, 128 x 1 x 1."""
    value = _convolved(tape, "input", parameters, (_STEM, 3, 7, 7), halve=True)
    value = tape.pool(tape.rectify(value))
    depth = _STEM
    for filters, halve in _BLOCKS:
        value = _block(tape, value, parameters, depth, filters, halve=halve)
        depth = filters
    # Embeddings are of averages.
    head = next(parameters).reshape(depth, LENGTH).T[:, :, None, None] / _LAST**2
    return tape.convolve(value, np.tile(head, (1, 1, _LAST, _LAST)), pads=(0, 0))


def _block(tape: Tape, value: str, parameters: Iterator[FloatArray], depth: int, filters: int, *, halve: bool) -> str:
    """A residual block: two convolutions beside the value itself, or beside its averages where it halves."""
    inner = tape.rectify(_convolved(tape, value, parameters, (filters, depth, 3, 3), halve=halve))
    inner = _convolved(tape, inner, parameters, (filters, filters, 3, 3), halve=False)
    if halve:
        # dlib adds tensors of different sizes as if the smaller one went on with zeros.
        averages = np.eye(filters, depth, dtype=np.float32)[..., None, None] * _MEAN_OF_FOUR
        value = tape.convolve(value, averages, stride=2, pads=(0, 0))
        if filters == _SHORT:
            inner = tape.lengthen(inner)
    return tape.rectify(tape.add(inner, value))


def _convolved(
    tape: Tape, value: str, parameters: Iterator[FloatArray], shape: tuple[int, int, int, int], *, halve: bool
) -> str:
    """A convolution, with the affine layer behind it taken into its weights."""
    own, affine = next(parameters), next(parameters)
    gamma, beta = affine.reshape(2, shape[0])
    kernel, bias = own[: -shape[0]].reshape(shape), own[-shape[0] :]
    kernel, bias = kernel * gamma[:, None, None, None], bias * gamma + beta
    return tape.convolve(value, kernel, bias, stride=2 if halve else 1, pads=(0, 0) if halve else None)
