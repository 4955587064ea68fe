"""What would keep a run from beginning, as far as no model need be loaded to know."""

from __future__ import annotations

from pathlib import Path

from reverse_personalization import inversion
from reverse_personalization.engines import check_engine
from reverse_personalization.engines.compact.attributes import read_wish
from reverse_personalization.errors import InputError
from reverse_personalization.escalation import escalation
from reverse_personalization.loading import named_plugins
from reverse_personalization.media.images import photos_below
from reverse_personalization.settings import Settings


def check_settings(settings: Settings) -> None:
    """Raise what loading the models for these settings would raise.

    Raises:
        UsageError: a schedule that is impossible, options that the engine does not follow or lacks packages for,
            attributes that are not understood, a plugin that is not installed.
        InputError: a folder of people that is not there, or has no photos.
    """
    for strength in escalation(settings):
        inversion.timesteps(strength.steps, strength.skip)
    check_engine(settings)
    if settings.engine == "compact":
        read_wish(settings.attributes)
    elif settings.engine == "sdxl":
        _check_device(settings)
    tuple(named_plugins(settings))  # which raises what is not installed
    for folder in filter(None, (settings.keep_people, settings.only)):
        if not any(photos_below(Path(folder))):
            raise InputError(f"{folder}: is no folder with photos; give one with photos of the people, a face on each.")


def _check_device(settings: Settings) -> None:
    from reverse_personalization.engines.sdxl.loading import choose_device

    choose_device(settings.device, settings.offload)
