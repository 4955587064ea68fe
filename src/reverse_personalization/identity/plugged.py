"""Recognisers of other packages, held to their word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reverse_personalization import plugins
from reverse_personalization.errors import EngineError, UsageError
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.base import Recogniser


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
            raise UsageError(f"The recogniser {self.name} states no threshold or no width; its package must be mended.")
        self.threshold, self.width = float(threshold), width

    def embed(self, image_rgb: ByteArray, face: Face) -> FloatArray:
        """float32 of its width; see `Recogniser.embed`.

        Raises:
            EngineError: what the plugin gave is no row of so many finite numbers.
        """
        # What a plugin does to its argument must not reach the photo.
        embedding = np.asarray(self._inner.embed(image_rgb.copy(), face), np.float32)
        if embedding.shape != (self.width,) or not np.isfinite(embedding).all():
            raise EngineError(f"The recogniser {self.name} gave no row of {self.width} finite numbers.")
        return embedding

    def similarity(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """As the plugin has it, float32 n x m."""
        return np.asarray(self._inner.similarity(a, b), np.float32).reshape(len(np.atleast_2d(a)), -1)
