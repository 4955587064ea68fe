"""WebDataset: a tar file, in which consecutive members of one name but for the extension are a sample."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Final

from reverse_personalization.errors import InputError
from reverse_personalization.media.formats import is_supported
from reverse_personalization.shards.samples import Sample

# What goes along unread; everything else could show people: videos, arrays, depth maps.
TEXTS: Final = (".json", ".txt", ".cls", ".csv", ".caption", ".text", ".id", ".index", ".url")
MOST_BYTES: Final = 512 * 2**20
RECORD: Final = "revpers.json"


class WebDataset:
    """A tar file, read and written as a stream."""

    def __init__(self, path: Path) -> None:
        """Take the file; it is opened when its samples are asked for."""
        self._path = path

    def __len__(self) -> int:
        """0: a stream does not know."""
        return 0

    def __iter__(self) -> Iterator[Sample]:
        """See `Shard`."""
        try:
            with tarfile.open(self._path, "r|") as tar:
                files = ((member, self._content(tar, member)) for member in tar if member.isfile())
                for key, members in groupby(files, key=lambda each: _key(each[0].name)):
                    yield _sample(key, [(member.name, content) for member, content in members])
        except (tarfile.TarError, EOFError) as error:
            raise InputError(f"{self._path}: is no whole tar file ({error}); make it anew.") from error

    def _content(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
        if member.size > MOST_BYTES:
            raise InputError(f"{self._path}: {member.name} is larger than {MOST_BYTES >> 20} MiB; leave it out.")
        file = tar.extractfile(member)
        return b"" if file is None else file.read()

    @contextmanager
    def writer(self, path: Path) -> Iterator[_Writer]:
        """Begin a new tar file."""
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
            yield _Writer(tar)


class _Writer:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def write(self, sample: Sample, records: dict[str, bytes]) -> None:
        """Add the members in their order, then the records."""
        for name in sample.rest["order"]:
            self._add(name, sample.pictures.get(name, sample.rest["texts"].get(name)))
        for name, record in records.items():
            extension = _extension(name) if len(records) > 1 else ""
            self._add(".".join(filter(None, (sample.key, extension, RECORD))), record)

    def _add(self, name: str, content: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        self._tar.addfile(member, io.BytesIO(content))


def _sample(key: str, members: list[tuple[str, bytes]]) -> Sample:
    pictures = {name: content for name, content in members if is_supported(Path(name))}
    texts = {name: content for name, content in members if name.lower().endswith(TEXTS)}
    left_out = [name for name, _ in members if name not in pictures and name not in texts]
    order = [name for name, _ in members if name not in left_out]
    return Sample(key, pictures, {"order": order, "texts": texts}, left_out)


def _key(name: str) -> str:
    """A member's name up to the first dot of its last part."""
    path = PurePosixPath(name)
    return str(path.parent / path.name.partition(".")[0])


def _extension(name: str) -> str:
    return PurePosixPath(name).name.partition(".")[2]
