"""What a shard is made of: samples, each with pictures and what goes along with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass
class Sample:
    """One example of a data set.

    Attributes:
        key: what it is called, for its record.
        pictures: encoded pictures, by the name of their member or column; these are replaced.
        rest: everything else, which only the shard's format looks inside.
        left_out: names of members that might show people and cannot be looked at, and so do not go along.
    """

    key: str
    pictures: dict[str, bytes]
    rest: Any
    left_out: list[str] = field(default_factory=list)


class Writer(Protocol):
    """Writes samples to a new shard."""

    def write(self, sample: Sample, records: dict[str, bytes]) -> None:
        """Add a sample, whose pictures are anonymized, with the record of each picture as JSON."""
        ...


class Shard(Protocol):
    """A file of samples."""

    def __len__(self) -> int:
        """How many samples there are; 0 where only reading them would tell."""
        ...

    def __iter__(self) -> Iterator[Sample]:
        """The samples, in their order, one at a time.

        Raises:
            InputError: the file is damaged, or holds what cannot be anonymized.
        """
        ...

    def writer(self, path: Path) -> AbstractContextManager[Writer]:
        """Begin a new shard of the same kind."""
        ...
