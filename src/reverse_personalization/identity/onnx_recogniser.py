"""Recognisers in ONNX files that users have: AdaFace, SwinFace, ArcFace and others that read aligned crops."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from reverse_personalization.errors import WeightsError
from reverse_personalization.faces.alignment import arcface_crop
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.base import cosine

CROP: Final = 112
Channels = Literal["rgb", "bgr"]
_ERRORS_ONLY: Final = 3  # onnxruntime's log severity


@dataclass(frozen=True)
class OnnxFile:
    """A recogniser's network.

    Attributes:
        name: for tables.
        path: the ONNX file: crops n x 3 x 112 x 112, each value (x - 127.5) / 127.5, to embeddings n x d.
        channels: the order that the network was trained with; AdaFace's is bgr.
    """

    name: str
    path: Path
    channels: Channels = "rgb"

    @property
    def pinned(self) -> str:
        """Which it is, beyond its name."""
        return f"{self.channels} {hashlib.sha256(self.path.read_bytes()).hexdigest()}"


class OnnxRecogniser:
    """Embeds crops aligned as ArcFace's (Deng et al. 2019) by somebody's network."""

    name: str

    def __init__(self, file: OnnxFile) -> None:
        """Load the network.

        Raises:
            WeightsError: onnxruntime is missing, or the file is missing, damaged or another network.
        """
        if not file.path.is_file():
            raise WeightsError(f"{file.path}: there is no such ONNX file; check the name.")
        runtime = onnxruntime()
        options = runtime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session: Any = runtime.InferenceSession(file.path, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise WeightsError(f"{file.path.name}: no ONNX network ({type(error).__name__}).") from error
        self.name, self._channels = file.name, file.channels
        self._input, self.width = _layout(self._session, file.path)

    def embed(self, image_rgb: ByteArray, face: Face) -> FloatArray:
        """float32 d, of any length; see `Recogniser.embed`."""
        crop, _ = arcface_crop(image_rgb, face.keypoints)
        return self.embed_crop(crop)

    def embed_crop(self, crop_rgb: ByteArray) -> FloatArray:
        """Embed an aligned uint8 112 x 112 x 3 crop."""
        ordered = crop_rgb if self._channels == "rgb" else crop_rgb[..., ::-1]
        pixels = (ordered.astype(np.float32) - 127.5) / 127.5
        given = {self._input: np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])}
        return np.asarray(self._session.run(None, given)[0][0], np.float32)

    def similarity(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Cosine, -1 to 1, float32 n x m."""
        return cosine(a, b)


def onnxruntime() -> Any:
    """The module.

    Raises:
        WeightsError: it is not installed.
    """
    try:
        return import_module("onnxruntime")
    except ImportError:
        raise WeightsError(
            "ONNX networks need onnxruntime; run `pip install 'reverse-personalization[insightface]'`."
        ) from None


def _layout(session: Any, file: Path) -> tuple[str, int]:
    """Name of the one input, and the embedding's length, of a network that takes a crop and gives an embedding."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    takes = [list(each.shape[1:]) for each in inputs]
    gives = [list(each.shape[1:]) for each in outputs]
    if takes != [[3, CROP, CROP]] or len(gives[0]) != 1 or not isinstance(gives[0][0], int):
        raise WeightsError(
            f"{file.name}: takes {takes} and gives {gives}, where a recogniser takes {CROP} x {CROP} pixels and gives "
            "one row of numbers."
        )
    return str(inputs[0].name), int(gives[0][0])
