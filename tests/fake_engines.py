"""Engines that fail, each in its own way, on top of the real one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reverse_personalization.engines.base import Encoded, Labels
from reverse_personalization.engines.compact.engine import CompactEngine
from reverse_personalization.errors import EngineError
from reverse_personalization.faces.compositing import Rendering
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.inversion import Array, Row
from reverse_personalization.noise import KeyedNoise


class PassingEngine:
    """Does what the engine below it does."""

    def __init__(self, engine: CompactEngine) -> None:
        self._engine = engine
        self.name, self.schedule = engine.name, engine.schedule
        self.guide: Recogniser = engine.guide
        self.guides = engine.guides
        self.weights = engine.weights
        self.latents: list[Array] = []

    def encode(self, image_rgb: ByteArray, face: Face) -> Encoded:
        return self._engine.encode(image_rgb, face)

    @property
    def batch(self) -> int:
        return self._engine.batch

    def inversion_batch(self, faces: int, steps: int) -> int:
        return self._engine.inversion_batch(faces, steps)

    def conditions(
        self,
        encoded: Any,
        embeddings: Sequence[FloatArray],
        noise: KeyedNoise,
        labels: Sequence[Labels],
        *,
        attributes_kept: float = 1.0,
    ) -> Any:
        return self._engine.conditions(encoded, embeddings, noise, labels, attributes_kept=attributes_kept)

    def stack(self, arrays: Sequence[Array]) -> Array:
        return self._engine.stack(arrays)

    def noise(
        self, encoded: Sequence[Encoded], steps: int, noise: KeyedNoise, labels: Sequence[Labels]
    ) -> Sequence[Array]:
        return self._engine.noise(encoded, steps, noise, labels)

    def predict(self, rows: Sequence[Row[Any]]) -> Sequence[Array]:
        return self._engine.predict(rows)

    def decode(self, image_rgb: ByteArray, encoded: Encoded, x: Array) -> Rendering:
        self.latents.append(x)
        return self._engine.decode(image_rgb, encoded, x)


class RefusingEngine(PassingEngine):
    def encode(self, image_rgb: ByteArray, face: Face) -> Encoded:
        raise EngineError("No face of mine.")


class CrashingEngine(PassingEngine):
    def predict(self, rows: Sequence[Row[Any]]) -> Sequence[Array]:
        raise RuntimeError("out of memory")


class CrashingDecoder(PassingEngine):
    def decode(self, image_rgb: ByteArray, encoded: Encoded, x: Array) -> Rendering:
        raise RuntimeError("out of memory")


class NumberlessEngine(PassingEngine):
    def predict(self, rows: Sequence[Row[Any]]) -> Sequence[Array]:
        return [np.full_like(row.x, np.nan) for row in rows]


class IdleEngine(PassingEngine):
    """Returns the picture as it was."""

    def decode(self, image_rgb: ByteArray, encoded: Encoded, x: Array) -> Rendering:
        return super().decode(image_rgb, encoded, encoded.x0)


class ErasingEngine(PassingEngine):
    """Leaves nothing that anybody would take for a face."""

    def decode(self, image_rgb: ByteArray, encoded: Encoded, x: Array) -> Rendering:
        points = encoded.context.mesh.points
        low, high = np.maximum(points.min(0).astype(int) - 20, 0), points.max(0).astype(int) + 20
        rows, columns = slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
        blank = np.full_like(image_rgb[rows, columns], 128)
        return Rendering(rows, columns, blank, np.ones(blank.shape[:2], bool))
