"""Engines, detectors and recognisers of other packages, which announce them as entry points.

    [project.entry-points."reverse_personalization.recognisers"]
    mine = "my_package.recognition:MyRecogniser"

A plugin is code that runs with the user's rights. None is imported unless it is asked for by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Literal

from reverse_personalization.errors import EngineError, ReversePersonalizationError, UsageError

Kind = Literal["engine", "detector", "recogniser"]
GROUPS: Final[dict[Kind, str]] = {
    "engine": "reverse_personalization.engines",
    "detector": "reverse_personalization.detectors",
    "recogniser": "reverse_personalization.recognisers",
}


@dataclass(frozen=True)
class Plugin:
    """What a package announces.

    Attributes:
        kind: of plugin.
        name: by which it is asked for.
        package: the distribution that brings it, as name==version.
        sha256: of the distribution's list of its files with their hashes, which pins them.
        licence: as the distribution states it; "" where it does not.
    """

    kind: Kind
    name: str
    package: str
    sha256: str
    licence: str


def plugins() -> tuple[Plugin, ...]:
    """All that are installed; none is imported."""
    return tuple(_described(kind, entry) for kind in GROUPS for entry in entry_points(group=GROUPS[kind]))


def find(kind: Kind, name: str) -> Plugin:
    """The plugin of a name.

    Raises:
        UsageError: there is none.
    """
    return _described(kind, _entry(kind, name))


def load(kind: Kind, name: str) -> Callable[..., Any]:
    """Import a plugin: what makes the engine, detector or recogniser when it is called.

    Raises:
        UsageError: there is none of this name, or it cannot be imported.
    """
    entry = _entry(kind, name)
    try:
        loaded: Callable[..., Any] = entry.load()
    except Exception as error:
        raise UsageError(
            f"The {kind} {name} ({_described(kind, entry).package}) cannot be imported: {error}."
        ) from error
    return loaded


@contextmanager
def asked(kind: Kind, name: str, advice: str) -> Iterator[None]:
    """A block in which a plugin is asked for something: what it raises is its own failure, not this program's.

    Args:
        kind: of plugin.
        name: by which it was asked for.
        advice: ends the error's sentence.

    Raises:
        EngineError: the plugin failed.
    """
    try:
        yield
    except (ReversePersonalizationError, MemoryError):
        raise
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise EngineError(f"The {kind} {name} failed ({what}); {advice}.") from error


def _entry(kind: Kind, name: str) -> EntryPoint:
    entries = entry_points(group=GROUPS[kind])
    if name not in entries.names:
        known = ", ".join(sorted(entries.names)) or "none"
        raise UsageError(f"{name}: there is no {kind} of this name; besides what is built in, installed are: {known}.")
    return entries[name]


def _described(kind: Kind, entry: EntryPoint) -> Plugin:
    distribution = entry.dist
    if distribution is None:
        return Plugin(kind, entry.name, entry.value, hashlib.sha256(entry.value.encode()).hexdigest(), "")
    package = f"{distribution.name}=={distribution.version}"
    files = distribution.read_text("RECORD") or package
    metadata = distribution.metadata
    licence = metadata["License-Expression"] or metadata["License"] or ""
    return Plugin(kind, entry.name, package, hashlib.sha256(files.encode()).hexdigest(), licence)
