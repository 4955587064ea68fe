"""What a run needs, loaded as its settings say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from pydantic import ValidationError

from reverse_personalization import plugins, weights
from reverse_personalization.engines import Engine
from reverse_personalization.errors import UsageError
from reverse_personalization.faces.detection import Detector
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.identity.dlib_resnet import DlibResNet
from reverse_personalization.identity.people import People
from reverse_personalization.identity.plugged import PluggedRecogniser, PluginName
from reverse_personalization.identity.sface import SFace
from reverse_personalization.identity.verification import Verifier
from reverse_personalization.plugins import Plugin
from reverse_personalization.settings import EngineName, Settings

JUDGES: Final[dict[str, Callable[[], Recogniser]]] = {"sface": SFace, "dlib-resnet": DlibResNet}
"""Every result is judged by these."""


@dataclass(frozen=True)
class ModelCard:
    """A model that a run uses: its name and file, what pins it, and its licence."""

    name: str
    file: str
    sha256: str
    licence: str


def read_settings(settings: Settings | None, options: dict[str, Any]) -> Settings:
    """Settings as they are given, at once or one by one.

    Raises:
        UsageError: both, something else, an unknown option, or a value out of range.
    """
    if settings is not None and options:
        raise UsageError("Give either settings or single options, not both.")
    if not isinstance(settings, Settings | None):
        raise UsageError(f"settings: {type(settings).__name__}; give Settings, or single options.")
    try:
        return settings or Settings(**options)
    except ValidationError as error:
        first = error.errors()[0]
        where, what = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ").rstrip(".")
        raise UsageError(f"{where}: {what}." if where else f"{what}.") from None


def load_verifier(detector: Detector, engine: Engine[Any], others: Sequence[str]) -> Verifier:
    """SFace, dlib's ResNet and plugins judge; whichever of them guides the engine is known to have done so."""
    led_by = {guide.name: guide for guide in engine.guides}
    judges = [led_by.get(name) or load() for name, load in JUDGES.items()]
    judges += [PluggedRecogniser(PluginName(name)) for name in others]
    if len({judge.name for judge in judges}) < len(judges):
        raise UsageError("A plugin's recogniser has the name of another one; leave it out of the verifiers.")
    return Verifier(detector, [(judge, "guide" if judge.name in led_by else "verifier") for judge in judges])


def named_plugins(settings: Settings) -> Iterator[Plugin]:
    """The plugins that settings name.

    Raises:
        UsageError: one that is not installed.
    """
    if settings.engine not in get_args(EngineName):
        yield plugins.find("engine", settings.engine)
    if settings.detector is not None:
        yield plugins.find("detector", settings.detector)
    yield from (plugins.find("recogniser", name) for name in settings.verifiers)


def load_people(settings: Settings, detector: Detector, recognisers: Sequence[Recogniser]) -> People | None:
    """Those who decide who stays visible, where a folder of them was given."""
    folder = settings.keep_people if settings.only is None else settings.only
    if folder is None:
        return None
    rule: Literal["keep", "only"] = "keep" if settings.only is None else "only"
    return People.read(rule, Path(folder), detector, recognisers, max_pixels=settings.max_pixels)


def model_cards(engine: Engine[Any], settings: Settings) -> tuple[ModelCard, ...]:
    """The models that a run uses."""
    always = ("yunet", "sface", "dlib-resnet", "dlib-landmarks5")
    looks = ("face-mesh", "iris") if settings.gaze_tries else ()
    entries = (weights.entry(name) for name in dict.fromkeys((*always, *engine.weights, *looks)))
    built_in = (ModelCard(e.name, Path(e.path).name, e.sha256, e.licence) for e in entries)
    return (*built_in, *(ModelCard(p.name, p.package, p.sha256, p.licence) for p in named_plugins(settings)))
