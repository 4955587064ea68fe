"""Engines: latent spaces in which faces are denoised, behind one protocol."""

from __future__ import annotations

from typing import Any

from reverse_personalization.engines.base import Engine
from reverse_personalization.errors import UsageError
from reverse_personalization.settings import Settings

__all__ = ["Engine", "load_engine"]


def load_engine(settings: Settings) -> Engine[Any]:
    """The engine that the settings name, with its models loaded.

    Raises:
        UsageError: settings that this engine cannot follow.
        WeightsError: a model file is missing or damaged, and cannot be fetched.
    """
    if settings.engine == "sdxl":
        raise UsageError("The sdxl engine is not in this version yet; use the compact engine.")
    if settings.attributes is not None:
        raise UsageError("The compact engine cannot change attributes yet; leave attributes out.")
    from reverse_personalization.engines.compact.engine import CompactEngine

    return CompactEngine()
