"""ArcFace, whose embeddings IP-Adapter-FaceID reads: it guides the sdxl engine and verifies nothing."""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

from reverse_personalization import weights
from reverse_personalization.errors import WeightsError
from reverse_personalization.faces.alignment import arcface_crop
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.base import cosine

logger = logging.getLogger(__name__)

EMBEDDING: Final = 512
CROP: Final = 112
_ERRORS_ONLY: Final = 3  # onnxruntime's log severity


class ArcFace:
    """InsightFace's buffalo_l recogniser (ArcFace, Deng et al. 2019; ResNet-50 on WebFace600K, 512-d).

    Its weights are licensed for non-commercial research only, which is logged once in a process. It has no
    fitted threshold, since it guides; SFace and dlib's ResNet verify what it led to.
    """

    name = "arcface"

    def __init__(self, path: Path | None = None) -> None:
        """Load the network.

        Args:
            path: w600k_r50.onnx, or a network with its input and output; the table's by default.

        Raises:
            WeightsError: onnxruntime is missing, or the file is missing, damaged or another network.
        """
        runtime = _runtime()
        file = weights.path("arcface") if path is None else path
        if not file.is_file():
            raise WeightsError(
                f"{file}: there is no such ArcFace file; run `revpers models pull arcface`, "
                "or give the path of w600k_r50.onnx."
            )
        options = runtime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session: Any = runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise WeightsError(
                f"{file.name}: no ONNX network ({type(error).__name__}); run `revpers models pull arcface`."
            ) from error
        self._input = _input_name(self._session, file)
        _tell_licence()

    def embed(self, image_rgb: ByteArray, face: Face) -> FloatArray:
        """float32 512, of any length; see `Recogniser.embed`."""
        crop, _ = arcface_crop(image_rgb, face.keypoints)
        return self.embed_crop(crop)

    def embed_crop(self, crop_rgb: ByteArray) -> FloatArray:
        """Embed an aligned uint8 112 x 112 x 3 crop."""
        pixels = (crop_rgb.astype(np.float32) - 127.5) / 127.5
        given = {self._input: np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])}
        return np.asarray(self._session.run(None, given)[0][0], np.float32)

    def similarity(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Cosine, -1 to 1, float32 n x m."""
        return cosine(a, b)


def _runtime() -> Any:
    try:
        return import_module("onnxruntime")
    except ImportError:
        raise WeightsError(
            "ArcFace needs onnxruntime; run `pip install 'reverse-personalization[insightface]'`."
        ) from None


def _input_name(session: Any, file: Path) -> str:
    """Name of the one input, of a network that takes a crop and gives an embedding."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    takes = [list(each.shape[1:]) for each in inputs]
    gives = [list(each.shape[1:]) for each in outputs]
    if takes != [[3, CROP, CROP]] or gives[:1] != [[EMBEDDING]]:
        raise WeightsError(
            f"{file.name}: takes {takes} and gives {gives}, where ArcFace takes {CROP} x {CROP} pixels and "
            f"gives {EMBEDDING} numbers; use buffalo_l's w600k_r50.onnx."
        )
    return str(inputs[0].name)


@cache
def _tell_licence() -> None:
    """Once in a process."""
    licence = weights.entry("arcface").licence
    logger.warning("ArcFace's weights (InsightFace buffalo_l) are licensed for %s.", licence)
