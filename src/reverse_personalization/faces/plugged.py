"""Detectors of other packages, held to their word."""

from __future__ import annotations

import numpy as np

from reverse_personalization import plugins
from reverse_personalization.errors import EngineError, UsageError
from reverse_personalization.faces.detection import Detector, YuNetDetector, is_near, surroundings
from reverse_personalization.faces.face import ByteArray, Face


def load_detector(name: str | None, threshold: float) -> Detector:
    """YuNet, or a plugin's detector.

    Args:
        name: the plugin's, or None.
        threshold: least score of a face, 0 to 1.

    Raises:
        UsageError: there is none of this name, or it cannot be loaded.
    """
    return YuNetDetector(threshold=threshold) if name is None else PluggedDetector(name, threshold)


class PluggedDetector:
    """A plugin's detector: what it says of faces is checked, and its own `find_again` is not needed."""

    def __init__(self, name: str, threshold: float) -> None:
        """Load it.

        Raises:
            UsageError: there is none of this name, or it cannot be loaded.
        """
        self.name, self._threshold = name, threshold
        make = plugins.load("detector", name)
        try:
            self._inner: Detector = make()
        except Exception as error:
            raise UsageError(f"The detector {name} cannot be loaded: {error}.") from error

    def detect(self, image_rgb: ByteArray) -> list[Face]:
        """Faces of an upright uint8 H x W x 3 picture, largest first.

        Raises:
            EngineError: the plugin failed, or gave what are no faces, so nobody knows whom the picture shows.
        """
        with plugins.asked("detector", self.name, "its package must be mended"):
            found = [self._checked(face) for face in self._inner.detect(image_rgb.copy())]
        return sorted((face for face in found if face.score >= self._threshold), key=lambda face: -face.size)

    def find_again(self, image_rgb: ByteArray, face: Face) -> Face | None:
        """The face that now lies where `face` lay in the picture's former state, or None."""
        crop, (left, top) = surroundings(image_rgb, face)
        near = [found for each in self.detect(crop) if is_near(found := each.moved(-left, -top), face)]
        return max(near, key=lambda found: found.score, default=None)

    def _checked(self, face: Face) -> Face:
        keypoints = np.asarray(face.keypoints, np.float32)
        is_finite = np.isfinite([*face.box, face.score]).all() and np.isfinite(keypoints).all()
        if keypoints.shape != (5, 2) or len(face.box) != 4 or not is_finite or min(face.box[2:]) <= 0:
            raise EngineError(f"The detector {self.name} gave something that is no face.")
        x, y, width, height = (float(each) for each in face.box)
        return Face((x, y, width, height), keypoints, float(face.score))
