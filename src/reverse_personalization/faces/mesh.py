"""The 468-vertex mesh and the irises: MediaPipe's networks, run in LiteRT."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from reverse_personalization import weights
from reverse_personalization.errors import EngineError
from reverse_personalization.faces import topology
from reverse_personalization.faces.alignment import invert_transform, transform_points, warp_square
from reverse_personalization.faces.face import ByteArray, Face, FloatArray, Mesh

INPUT = 192
# The network was trained on squares 1.5 times as wide as the face.
# Below this the mesh lies on something that is no face, or not well.
LEAST_SCORE = 0.5
MARGIN = 1.5
IRIS_INPUT = 64
IRIS_MARGIN = 2.3
# The eye's corners among the 71 points of its contour and brow.
CONTOUR_OUTER, CONTOUR_INNER = 0, 8


def _interpreter(name: str) -> Interpreter:
    path = str(weights.path(name))
    with _silenced():
        interpreter = Interpreter(path, num_threads=1)
        interpreter.allocate_tensors()
    return interpreter


@contextmanager
def _silenced() -> Iterator[None]:
    """LiteRT announces its delegate on file descriptor 2, and has no setting against it."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _square(centre: FloatArray, side: float, right: FloatArray, size: int) -> FloatArray:
    """2 x 3 transform to a `size` square of `side` pixels whose x axis points along `right`."""
    x = right / max(float(np.linalg.norm(right)), 1e-6)
    rows = np.array([[x[0], x[1]], [-x[1], x[0]]], np.float32) * (size / side)
    return np.column_stack([rows, size / 2 - rows @ centre]).astype(np.float32)


class FaceMesher:
    """Lays the mesh on detected faces."""

    def __init__(self) -> None:
        """Load the network."""
        self._net = _interpreter("face-mesh")
        self._input = self._net.get_input_details()[0]["index"]
        self._vertices, self._score = (d["index"] for d in self._net.get_output_details())

    def mesh(self, image_rgb: ByteArray, face: Face, *, rounds: int = 2) -> Mesh:
        """The mesh of `face`; each round starts from the square that the last one suggests.

        Args:
            image_rgb: uint8 H x W x 3.
            face: from a detector, on the same picture.
            rounds: network runs, at least 1; two are steady.
        """
        x, y, w, h = face.box
        centre = np.array([x + w / 2, y + h / 2], np.float32)
        right = face.keypoints[1] - face.keypoints[0]
        mesh = self._run(image_rgb, _square(centre, MARGIN * max(w, h), right, INPUT))
        for _ in range(rounds - 1):
            mesh = self._run(image_rgb, self._square_of(mesh))
        return mesh

    def fitted(self, image_rgb: ByteArray, face: Face) -> Mesh:
        """As `mesh`, where one fits.

        Raises:
            EngineError: none does.
        """
        mesh = self.mesh(image_rgb, face)
        if mesh.score < LEAST_SCORE:
            raise EngineError(f"No mesh fits the face (score {mesh.score:.2f}, at least {LEAST_SCORE} needed).")
        return mesh

    def again(self, image_rgb: ByteArray, mesh: Mesh) -> Mesh:
        """The mesh of what is in another's place, seen through that one's square."""
        return self._run(image_rgb, self._square_of(mesh))

    @staticmethod
    def _square_of(mesh: Mesh) -> FloatArray:
        right = mesh.points[263] - mesh.points[33]
        level = _square(np.zeros(2, np.float32), 1.0, right, 1)[:, :2]
        turned = mesh.points @ level.T
        low, high = turned.min(0), turned.max(0)
        centre = ((low + high) / 2) @ level
        return _square(centre, MARGIN * float((high - low).max()), right, INPUT)

    def _run(self, image_rgb: ByteArray, matrix: FloatArray) -> Mesh:
        crop = warp_square(image_rgb, matrix, INPUT)
        self._net.set_tensor(self._input, crop[None].astype(np.float32) / 255)
        self._net.invoke()
        vertices = self._net.get_tensor(self._vertices).reshape(topology.VERTICES, 3)
        logit = float(self._net.get_tensor(self._score).item())
        scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
        points = transform_points(invert_transform(matrix), vertices[:, :2])
        return Mesh(
            vertices=np.column_stack([points, vertices[:, 2] / scale]).astype(np.float32),
            score=float(1 / (1 + np.exp(-logit))),
        )


class IrisFinder:
    """Finds the irises of a meshed face, and the corners of its eyes."""

    def __init__(self) -> None:
        """Load the network."""
        self._net = _interpreter("iris")
        self._input = self._net.get_input_details()[0]["index"]
        outputs = {int(np.prod(d["shape"])): d["index"] for d in self._net.get_output_details()}
        self._iris, self._contour = outputs[15], outputs[213]

    def eyes(self, image_rgb: ByteArray, mesh: Mesh, *, aside: float = 0.0, scale: float = 1.0) -> FloatArray:
        """Right then left eye: its iris's centre and four points of the rim, its outer and its inner corner.

        Args:
            image_rgb: uint8 H x W x 3.
            mesh: of the face.
            aside: by what share of an eye's width the network's crop is shifted along it.
            scale: size of the crop, as a multiple of the usual one.

        Returns:
            float32 2 x 7 x 2 pixels.
        """
        eyes = ((topology.RIGHT_EYE, False), (topology.LEFT_EYE, True))
        return np.stack([self._eye(image_rgb, mesh, eye, flip, aside, scale) for eye, flip in eyes])

    def _eye(
        self, image_rgb: ByteArray, mesh: Mesh, eye: tuple[int, ...], flip: bool, aside: float, scale: float
    ) -> FloatArray:
        """The network knows left eyes only (as seen by the camera): the other one is shown mirrored."""
        outer, inner = mesh.points[eye[0]], mesh.points[eye[8]]
        right = outer - inner if flip else inner - outer
        side = scale * IRIS_MARGIN * float(np.linalg.norm(right))
        matrix = _square((outer + inner) / 2 + aside * right, max(side, 1.0), right, IRIS_INPUT)
        if flip:
            matrix[0] *= -1
            matrix[0, 2] += IRIS_INPUT
        crop = warp_square(image_rgb, matrix, IRIS_INPUT)
        self._net.set_tensor(self._input, crop[None].astype(np.float32) / 255)
        self._net.invoke()
        iris, contour = (self._net.get_tensor(index).reshape(-1, 3)[:, :2] for index in (self._iris, self._contour))
        points = np.concatenate([iris, contour[[CONTOUR_OUTER, CONTOUR_INNER]]])
        return transform_points(invert_transform(matrix), points)
