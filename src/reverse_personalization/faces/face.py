"""What is known of a face: where it is, and how it lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Face:
    """A detected face.

    Attributes:
        box: x, y, width, height in pixels of the upright picture; may reach outside it.
        keypoints: float32 5 x 2, x and y in pixels: the eye, then the eye, of the viewer's left and right,
            the nose tip, the mouth corners of the viewer's left and right, all as seen on an upright head.
        score: detector's confidence, 0 to 1.
    """

    box: tuple[float, float, float, float]
    keypoints: FloatArray
    score: float

    @property
    def size(self) -> float:
        """Longer side of the box, pixels."""
        return max(self.box[2:])

    def moved(self, left: float, top: float) -> Face:
        """The face in a picture whose origin lies at `left`, `top` of this one."""
        x, y, w, h = self.box
        keypoints = self.keypoints - np.array([left, top], np.float32)
        return Face((x - left, y - top, w, h), keypoints, self.score)

    def mirrored(self, width: int) -> Face:
        """The face in the mirror image of a picture that is `width` pixels wide."""
        x, y, w, h = self.box
        keypoints = self.keypoints[[1, 0, 2, 4, 3]]
        keypoints[:, 0] = width - 1 - keypoints[:, 0]
        return Face((width - x - w, y, w, h), keypoints, self.score)


@dataclass(frozen=True, eq=False)
class Mesh:
    """The surface of a face.

    Attributes:
        vertices: float32 468 x 3; x and y in pixels of the picture, z on the same scale, growing away
            from the camera.
        score: confidence that the mesh lies on a face, 0 to 1.
    """

    vertices: FloatArray
    score: float

    @property
    def points(self) -> FloatArray:
        """Float32 468 x 2: x and y in pixels."""
        return self.vertices[:, :2]
