"""A network whose layers are remembered as they are added to a graph, so that the graph can also run them backwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np

from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.onnx_graph import OnnxGraph, ends

# From how something follows a layer's output to how it follows one of its inputs, each a value's name.
_Back = Callable[[str], str]
_POOLED: Final = 3
# Channels up to which OpenCV's transposed convolutions are faster than convolutions between zeros: a picture's.
_FEW: Final = 4
_CORNER: FloatArray = np.array([[1, 0], [0, 0]], np.float32)


class _Layer(NamedTuple):
    """What a layer gives, and how slopes get back to what it takes."""

    output: str
    back: Mapping[str, _Back]


class _Shape(NamedTuple):
    """Of a value: it is square."""

    channels: int
    side: int


class Tape:
    """Layers between an input and what is made of it. `follow` runs them backwards, and is asked for after them all."""

    def __init__(self, graph: OnnxGraph, *, side: int) -> None:
        """Begin at the "input" of a graph, 3 x side x side."""
        self._graph = graph
        self._shapes = {"input": _Shape(3, side)}
        self._layers: list[_Layer] = []

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
        """Add a convolution, see `OnnxGraph.convolve`; kernels are square."""
        (_, side), size = self._shapes[value], kernel.shape[2]
        before, after = ends(kernel, pads)
        output = self._graph.convolve(value, kernel, bias, stride=stride, groups=groups, pads=(before, after))
        steps, rest = divmod(side + before + after - size, stride)
        shape = _Shape(len(kernel), steps + 1)

        def back(slopes: str) -> str:
            if shape.side == 1 and size == side:
                return self._unfolded(slopes, kernel)
            if groups == 1 and stride > 1 and kernel.shape[1] <= _FEW:
                return self._transposed(slopes, kernel, stride, (before, after), rest=rest)
            return self._turned(slopes, kernel, shape.side, side, stride=stride, groups=groups, before=before)

        return self._remembered(output, shape, {value: back})

    def project(self, value: str, matrix: str, length: int) -> str:
        """Add the products of all that a value holds with a matrix, `length` x as many, which is an input of the graph.

        OpenCV holds one copy of an input, and several of a weight.
        """
        graph, (channels, side) = self._graph, self._shapes[value]
        row = graph.add("Reshape", value, shape=(1, channels * side**2))
        output = graph.add("Reshape", graph.add("Gemm", row, matrix, transB=1), shape=(1, length, 1, 1))

        def back(slopes: str) -> str:
            of_row = graph.add("Gemm", graph.add("Reshape", slopes, shape=(1, length)), matrix)
            return graph.add("Reshape", of_row, shape=(1, channels, side, side))

        return self._remembered(output, _Shape(length, 1), {value: back})

    def rectify(self, value: str) -> str:
        """Add a ReLU."""
        graph, output = self._graph, self._graph.add("Relu", value)
        back = {value: lambda slopes: graph.add("Mul", slopes, graph.add("Sign", output))}
        return self._remembered(output, self._shapes[value], back)

    def bend(self, value: str, negative: FloatArray) -> str:
        """Add a PReLU with each channel's slope below zero (c)."""
        graph = self._graph
        # Its slope is 1 above 0, and its channel's below, which another PReLU makes of the sign.
        slope = graph.add("PRelu", graph.add("Sign", value), weights=[-negative[:, None, None]])
        back = {value: lambda slopes: graph.add("Mul", slopes, slope)}
        return self._remembered(graph.add("Mul", value, slope), self._shapes[value], back)

    def add(self, one: str, other: str) -> str:
        """Add the sum of two values."""
        output = self._graph.add("Add", one, other)
        return self._remembered(output, self._shapes[one], {one: lambda slopes: slopes, other: lambda slopes: slopes})

    def pool(self, value: str) -> str:
        """Add the largest of every 3 x 3 values, in steps of two."""
        graph, (channels, side) = self._graph, self._shapes[value]
        output = graph.add("MaxPool", value, kernel_shape=(_POOLED, _POOLED), strides=(2, 2))
        shape = _Shape(channels, (side - _POOLED) // 2 + 1)

        def back(slopes: str) -> str:
            return self._sum([self._through(value, output, slopes, one) for one in _one_hot(channels)])

        return self._remembered(output, shape, {value: back})

    def lengthen(self, value: str) -> str:
        """Add a row and a column of zeros."""
        graph, (channels, side) = self._graph, self._shapes[value]
        output = graph.add("Pad", value, pads=(0, 0, 0, 0, 0, 0, 1, 1))
        corner = np.tile(_CORNER, (channels, 1, 1, 1))
        back = {value: lambda slopes: graph.convolve(slopes, corner, groups=channels, pads=(0, 0))}
        return self._remembered(output, _Shape(channels, side + 1), back)

    def follow(self, value: str, slopes: str) -> str:
        """How something follows the input, given how it follows a value."""
        coming = {value: [slopes]}
        for layer in reversed(self._layers):
            if layer.output in coming:
                total = self._sum(coming.pop(layer.output))
                for source, back in layer.back.items():
                    coming.setdefault(source, []).append(back(total))
        return self._sum(coming["input"])

    def _remembered(self, output: str, shape: _Shape, back: Mapping[str, _Back]) -> str:
        self._shapes[output] = shape
        self._layers.append(_Layer(output, back))
        return output

    def _sum(self, values: list[str]) -> str:
        total = values[0]
        for value in values[1:]:
            total = self._graph.add("Add", total, value)
        return total

    def _unfolded(self, slopes: str, kernel: FloatArray) -> str:
        """What goes back through a kernel that saw all of its input."""
        per_output = kernel.reshape(len(kernel), -1).T[:, :, None, None]
        return self._graph.add("Reshape", self._graph.convolve(slopes, per_output), shape=(1, *kernel.shape[1:]))

    def _transposed(self, slopes: str, kernel: FloatArray, stride: int, pads: tuple[int, int], *, rest: int) -> str:
        """What goes back through a convolution that took steps, and did not reach the last `rest` of its input."""
        graph, size, around = self._graph, kernel.shape[2:], tuple(np.repeat(pads, 2).tolist())
        wide = graph.add(
            "ConvTranspose", slopes, weights=[kernel], kernel_shape=size, strides=(stride,) * 2, pads=around
        )
        return graph.add("Pad", wide, pads=(0, 0, 0, 0, 0, 0, rest, rest)) if rest else wide

    def _turned(
        self, slopes: str, kernel: FloatArray, given: int, side: int, *, stride: int, groups: int, before: int
    ) -> str:
        """What goes back through a convolution that made a value `given` square of one `side` square."""
        flipped = kernel[:, :, ::-1, ::-1]
        turned = flipped if groups > 1 else flipped.transpose(1, 0, 2, 3)
        # As many zeros as make it as large as the input was.
        around = kernel.shape[2] - 1 - before, side - stride * given + before
        return self._graph.convolve(self._spread(slopes, given, stride), turned, groups=groups, pads=around)

    def _spread(self, value: str, side: int, stride: int) -> str:
        """A value, `side` square, between zeros where a layer took steps."""
        if stride == 1:
            return value
        reached = np.zeros((1, 1, stride * side, stride * side), np.float32)
        reached[..., ::stride, ::stride] = 1
        scales = np.array([1, 1, stride, stride], np.float32)
        spread = self._graph.add("Upsample", value, weights=[scales], mode="nearest")
        return self._graph.add("Mul", spread, weights=[reached])

    def _through(self, value: str, largest: str, slopes: str, one: FloatArray) -> str:
        """What goes back through one place of a pooling's windows: all where it holds the largest value."""
        graph, (channels, side) = self._graph, self._shapes[value]
        there = graph.convolve(value, one, stride=2, groups=channels, pads=(0, 0))
        less = graph.add("Sign", graph.add("Sub", largest, there))
        passed = graph.add("Sub", slopes, graph.add("Mul", slopes, less))
        return self._turned(passed, one, self._shapes[largest].side, side, stride=2, groups=channels, before=0)


def _one_hot(channels: int) -> list[FloatArray]:
    """Depthwise kernels, each of which sees one place of a window: c x 1 x 3 x 3."""
    places = np.eye(_POOLED**2, dtype=np.float32).reshape(-1, 1, 1, _POOLED, _POOLED)
    return [np.repeat(place, channels, 0) for place in places]
