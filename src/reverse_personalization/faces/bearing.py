"""How a face bears itself, told from mesh and irises: its expression, and where it looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from reverse_personalization.faces import topology
from reverse_personalization.faces.face import ByteArray, Face, FloatArray, Mesh
from reverse_personalization.faces.mesh import LEAST_SCORE, FaceMesher, IrisFinder

# Radius of an eyeball as a share of the distance between an eye's corners (12 mm of 30 mm).
EYEBALL = 0.4
# Shifts and sizes of the crops that an onlooker sees eyes in.
GLANCES: Final = ((-0.06, 1.0), (0.06, 1.0), (0.0, 0.9), (0.0, 1.1))
# Pixels of a face's longer side from which on a gaze can be read: shifted by half a pixel, half of 50 training faces
# of 40 pixels seem to look elsewhere by more than 3 degrees, of larger ones few.
READABLE: Final = 45.0
# Pairs of vertices whose distance, in units of the distance between the eyes' outer corners, is an expression.
EXPRESSIONS: Final = {
    "mouth opening": (13, 14),
    "mouth width": (61, 291),
    "right lids": (159, 145),
    "left lids": (386, 374),
    "right brow": (105, 159),
    "left brow": (334, 386),
    "lip corners to nose": (61, 1),
}


def expression(mesh: Mesh) -> FloatArray:
    """Distances of `EXPRESSIONS`, in three dimensions, in units of the distance between the outer corners."""
    unit = np.linalg.norm(mesh.vertices[33] - mesh.vertices[263]) + 1e-6
    pairs = EXPRESSIONS.values()
    return np.array([np.linalg.norm(mesh.vertices[a] - mesh.vertices[b]) / unit for a, b in pairs], np.float32)


def gaze(eyes: FloatArray) -> FloatArray:
    """Degrees to the right and down by which irises leave the middle of their eyes' corners.

    Args:
        eyes: float32 2 x 7 x 2 pixels, from `IrisFinder.eyes`.
    """
    angles = []
    for eye in eyes:
        iris, corners = eye[0], eye[5:]
        along = corners[corners[:, 0].argmax()] - corners[corners[:, 0].argmin()]
        width = float(np.linalg.norm(along)) + 1e-6
        right, down = along / width, np.array([-along[1], along[0]]) / width
        offset = (iris - corners.mean(0)) / (EYEBALL * width)
        angles.append(np.degrees(np.arcsin(np.clip([offset @ right, offset @ down], -1, 1))))
    return np.asarray(np.mean(angles, 0), np.float32)


class GazeReader:
    """Reads where faces look."""

    def __init__(self, glances: tuple[tuple[float, float], ...]) -> None:
        """Load the irises' network.

        Args:
            glances: shift and size of the crops that an eye is seen in, see `IrisFinder.eyes`: the noise of a single
                one is more than a degree.
        """
        self._irises, self._glances = IrisFinder(), glances

    def read(self, image_rgb: ByteArray, mesh: Mesh) -> FloatArray:
        """As `gaze`, the mean of all glances at a meshed face of a uint8 H x W x 3 picture."""
        looks = [gaze(self._irises.eyes(image_rgb, mesh, aside=aside, scale=scale)) for aside, scale in self._glances]
        return np.asarray(np.mean(looks, 0), np.float32)


@dataclass(frozen=True, eq=False)
class Look:
    """Where a face looks.

    Attributes:
        gaze: degrees to the right and down, float32 2; NaN where no mesh fits the face, or it is too small.
        eyes: the rings of its lids, float32 16 x 2 pixels each; right and left.
    """

    gaze: FloatArray
    eyes: tuple[FloatArray, FloatArray]


class Onlooker:
    """Sees where detected faces look."""

    def __init__(self) -> None:
        """Load the networks of mesh and irises."""
        self._mesher, self._gazes = FaceMesher(), GazeReader(GLANCES)

    def look(self, image_rgb: ByteArray, face: Face) -> Look:
        """Where a face of a uint8 H x W x 3 picture looks; no number where its eyes are too small to tell."""
        mesh = self._mesher.mesh(image_rgb, face)
        fits = mesh.score >= LEAST_SCORE and face.size >= READABLE
        gaze = self._gazes.read(image_rgb, mesh) if fits else np.full(2, np.nan, np.float32)
        return Look(gaze, (mesh.points[list(topology.RIGHT_EYE)], mesh.points[list(topology.LEFT_EYE)]))
