"""SFace as a differentiable torch module, from the same ONNX file that the recogniser runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F


class DifferentiableSFace(nn.Module):
    """Interprets SFace's graph with its block-quantised weights expanded to float32."""

    def __init__(self, path: Path) -> None:
        """Read the graph of the weights table's `sface` file."""
        super().__init__()
        graph = onnx.load(str(path)).graph
        constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        self._nodes = []
        for node in graph.node:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "DequantizeLinear":
                constants[node.output[0]] = _dequantise(*(constants[i] for i in node.input), **attributes)
            elif node.op_type == "Reshape":
                constants[node.output[0]] = constants[node.input[0]].reshape(constants[node.input[1]])
            elif node.op_type != "Constant":
                self._nodes.append((node.op_type, list(node.input), node.output[0], attributes))
        self._constants = {
            name: torch.from_numpy(np.array(value, np.float32))
            for name, value in constants.items()
            if not name.endswith(("_quantized", "_scales", "_zero_point", "_shape"))
        }
        self._input, self._output = graph.input[0].name, graph.output[0].name

    def forward(self, rgb: Tensor) -> Tensor:
        """Embed aligned crops, n x 3 x 112 x 112 RGB of 0 to 255; returns n x 128."""
        values: dict[str, Tensor] = dict(self._constants)
        values[self._input] = rgb
        for op, inputs, output, attributes in self._nodes:
            values[output] = _OPERATIONS[op](attributes, *(values[i] for i in inputs if i in values))
        return values[self._output]


def _dequantise(quantised: Any, scale: Any, zero_point: Any, *, axis: int, block_size: int) -> Any:
    size = quantised.shape[axis]
    scale, zero_point = (
        np.repeat(v, block_size, axis=axis).take(range(size), axis=axis) for v in (scale, zero_point)
    )
    return (quantised.astype(np.float32) - zero_point.astype(np.float32)) * scale


def _conv(attributes: dict[str, Any], x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    if (top, left) != (bottom, right):
        x = F.pad(x, (left, right, top, bottom))
        top = left = 0
    strides, groups = attributes.get("strides", [1, 1]), attributes.get("group", 1)
    return F.conv2d(x, weight, bias, stride=strides, padding=(top, left), groups=groups)


def _batch_norm(attributes: dict[str, Any], x: Tensor, *parameters: Tensor) -> Tensor:
    gamma, beta, mean, variance = parameters
    return F.batch_norm(x, mean, variance, gamma, beta, eps=attributes["epsilon"])


_OPERATIONS: dict[str, Any] = {
    "Conv": _conv,
    "BatchNormalization": _batch_norm,
    "PRelu": lambda _, x, slope: F.prelu(x, slope.flatten()),
    "Sub": lambda _, x, y: x - y,
    "Mul": lambda _, x, y: x * y,
    "Dropout": lambda _, x, *ratio: x,
    "Flatten": lambda _, x: x.flatten(1),
    "Gemm": lambda _, x, weight, bias: x @ weight.T + bias,
}
