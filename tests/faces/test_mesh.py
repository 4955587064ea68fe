"""The mesh lies on the face that the detector found, and says when it does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reverse_personalization.faces import topology
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.faces.face import Face
from reverse_personalization.faces.mesh import FaceMesher, IrisFinder


@pytest.fixture(scope="module")
def iris_finder() -> IrisFinder:
    return IrisFinder()


def test_the_mesh_is_sure_of_a_face(portrait: Any, mesher: FaceMesher) -> None:
    assert mesher.mesh(portrait.image_rgb, portrait.face).score > 0.9


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_vertices_agree_with_the_keypoints(
    turns: int, astronaut: Any, mesher: FaceMesher, detector: YuNetDetector
) -> None:
    turned = np.ascontiguousarray(np.rot90(astronaut.image_rgb, turns))
    face = detector.detect(turned)[0]
    points = mesher.mesh(turned, face).points
    right_eye, left_eye = points[[33, 133]].mean(0), points[[263, 362]].mean(0)
    of_mesh = np.stack([right_eye, left_eye, points[topology.NOSE_TIP], points[61], points[291]])
    assert np.linalg.norm(of_mesh - face.keypoints, axis=1).max() < 0.15 * face.size


def test_nearer_parts_have_smaller_depth(portrait: Any, mesher: FaceMesher) -> None:
    vertices = mesher.mesh(portrait.image_rgb, portrait.face).vertices
    assert vertices[topology.NOSE_TIP, 2] < vertices[[234, 454], 2].min()


def test_irises_lie_between_the_lids(portrait: Any, mesher: FaceMesher, iris_finder: IrisFinder) -> None:
    mesh = mesher.mesh(portrait.image_rgb, portrait.face)
    irises = iris_finder.eyes(portrait.image_rgb, mesh)[:, :5]
    assert irises.shape == (2, 5, 2)
    for iris, eye in zip(irises, (topology.RIGHT_EYE, topology.LEFT_EYE), strict=True):
        ring = mesh.points[list(eye)]
        width = np.ptp(ring[:, 0])
        low, high = ring.min(0) - 0.1 * width, ring.max(0) + 0.1 * width
        assert (iris[0] > low).all()
        assert (iris[0] < high).all()
        radius = np.linalg.norm(iris[1:] - iris[0], axis=1)
        assert radius.max() < 0.5 * width
        assert radius.min() > 0.05 * width


def test_the_mesh_doubts_what_is_no_face(astronaut: Any, mesher: FaceMesher) -> None:
    keypoints = astronaut.face.keypoints + np.array([150, 150], np.float32)
    x, y, w, h = astronaut.face.box
    assert mesher.mesh(astronaut.image_rgb, Face((x + 150, y + 150, w, h), keypoints, 0.9)).score < 0.5


def test_triangles_close_the_eyes_and_the_mouth() -> None:
    triangles = topology.triangles()
    assert triangles.min() >= 0
    assert triangles.max() < topology.VERTICES
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1)
    lone, uses = np.unique(edges, axis=0, return_counts=True)
    assert uses.max() == 2
    assert set(lone[uses == 1].ravel()) == set(topology.FACE_OVAL)
