"""Which version of the program runs."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

DISTRIBUTION: Final = "reverse-personalization"


def tool_version() -> str:
    """The installed version, or "unknown" when it runs from a source tree that was not installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"
