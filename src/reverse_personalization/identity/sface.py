"""SFace: the recogniser whose embeddings guide the compact engine, and that verifies every result."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from reverse_personalization import weights
from reverse_personalization.faces.alignment import arcface_crop
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.base import cosine


class SFace:
    """SFace (OpenCV zoo, 112 x 112 crop on ArcFace's template, 128-d), compared by cosine."""

    name = "sface"

    def __init__(self) -> None:
        """Load the network."""
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
