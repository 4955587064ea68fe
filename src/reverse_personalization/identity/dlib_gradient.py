"""How the embedding of dlib's ResNet follows the pixels that it sees: its network, run backwards by OpenCV."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from reverse_personalization import weights
from reverse_personalization.faces import topology
from reverse_personalization.faces.alignment import similarity_transform, warp_square
from reverse_personalization.faces.face import ByteArray, FloatArray, Mesh
from reverse_personalization.identity.dlib_network import LENGTH, MEAN, SCALE, SIDE, embedded, read_parameters
from reverse_personalization.identity.onnx_graph import OnnxGraph
from reverse_personalization.identity.onnx_tape import Tape

# Corners of the eyes, the left one's first, and below the nose: where dlib's chips have them, and the mesh's vertices.
_TEMPLATE: Final[FloatArray] = np.array(
    [[110.96, 46.35], [89.61, 47.9], [37.06, 46.37], [58.41, 47.91], [74.01, 87.78]], np.float32
)
# Of a squared difference, so that nobody is at no distance from themselves, where slopes have no direction.
_LEAST: Final = 1e-9
_VERTICES: Final = (*topology.LEFT_CORNERS, *topology.RIGHT_CORNERS, topology.NOSE_BASE)


def chip(image_rgb: ByteArray, mesh: Mesh) -> tuple[ByteArray, FloatArray]:
    """The 150 x 150 chip of a face as dlib's network knows them, and the 2 x 3 transform that made it.

    The mesh, not dlib's predictor, tells where it is cut: embeddings are .1 apart, .16 at most (40 training faces).
    """
    matrix = similarity_transform(mesh.points[list(_VERTICES)], _TEMPLATE)
    return warp_square(image_rgb, matrix, SIDE), matrix


class DlibGradient:
    """The network and its transpose in memory; not for several threads at a time."""

    def __init__(self) -> None:
        """Read the weights from dlib's own file."""
        model, self._outputs = _model()
        self._net = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))

    def __call__(self, chip_rgb: ByteArray, known: FloatArray) -> tuple[float, FloatArray]:
        """How much a face is like somebody, and how that follows what is seen of it.

        Args:
            chip_rgb: uint8 150 x 150 x 3, aligned.
            known: float32 128, somebody's embedding.

        Returns:
            The similarity of `DlibResNet`, and by how much it rises with each value of a pixel, 150 x 150 x 3.
        """
        self._net.setInput(cv2.dnn.blobFromImage(chip_rgb, SCALE, mean=MEAN), "input")
        self._net.setInput(np.asarray(known, np.float32).reshape(1, -1, 1, 1), "known")
        distance, slopes = self._net.forward(self._outputs)
        return 1 - float(distance.ravel()[0]) / 2, np.asarray(-SCALE / 2 * slopes[0].transpose(1, 2, 0), np.float32)


def _model() -> tuple[bytes, tuple[str, str]]:
    """The network from the image to its distance to somebody, and back from there, as an ONNX file's content.

    Its outputs are the distance and the gradient.
    """
    graph = OnnxGraph("dlib-gradient", (1, 3, SIDE, SIDE))
    known = graph.input("known", (1, LENGTH, 1, 1))
    tape = Tape(graph, side=SIDE)
    embedding = embedded(tape, read_parameters(weights.path("dlib-resnet")))
    apart = graph.add("Sub", embedding, known)
    squares = graph.add("Add", graph.add("Mul", apart, apart), weights=[np.full((1, 1, 1, 1), _LEAST, np.float32)])
    distance = graph.add("Sqrt", graph.summed(squares, LENGTH))
    gradient = tape.follow(embedding, graph.add("Div", apart, distance))
    return graph.serialized({distance: (1, 1, 1, 1), gradient: (1, 3, SIDE, SIDE)}), (distance, gradient)
