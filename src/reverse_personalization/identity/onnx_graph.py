"""A network as an ONNX model, written without the `onnx` package: the few messages that a chain of layers needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from reverse_personalization.faces.face import FloatArray

# Field and type numbers of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
_IR_VERSION: Final = 4
_OPSET: Final = 9
_FLOAT: Final = 1
_INT: Final = 2
_TEXT: Final = 3
_INTS: Final = 7


class OnnxGraph:
    """A graph that grows by one layer at a time; values are known by the names that `add` returns."""

    def __init__(self, name: str, input_shape: Sequence[int]) -> None:
        """Begin with one float input, "input", of `input_shape`."""
        self._nodes: list[bytes] = []
        self._weights: list[bytes] = []
        self._name = name
        self._inputs = [_value("input", input_shape)]

    def input(self, name: str, shape: Sequence[int]) -> str:
        """Add another float input, and return its name."""
        self._inputs.append(_value(name, shape))
        return name

    def add(
        self, operator: str, *inputs: str, weights: Sequence[FloatArray] = (), **attributes: int | str | Sequence[int]
    ) -> str:
        """Add an operator of opset 9 with its weights, and return the name of its output."""
        output = f"{operator.lower()}{len(self._nodes)}"
        names = [f"{output}.{i}" for i in range(len(weights))]
        self._weights += [_tensor(*named) for named in zip(names, weights, strict=True)]
        self._nodes.append(
            b"".join(_text(1, name) for name in (*inputs, *names))
            + _text(2, output)
            + _text(3, output)
            + _text(4, operator)
            + b"".join(_bytes(5, _attribute(*item)) for item in attributes.items())
        )
        return output

    def convolve(
        self,
        value: str,
        kernel: FloatArray,
        bias: FloatArray | None = None,
        *,
        stride: int = 1,
        groups: int = 1,
        pads: tuple[int, int] | None = None,
    ) -> str:
        """Add a convolution with a kernel of o x i x k x k.

        `pads` are zeros before and after each row and column; by default the output is as large as the input / stride.
        """
        before, after = ends(kernel, pads)
        return self.add(
            "Conv",
            value,
            weights=[np.ascontiguousarray(kernel)] if bias is None else [np.ascontiguousarray(kernel), bias],
            kernel_shape=kernel.shape[2:],
            strides=(stride, stride),
            pads=(before, before, after, after),
            group=groups,
        )

    def summed(self, value: str, channels: int) -> str:
        """Add the sum of a value's channels."""
        return self.convolve(value, np.ones((1, channels, 1, 1), np.float32))

    def serialized(self, outputs: Mapping[str, Sequence[int]]) -> bytes:
        """The model that computes the values of these names and shapes, as the content of an ONNX file."""
        # Joined once: with every nested message copied, a large model would take several times its size.
        graph = [
            *(_bytes(1, node) for node in self._nodes),
            _text(2, self._name),
            *(part for weights in self._weights for part in (_header(5, len(weights)), weights)),
            *(_bytes(11, value) for value in self._inputs),
            *(_bytes(12, _value(*output)) for output in outputs.items()),
        ]
        size = sum(len(part) for part in graph)
        return b"".join([_integer(1, _IR_VERSION), _header(7, size), *graph, _bytes(8, _integer(2, _OPSET))])


def ends(kernel: FloatArray, pads: tuple[int, int] | None) -> tuple[int, int]:
    """Zeros before and after each row and column that a kernel of o x i x k x k sees: by default half its size."""
    return (kernel.shape[2] // 2,) * 2 if pads is None else pads


def _varint(value: int) -> bytes:
    """Protocol Buffers' base-128 encoding of an integer that is not negative."""
    low = []
    while value > 0x7F:
        low.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*low, value])


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _header(field: int, size: int) -> bytes:
    return _varint(field << 3 | 2) + _varint(size)


def _bytes(field: int, content: bytes) -> bytes:
    return _header(field, len(content)) + content


def _text(field: int, content: str) -> bytes:
    return _bytes(field, content.encode())


def _attribute(name: str, values: int | str | Sequence[int]) -> bytes:
    if isinstance(values, str):
        return _text(1, name) + _text(4, values) + _integer(20, _TEXT)
    if isinstance(values, int):
        return _text(1, name) + _integer(3, values) + _integer(20, _INT)
    return _text(1, name) + b"".join(_integer(8, value) for value in values) + _integer(20, _INTS)


def _tensor(name: str, values: FloatArray) -> bytes:
    dims = b"".join(_integer(1, size) for size in values.shape)
    return dims + _integer(2, _FLOAT) + _text(8, name) + _bytes(9, np.asarray(values, "<f4").tobytes())


def _value(name: str, shape: Sequence[int]) -> bytes:
    dims = b"".join(_bytes(1, _integer(1, size)) for size in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _integer(1, _FLOAT) + _bytes(2, dims)))
