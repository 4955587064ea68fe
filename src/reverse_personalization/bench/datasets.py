"""People and their photos: a folder per person (LFW), one folder of photos, or a folder with an identity list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reverse_personalization.errors import InputError
from reverse_personalization.media.images import is_supported
from reverse_personalization.record import file_sha256


@dataclass(frozen=True)
class Person:
    """Somebody with one or more photos, in the order of their names."""

    name: str
    photos: tuple[Path, ...]


@dataclass(frozen=True)
class Trial:
    """One question to a recogniser.

    Attributes:
        person: who is on the photo, an index into the gallery.
        photo: the photo that is anonymized.
        other: another photo of the same person, or None.
    """

    person: int
    photo: Path
    other: Path | None


def load_people(
    root: Path, *, identities: Path | None = None, listed: Path | None = None, manifest: Path | None = None
) -> list[Person]:
    """The people of a data set, in the order of their names.

    Args:
        root: a folder with a folder of photos per person, or one folder of photos, each of somebody else.
        identities: lines of a file name and a person (`identity_CelebA.txt`, CelebA-HQ), for one folder.
        listed: lines of file names or stems; only these photos are used (a published test list).
        manifest: lines of a SHA-256 and a path below `root`, as `sha256sum` and `revpers bench run` write them; only
            these photos are used, and all must be there, unchanged.

    Raises:
        InputError: a folder or list is missing, or names nothing that is there; or a photo is not the manifest's.
    """
    if not root.is_dir():
        raise InputError(f"{root.name}: no such folder; give the folder that holds the data set.")
    certain = None if manifest is None else _checked(root, _lines(manifest))
    wanted = None if listed is None else {Path(line.split()[0]).stem for line in _lines(listed)}

    def photos(folder: Path) -> tuple[Path, ...]:
        return tuple(
            sorted(
                path
                for path in folder.iterdir()
                if path.is_file()
                and is_supported(path)
                and (wanted is None or path.stem in wanted)
                and (certain is None or path in certain)
            )
        )

    if identities is not None:
        people = _by_identity(photos(root), _lines(identities))
    else:
        people = [(folder.name, photos(folder)) for folder in sorted(root.iterdir()) if folder.is_dir()]
        if not any(of for _, of in people):
            people = [(path.stem, (path,)) for path in photos(root)]
    found = [Person(name, of) for name, of in people if of]
    if not found:
        raise InputError(f"{root.name}: holds no photos, neither itself nor in one folder per person.")
    return found


def draw_trials(people: Sequence[Person], *, limit: int | None = None, seed: int = 0) -> list[Trial]:
    """What is anonymized: the second photo of everybody who has two, else everybody's only photo.

    Args:
        people: of the data set.
        limit: how many of them, drawn at random; None for all.
        seed: of that draw.
    """
    able = [i for i, person in enumerate(people) if len(person.photos) > 1]
    pairs = bool(able)
    able = able or list(range(len(people)))
    if limit is not None and limit < len(able):
        able = sorted(np.random.default_rng(seed).choice(able, limit, replace=False).tolist())
    return [Trial(i, people[i].photos[1 if pairs else 0], people[i].photos[0] if pairs else None) for i in able]


def _by_identity(photos: Iterable[Path], lines: Iterable[str]) -> list[tuple[str, tuple[Path, ...]]]:
    of = dict(line.split()[:2] for line in lines if len(line.split()) > 1)
    people: dict[str, list[Path]] = {}
    for path in photos:
        if path.name in of or path.stem in of:
            people.setdefault(of.get(path.name) or of[path.stem], []).append(path)
    return [(name, tuple(people[name])) for name in sorted(people)]


def as_manifest(root: Path, photos: Iterable[Path]) -> str:
    """Lines of SHA-256 and path below `root`, which `load_people` and `sha256sum --check` understand."""
    return "".join(f"{file_sha256(photo)}  {photo.relative_to(root).as_posix()}\n" for photo in photos)


def _checked(root: Path, lines: Iterable[str]) -> set[Path]:
    photos = set()
    for line in lines:
        told, _, name = line.partition(" ")
        photo = root / name.strip().removeprefix("*")
        if not photo.is_file() or file_sha256(photo) != told:
            raise InputError(f"{photo.name}: is missing, or not the photo of the manifest.")
        photos.add(photo)
    return photos


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path.name}: cannot be read as a list of files.") from None
