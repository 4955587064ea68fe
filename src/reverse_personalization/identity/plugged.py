"""Recognisers of other packages, held to their word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from reverse_personalization import plugins
from reverse_personalization.errors import EngineError, UsageError
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.base import Recogniser

MEND: Final = "its package must be mended"
COMPARE: Final = "its similarity should give n x m numbers for embeddings n x d and m x d"


@dataclass(frozen=True)
class PluginName:
    """A recogniser by the name under which a package announces it."""

    name: str

    @property
    def pinned(self) -> str:
        """Which it is, beyond its name."""
        plugin = plugins.find("recogniser", self.name)
        return f"{plugin.package} {plugin.sha256}"


class PluggedRecogniser:
    """A plugin's recogniser: its answers are checked, since a verdict hangs on them."""

    def __init__(self, plugin: PluginName) -> None:
        """Load it.

        Raises:
            UsageError: there is none of this name, it cannot be loaded, or states no threshold.
        """
        self.name = plugin.name
        make = plugins.load("recogniser", plugin.name)
        try:
            self._inner: Recogniser = make()
        except Exception as error:
            raise UsageError(f"The recogniser {self.name} cannot be loaded: {error}.") from error
        threshold, width = getattr(self._inner, "threshold", None), getattr(self._inner, "width", None)
        if not isinstance(threshold, int | float) or not np.isfinite(threshold) or not isinstance(width, int):
            raise UsageError(f"The recogniser {self.name} states no threshold or no width; {MEND}.")
        self.threshold, self.width = float(threshold), width

    def embed(self, image_rgb: ByteArray, face: Face) -> FloatArray:
        """float32 of its width; see `Recogniser.embed`.

        Raises:
            EngineError: the plugin failed, or what it gave is no row of so many finite numbers.
        """
        with plugins.asked("recogniser", self.name, MEND):
            # What a plugin does to its argument must not reach the photo.
            embedding = np.asarray(self._inner.embed(image_rgb.copy(), face), np.float32)
        if embedding.shape != (self.width,) or not np.isfinite(embedding).all():
            raise EngineError(f"The recogniser {self.name} gave no row of {self.width} finite numbers.")
        return embedding

    def similarity(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """As the plugin has it, float32 n x m; see `Recogniser.similarity`.

        Raises:
            EngineError: the plugin failed, or gave something that is no such matrix.
        """
        with plugins.asked("recogniser", self.name, COMPARE):
            given = np.asarray(self._inner.similarity(a, b), np.float32)
        shape = len(np.atleast_2d(a)), len(np.atleast_2d(b))
        # A single pair may come as a number, and a single row or column as a vector.
        if [n for n in given.shape if n != 1] != [n for n in shape if n != 1]:
            raise EngineError(f"The recogniser {self.name} gave no {shape[0]} x {shape[1]} numbers; {COMPARE}.")
        return given.reshape(shape)
