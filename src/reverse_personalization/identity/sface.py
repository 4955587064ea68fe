"""SFace: the recogniser whose embeddings guide the compact engine, and that verifies every result."""

from __future__ import annotations

from typing import Final, cast

import cv2
import numpy as np

from reverse_personalization import weights
from reverse_personalization.errors import EngineError
from reverse_personalization.faces.alignment import arcface_crop
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.base import cosine

NEWEST_OPENCV: Final = 4
"""The newest major version that runs the network."""


class SFace:
    """SFace (OpenCV zoo, 112 x 112 crop on ArcFace's template, 128-d), compared by cosine."""

    name = "sface"

    def __init__(self) -> None:
        """Load the network.

        Raises:
            EngineError: OpenCV is of a version that cannot run it.
        """
        if int(cv2.__version__.split(".")[0]) > NEWEST_OPENCV:
            raise EngineError(
                f"OpenCV {cv2.__version__}, which another package brought, cannot run SFace. Run `pip uninstall -y "
                "opencv-python opencv-contrib-python`, then `pip install --force-reinstall --no-deps "
                "'opencv-python-headless>=4.11,<5'`."
            )
        self._net = cv2.FaceRecognizerSF.create(str(weights.path("sface")), "")

    def embed(self, image_rgb: ByteArray, face: Face) -> FloatArray:
        """float32 128; see `Recogniser.embed`."""
        crop, _ = arcface_crop(image_rgb, face.keypoints)
        return self.embed_crop(crop)

    def embed_crop(self, crop_rgb: ByteArray) -> FloatArray:
        """Embed an aligned uint8 112 x 112 x 3 crop."""
        return cast(FloatArray, self._net.feature(np.ascontiguousarray(crop_rgb[:, :, ::-1]))[0].copy())

    def similarity(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Cosine, -1 to 1, float32 n x m."""
        return cosine(a, b)
