"""Where model files lie on this machine, and whether they are whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from reverse_personalization.weights.models import Model, Part, WeightFile

Status = Literal["here", "missing", "damaged"]


def cache_folder() -> Path:
    """Where fetched files lie: `REVPERS_CACHE`, or the platform's cache folder of this program."""
    if given := os.environ.get("REVPERS_CACHE"):
        return Path(given).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("reverse-personalization")


def is_offline() -> bool:
    """Whether `REVPERS_OFFLINE` or `HF_HUB_OFFLINE` forbids downloads."""
    words = (os.environ.get(name, "") for name in ("REVPERS_OFFLINE", "HF_HUB_OFFLINE"))
    return any(word.lower() in {"1", "true", "yes", "on"} for word in words)


def place(model: Model) -> Path:
    """The file or folder of a model, fetched or not."""
    if model.source is None:
        return Path(str(files("reverse_personalization") / model.path))
    return cache_folder() / model.sha256[:16] / Path(model.path).name


def place_of(model: Model, part: Part) -> Path:
    """One file of a model, fetched or not."""
    return place(model) if isinstance(model, WeightFile) else place(model) / part.path


def status_of(model: Model) -> Status:
    """Whether all files of a model are here and whole; one that cannot be read counts as damaged."""
    if isinstance(model, WeightFile):
        return part_status(model, model.parts[0])
    # Threads, since hashing releases the interpreter and a folder holds gigabytes.
    with ThreadPoolExecutor() as pool:
        found = set(pool.map(lambda part: part_status(model, part), model.parts))
    return next(status for status in _WORST_FIRST if status in found)


def part_status(model: Model, part: Part) -> Status:
    """Whether one file of a model is here and whole."""
    return _status(place_of(model, part), part)


def is_whole(file: Path, part: Part) -> bool:
    """Whether a file, wherever it lies, is that part of a model."""
    return _status(file, part) == "here"


def identify(file: Path, models: Iterable[Model]) -> WeightFile | None:
    """Which of the models that are one file a file is, by its hash; None if it is none of them.

    Raises:
        OSError: the file cannot be read.
    """
    found = file.stat()
    same_size = [m for m in models if isinstance(m, WeightFile) and m.size == found.st_size]
    if not same_size:
        return None
    digest = _sha256(file, found.st_mtime_ns, found.st_size)
    return next((model for model in same_size if model.sha256 == digest), None)


def forget() -> None:
    """Hash every file anew, whether or not this process has done so before."""
    _sha256.cache_clear()


_WORST_FIRST: tuple[Status, ...] = ("damaged", "missing", "here")


def _status(file: Path, part: Part) -> Status:
    try:
        found = file.stat()
        if found.st_size != part.size:
            return "damaged"
        # Time and size are parts of the key: a changed file is hashed anew.
        return "here" if _sha256(file, found.st_mtime_ns, found.st_size) == part.sha256 else "damaged"
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError:
        return "damaged"


@cache
def _sha256(file: Path, modified_ns: int, size: int) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
