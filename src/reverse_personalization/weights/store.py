"""The models by their names: whether they are here, and getting them here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from reverse_personalization.errors import UsageError, WeightsError
from reverse_personalization.weights import hub, places
from reverse_personalization.weights.fetching import Progress, fetch_archive, fetch_from_hub
from reverse_personalization.weights.models import Distribution, HubRepo, Model, WeightFile, WeightFolder
from reverse_personalization.weights.places import Status, place, status_of
from reverse_personalization.weights.table import TABLE


def entries() -> tuple[Model, ...]:
    """The whole table."""
    return TABLE


def entry(name: str) -> Model:
    """A row of the table.

    Raises:
        UsageError: no model has that name.
    """
    for row in TABLE:
        if row.name == name:
            return row
    raise UsageError(f"{name}: no such model; the models are {', '.join(row.name for row in TABLE)}.")


def needed_by(engine: str) -> tuple[str, ...]:
    """Names of the models that an engine cannot run without.

    Those of the hub are not among them, since a user can give others in their place; see `choices_of`.
    """
    return tuple(row.name for row in TABLE if engine in row.used_by and not is_optional(row.name))


def choices_of(engine: str) -> tuple[str, ...]:
    """Names of the models of the hub that an engine uses unless it is given others."""
    return tuple(row.name for row in TABLE if engine in row.used_by and is_optional(row.name))


def is_optional(name: str) -> bool:
    """Whether a model is fetched only when it is asked for: it is on the hub.

    Raises:
        UsageError: no model has that name.
    """
    return isinstance(entry(name).source, HubRepo)


def status(name: str) -> Status:
    """Whether a model's files are here and whole; one that cannot be read counts as damaged.

    Raises:
        UsageError: no model has that name.
    """
    return status_of(entry(name))


def verify(names: Iterable[str] = ()) -> dict[str, Status]:
    """Read and hash models, all by default, whether or not this process has done so before.

    Raises:
        UsageError: no model has that name.
    """
    places.forget()
    rows = tuple(entry(name) for name in names) or TABLE
    return {row.name: status_of(row) for row in rows}


def path(name: str, *, progress: Progress | None = None) -> Path:
    """The verified file or folder of a model, fetched if it is missing.

    Args:
        name: short name.
        progress: told what is downloaded and how large it is, in a sentence.

    Raises:
        WeightsError: damaged, or missing and out of reach.
        UsageError: no model has that name.
    """
    row = entry(name)
    if status_of(row) == "missing":
        _fetch((row,), progress)
    _require(row)
    return place(row)


def snapshot(model: str | Path, *, progress: Progress | None = None) -> Path:
    """The folder of a diffusion model, laid out as on the hub.

    Args:
        model: a folder; the name of such a model in the table; or "owner/name" on the hub, with "@commit"
            after it to pin it, since the table does not.
        progress: told what is downloaded, how large it is and under which licence, in a sentence.

    Raises:
        WeightsError: there is no such folder or model, or it is damaged or out of reach.
    """
    if Path(model).is_dir():
        return Path(model)
    folders = [row.name for row in TABLE if isinstance(row, WeightFolder)]
    if model in folders:
        return path(str(model), progress=progress)
    if not isinstance(model, str) or not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*(@[\w.-]+)?", model):
        raise WeightsError(
            f"{model}: there is no such folder; give a folder, {' or '.join(folders)}, "
            "or a model of the hub as owner/name."
        )
    repo, _, revision = model.partition("@")
    return hub.snapshot(repo, revision or None, progress=progress)


def file(model: str | Path, *, progress: Progress | None = None) -> Path:
    """A model that is one file: a path, or its name in the table, verified then, and fetched if missing.

    Raises:
        WeightsError: there is no such file or model, or it is damaged or out of reach.
    """
    if Path(model).is_file():
        return Path(model)
    names = [row.name for row in TABLE if isinstance(row, WeightFile) and is_optional(row.name)]
    if model not in names:
        raise WeightsError(f"{model}: there is no such file; give a file, or one of {', '.join(names)}.")
    return path(str(model), progress=progress)


def identify(given: Path) -> WeightFile | None:
    """Which model of the table a file is, by its hash, wherever it lies; None if it is none of them.

    Raises:
        OSError: the file cannot be read.
    """
    return places.identify(given, TABLE)


def pull(names: Iterable[str] = (), *, force: bool = False, progress: Progress | None = None) -> None:
    """Fetch models that are missing or damaged; with `force`, also those that are here.

    Args:
        names: all that are not optional by default; see `is_optional`.
        force: fetch what is here, too.
        progress: told what is downloaded, how large it is and how far it is, in sentences.

    Raises:
        WeightsError: out of reach, or part of this package and not whole.
        UsageError: no model has that name.
    """
    rows = tuple(entry(name) for name in names) or tuple(row for row in TABLE if not is_optional(row.name))
    _fetch([row for row in rows if force or status_of(row) != "here"], progress, force=force)
    for row in rows:
        _require(row)


def _fetch(rows: Iterable[Model], progress: Progress | None, *, force: bool = False) -> None:
    rows = tuple(rows)
    for source in dict.fromkeys(row.source for row in rows if isinstance(row.source, Distribution)):
        fetch_archive(source, TABLE, progress)
    for row in rows:
        if isinstance(row.source, HubRepo):
            fetch_from_hub(row, row.source, progress, force=force)


def _require(row: Model) -> None:
    found = status_of(row)
    if found == "here":
        return
    if row.source is None:
        raise WeightsError(f"{row.name}: {found}, though part of reverse-personalization; install it anew.")
    raise WeightsError(f"{row.name}: {place(row)} is {found} or unreadable; run `revpers models pull {row.name}`.")
