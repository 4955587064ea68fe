"""Reverse Personalization: every face in a photo replaced by a believable stranger's, and verified.

from reverse_personalization import Anonymizer

anonymizer = Anonymizer()
result = anonymizer.anonymize("photo.jpg")
result.save("out.png")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reverse_personalization.anonymizer import Anonymizer
    from reverse_personalization.canvas import AnonymizedPhoto, FaceResult
    from reverse_personalization.errors import ReversePersonalizationError
    from reverse_personalization.identity.verification import Similarity
    from reverse_personalization.settings import Settings

# Imported when first used, so that the command line starts at once.
_HOMES = {
    "AnonymizedPhoto": "canvas",
    "Anonymizer": "anonymizer",
    "FaceResult": "canvas",
    "ReversePersonalizationError": "errors",
    "Settings": "settings",
    "Similarity": "identity.verification",
}

__all__ = [
    "AnonymizedPhoto",
    "Anonymizer",
    "FaceResult",
    "ReversePersonalizationError",
    "Settings",
    "Similarity",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
