"""Engines: latent spaces in which faces are denoised, behind one protocol."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Final

from reverse_personalization import plugins
from reverse_personalization.engines.base import Engine
from reverse_personalization.errors import ReversePersonalizationError, UsageError
from reverse_personalization.settings import Settings

__all__ = ["Engine", "check_engine", "load_engine"]

SDXL_ONLY: Final = (
    "mode",
    "model",
    "ip_adapter",
    "recogniser",
    "device",
    "dtype",
    "offload",
    "compile",
    "memory",
    "identity_strength",
    "attribute_strength",
)
"""Settings that only the sdxl engine follows."""
SDXL_NEEDS: Final = ("torch", "diffusers", "transformers", "peft")


def check_engine(settings: Settings) -> None:
    """Find out, without loading anything, whether the engine that the settings name can follow them here.

    Raises:
        UsageError: options that only the sdxl engine follows, or packages that it lacks.
    """
    if settings.engine == "compact":
        if given := [name for name in SDXL_ONLY if getattr(settings, name) != Settings.model_fields[name].default]:
            option = given[0].replace("_", "-")
            raise UsageError(f"{option} is the sdxl engine's; leave it out, or add --engine sdxl.")
    elif settings.engine == "sdxl" and (missing := [name for name in SDXL_NEEDS if find_spec(name) is None]):
        raise UsageError(
            f"The sdxl engine needs {' and '.join(missing)}; run `pip install 'reverse-personalization[sdxl]'`."
        )


def load_engine(settings: Settings) -> Engine[Any]:
    """The engine that the settings name, with its models loaded.

    Raises:
        UsageError: settings that this engine cannot follow.
        WeightsError: a model file is missing or damaged, and cannot be fetched.
    """
    check_engine(settings)
    if settings.engine == "sdxl":
        return _sdxl(settings)
    if settings.engine != "compact":
        return _plugged(settings)
    from reverse_personalization.engines.compact.engine import CompactEngine

    return CompactEngine(keep=settings.keep, attributes=settings.attributes, draft=settings.quality == "draft")


def _plugged(settings: Settings) -> Engine[Any]:
    make = plugins.load("engine", settings.engine)
    try:
        engine: Engine[Any] = make(settings)
    except ReversePersonalizationError:
        raise
    except Exception as error:
        raise UsageError(f"The engine {settings.engine} cannot be loaded: {error}.") from error
    return engine


def _sdxl(settings: Settings) -> Engine[Any]:
    from reverse_personalization.engines.sdxl.engine import SdxlEngine

    return SdxlEngine.from_pretrained(
        settings.model,
        settings.ip_adapter,
        device=settings.device,
        dtype=settings.dtype,
        offload=settings.offload,
        compile=settings.compile,
        memory=settings.memory,
        mode=settings.mode,
        attributes=settings.attributes,
        guide=settings.recogniser,
        keep=settings.keep,
    )
