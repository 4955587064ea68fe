"""People and their photos, from a folder per person (the layout of LFW)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reverse_personalization.errors import InputError
from reverse_personalization.media.images import is_supported


@dataclass(frozen=True)
class Person:
    """Somebody with one or more photos, in the order of their names."""

    name: str
    photos: tuple[Path, ...]


def folder_per_person(root: Path) -> list[Person]:
    """The people of a folder that has one folder of photos per person, in the order of their names.

    Raises:
        InputError: the folder is missing, or holds no such folder.
    """
    if not root.is_dir():
        raise InputError(f"{root.name}: no such folder; give the folder that holds one folder per person.")
    people = [
        Person(folder.name, photos)
        for folder in sorted(root.iterdir())
        if folder.is_dir() and (photos := tuple(sorted(p for p in folder.iterdir() if is_supported(p))))
    ]
    if not people:
        raise InputError(f"{root.name}: holds no folder with photos; one folder per person is expected.")
    return people
