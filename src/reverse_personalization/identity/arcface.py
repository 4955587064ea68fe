"""ArcFace, whose embeddings IP-Adapter-FaceID reads: it guides the sdxl engine and verifies nothing."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import Final

from reverse_personalization import weights
from reverse_personalization.errors import WeightsError
from reverse_personalization.identity.onnx_recogniser import OnnxFile, OnnxRecogniser

logger = logging.getLogger(__name__)

EMBEDDING: Final = 512


class ArcFace(OnnxRecogniser):
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
        file = weights.path("arcface") if path is None else path
        try:
            super().__init__(OnnxFile("arcface", file))
        except WeightsError as error:
            raise WeightsError(
                f"{error} ArcFace is buffalo_l's w600k_r50.onnx: run `revpers models pull arcface`, or give its path."
            ) from error
        if self.width != EMBEDDING:
            raise WeightsError(f"{file.name}: gives {self.width} numbers, where ArcFace gives {EMBEDDING}.")
        _tell_licence()


@cache
def _tell_licence() -> None:
    """Once in a process."""
    licence = weights.entry("arcface").licence
    logger.warning("ArcFace's weights (InsightFace buffalo_l) are licensed for %s.", licence)
