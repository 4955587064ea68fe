"""From the inputs and `-o` to pairs of source and output, checked before anything is written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from glob import has_magic
from pathlib import Path, PurePath

from reverse_personalization.errors import InputError, OutputError, UsageError
from reverse_personalization.media.formats import (
    READABLE_SUFFIXES,
    SHARD_SUFFIXES,
    VIDEO_SUFFIXES,
    is_shard,
    is_supported,
    is_video,
    output_format,
    output_suffix,
)
from reverse_personalization.record import record_path


@dataclass(frozen=True)
class Job:
    """One photo or video to do.

    Attributes:
        source: the photo or video.
        output: where the result goes.
    """

    source: Path
    output: Path

    @property
    def is_video(self) -> bool:
        """Whether it is a video, by its name."""
        return is_video(self.source)

    @property
    def is_shard(self) -> bool:
        """Whether it is a shard of a data set, by its name."""
        return is_shard(self.source)

    @property
    def record(self) -> Path:
        """Where the record goes."""
        return record_path(self.output)


@dataclass(frozen=True)
class Problem:
    """An input that leads to no photo.

    Attributes:
        name: the input as it was given.
        error: why it leads nowhere.
    """

    name: str
    error: InputError


@dataclass(frozen=True)
class Plan:
    """What a run is to do."""

    jobs: tuple[Job, ...]
    problems: tuple[Problem, ...] = ()


def make_plan(
    inputs: Sequence[str],
    output: str,
    *,
    recursive: bool = False,
    contact_sheet: Path | None = None,
    manifest: Path | None = None,
) -> Plan:
    """Find the photos and videos and decide where their results go.

    A single file goes to `output` if that is no folder; everything else goes to the folder `output`, files
    by their name, the contents of folders and globs by their place below the folder or below the part of
    the glob that has no wildcard. Hidden files are left out, folders behind symbolic links are not entered,
    and an output folder (or contact sheet) that lies inside an input folder is no input.

    Args:
        inputs: files, folders, globs.
        output: a file or a folder; a trailing slash makes it a folder.
        recursive: enter folders.
        contact_sheet: where the contact sheet goes.
        manifest: where the manifest goes.

    Raises:
        UsageError: an empty name; a folder without `recursive`; an output that is an original or that two inputs
            share; a contact sheet or a manifest in the place of another file of the run.
        OutputError: the name of the output stands for no format that can be written.
    """
    _check_given(inputs, output)
    search = _Search(recursive, {os.path.realpath(path) for path in (output, contact_sheet) if path})
    for name in inputs:
        try:
            search.add(name)
        except InputError as error:
            search.problems.append(Problem(name, error))
    if _is_file_target(inputs, output):
        _check_kind(search, Path(output))
        jobs = tuple(Job(found.source, Path(output)) for found in search.found)
    else:
        _check_folder(output)
        jobs = tuple(_jobs_in_folder(search, Path(output)))
    _check_originals(jobs)
    extras = {"--contact-sheet": contact_sheet, "--manifest": manifest}
    _check_extras(jobs, {option: path for option, path in extras.items() if path is not None})
    return Plan(_without_collisions(jobs), tuple(search.problems))


@dataclass(frozen=True)
class _Found:
    """A photo and its place below the input that led to it."""

    source: Path
    place: PurePath


@dataclass
class _Search:
    """Collects photos, in a stable order."""

    recursive: bool
    left_out: set[str]
    found: list[_Found] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add(self, name: str) -> None:
        path = Path(name)
        if os.path.isdir(path):
            if not self.recursive:
                raise UsageError(f"{name}: is a folder; add -r to do the photos in it.")
            self._expect(name, list(self._below(path, path)))
        elif os.path.lexists(path):
            self.found.append(_Found(path, PurePath(path.name)))
        elif has_magic(name):
            self._expect(name, list(self._matching(path)))
        else:
            raise InputError(f"{name}: there is no such file or folder; check the name.")

    def _expect(self, name: str, found: list[_Found]) -> None:
        if not found:
            known = ", ".join((*READABLE_SUFFIXES, *VIDEO_SUFFIXES, *SHARD_SUFFIXES))
            raise InputError(f"{name}: no photos or videos there (looked for {known}).")
        self.found += found

    def _below(self, folder: Path, root: Path) -> Iterator[_Found]:
        for parent, folders, files in os.walk(folder, onerror=self._unreadable):
            folders[:] = sorted(name for name in folders if self._is_wanted(Path(parent, name)))
            for path in (Path(parent, name) for name in sorted(files)):
                if is_medium(path) and self._is_wanted(path):
                    yield _Found(path, path.relative_to(root))

    def _matching(self, pattern: Path) -> Iterator[_Found]:
        parts = pattern.parts
        fixed = next(index for index, part in enumerate(parts) if has_magic(part))
        root = Path(*parts[:fixed])
        for path in sorted(root.glob(str(PurePath(*parts[fixed:])))):
            place = path.relative_to(root)
            if not all(self._is_wanted(root / part) for part in (place, *place.parents[:-1])):
                continue
            if os.path.isdir(path):
                yield from self._below(path, root) if self.recursive else ()
            elif is_medium(path):
                yield _Found(path, place)

    def _is_wanted(self, path: Path) -> bool:
        return not path.name.startswith(".") and os.path.realpath(path) not in self.left_out

    def _unreadable(self, error: OSError) -> None:
        sentence = f"{error.filename}: cannot be listed ({error.strerror}); check its rights."
        self.problems.append(Problem(str(error.filename), InputError(sentence)))


def _check_given(inputs: Sequence[str], output: str) -> None:
    """An empty name would be the current folder, and is most often a variable of the shell that is not set."""
    if not output:
        raise UsageError("-o: is empty; give the name of a file or a folder.")
    if not all(inputs):
        raise UsageError("An input is empty; give the name of a file or a folder, or leave it out.")


def _is_file_target(inputs: Sequence[str], output: str) -> bool:
    if len(inputs) != 1 or os.path.isdir(inputs[0]) or output.endswith(os.sep) or os.path.isdir(output):
        return False
    is_glob = has_magic(inputs[0]) and not os.path.lexists(inputs[0])
    return not is_glob and (bool(Path(output).suffix) or os.path.exists(output))


def is_medium(path: Path) -> bool:
    """Whether `path` is named like a photo, a video or a shard of a data set."""
    return is_supported(path) or is_video(path) or is_shard(path)


def _check_kind(search: _Search, output: Path) -> None:
    """A video becomes a video, a photo a photo."""
    if not search.found and (is_video(output) or is_shard(output)):
        return  # the input that is missing is told of
    if any(is_shard(found.source) for found in search.found):
        _check_shard(search.found[0].source, output)
        return
    if not any(is_video(found.source) for found in search.found):
        output_format(output)
    elif not is_video(output):
        known = ", ".join(VIDEO_SUFFIXES)
        raise OutputError(f"{output}: a video cannot be written there; end the name in one of {known}.")


def _check_shard(source: Path, output: Path) -> None:
    if output.suffix.lower() != source.suffix.lower():
        raise OutputError(f"{output}: a shard stays what it is; end the name in {source.suffix}.")


def _check_folder(output: str) -> None:
    exists = os.path.lexists(output)
    is_named_like_photo = is_medium(Path(output)) and not output.endswith(os.sep)
    if os.path.isdir(output) or not (exists or is_named_like_photo):
        return
    what = "is a file" if exists else f"is named like a {'video' if is_video(Path(output)) else 'photo'}"
    raise UsageError(f"{output}: {what}, but there can be several photos; give -o a folder.")


def _jobs_in_folder(search: _Search, folder: Path) -> Iterator[Job]:
    for found in search.found:
        if is_video(found.source) or is_shard(found.source):
            yield Job(found.source, folder / found.place)
        elif is_supported(found.source):
            yield Job(found.source, folder / found.place.with_suffix(output_suffix(found.place.suffix)))
        else:
            sentence = f"{found.source}: is not named like a photo; give -o a file name that ends in .jpg or .png."
            search.problems.append(Problem(str(found.source), InputError(sentence)))


def check_place(output: Path) -> None:
    """Find out, without writing, what would keep a file from being written, as far as its folders tell.

    Raises:
        OutputError: its folder cannot be made, or is not writable.
    """
    folder = next(parent for parent in output.absolute().parents if os.path.lexists(parent))
    is_there = folder == output.absolute().parent
    if not folder.is_dir():
        reason = os.strerror(errno.EEXIST if is_there else errno.ENOTDIR)
    elif os.access(folder, os.W_OK | os.X_OK):
        return
    elif is_there:
        raise OutputError(f"{output}: cannot be written, since the folder is not writable; choose another one.")
    else:
        reason = os.strerror(errno.EACCES)
    raise OutputError(f"{output}: its folder cannot be made ({reason.lower()}); give another -o.")


def _check_originals(jobs: Sequence[Job]) -> None:
    """Originals are never overwritten, whatever is forced."""
    sources = {os.path.realpath(job.source) for job in jobs}
    for job in jobs:
        if os.path.realpath(job.output) in sources or _is_same_file(job.source, job.output):
            raise UsageError(f"{job.output}: is an original, and originals are never overwritten; give another -o.")


def _check_extras(jobs: Sequence[Job], extras: Mapping[str, Path]) -> None:
    """What is written besides results, by option, overwrites neither originals nor results, nor one the other."""
    if not extras:
        return
    taken = {os.path.realpath(path) for job in jobs for path in (job.source, job.output, job.record)}
    for option, path in extras.items():
        if os.path.realpath(path) in taken:
            raise UsageError(f"{path}: is another file of this run; give {option} another name.")
        taken.add(os.path.realpath(path))


def _is_same_file(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:
        return False


def _without_collisions(jobs: Sequence[Job]) -> tuple[Job, ...]:
    """`jobs` without repetitions.

    Raises:
        UsageError: two photos would go to one output.
    """
    by_output: dict[str, Job] = {}
    for job in jobs:
        other = by_output.setdefault(os.path.realpath(job.output), job)
        if os.path.realpath(other.source) != os.path.realpath(job.source):
            raise UsageError(
                f"{other.source} and {job.source} would both become {job.output}; "
                "rename one, or give them different output folders."
            )
    return tuple(by_output.values())
