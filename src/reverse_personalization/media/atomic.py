"""Files that are either complete or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from reverse_personalization.errors import OutputError

_ADVICE: Final = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "the file would be larger than is allowed here; choose another folder",
    errno.ENOENT: "its folder does not exist; create it first",
    errno.ENOTDIR: "its folder is a file; choose another folder",
    errno.EACCES: "the folder is not writable; choose another one",
    errno.EPERM: "the folder is not writable; choose another one",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


def write_atomically(path: Path, data: bytes) -> None:
    """Writes `data` to `path`, replacing what is there; see `written_atomically`."""
    with written_atomically(path) as partial, partial.open("wb") as file:
        file.write(data)


@contextlib.contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """A hidden file in the same folder to write to, which replaces `path` when the block ends well.

    Whatever goes wrong, interruption included, `path` keeps what it held and the hidden file is removed.
    A symbolic link is followed, not replaced.

    Raises:
        OutputError: the place cannot be written, with the reason.
    """
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            raise OutputError(f"{path}: is a folder or a device; give the name of a file.")
        partial = target.with_name(f".revpers-{secrets.token_hex(8)}.tmp")
        try:
            partial.touch(exist_ok=False)
            yield partial
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, f"{error.strerror or error}; choose another place".lower())
        raise OutputError(f"{path}: cannot be written, since {advice}.") from error
