"""dlib's ResNet: a recogniser that guides the compact engine, and verifies every result."""

from __future__ import annotations

import dlib
import numpy as np

from reverse_personalization import weights
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.dlib_network import SIDE, DlibNetwork

PADDING = 0.25


class DlibResNet:
    """dlib's ResNet-29 (150 x 150 chip, 128-d), compared by Euclidean distance.

    The similarity is 1 - distance / 2, so that it grows with likeness like a cosine; dlib's own rule of
    thumb, a distance of 0.6, is 0.7 here.
    """

    name = "dlib-resnet"

    def __init__(self) -> None:
        """Load the network, which OpenCV runs, and dlib's five-point predictor, which cuts its chips."""
        self._net = DlibNetwork(weights.path("dlib-resnet"))
        self._predictor = dlib.shape_predictor(str(weights.path("dlib-landmarks5")))

    def embed(self, image_rgb: ByteArray, face: Face) -> FloatArray:
        """float32 128; see `Recogniser.embed`."""
        x, y, w, h = face.box
        # dlib's boxes are squares from the brows to the chin.
        side, centre_x, centre_y = 0.5 * (w + h), x + w / 2, y + h * 0.54
        box = dlib.rectangle(
            *(round(v) for v in (centre_x - side / 2, centre_y - side / 2, centre_x + side / 2, centre_y + side / 2))
        )
        image = np.ascontiguousarray(image_rgb)
        return self.embed_chip(dlib.get_face_chip(image, self._predictor(image, box), SIDE, PADDING))

    def embed_chip(self, chip_rgb: ByteArray) -> FloatArray:
        """Embed an aligned uint8 150 x 150 x 3 chip."""
        return self._net(chip_rgb)

    def similarity(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """1 - distance / 2, at most 1, float32 n x m."""
        a, b = np.atleast_2d(a), np.atleast_2d(b)
        distance = np.linalg.norm(a[:, None] - b[None], axis=2)
        return np.asarray(1 - distance / 2, np.float32)
