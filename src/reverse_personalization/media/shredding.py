"""Files that are overwritten before they go."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def shred(path: Path, *, keep_others: bool = False) -> None:
    """Overwrite a file with zeros and remove it. Copies that a file system keeps are out of reach.

    Args:
        path: the file; nothing happens where there is none.
        keep_others: do not overwrite a file that has other names as well.
    """
    with contextlib.suppress(FileNotFoundError):
        if not (keep_others and path.stat().st_nlink > 1):
            with path.open("r+b") as file:
                file.write(bytes(path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
        path.unlink()


def shred_below(folder: Path, *, older_than: float = float("inf")) -> None:
    """Shred the files of a folder and of those within.

    Args:
        folder: where; nothing happens where there is none.
        older_than: only files that were last written before this time (seconds since 1970).
    """
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink() and path.stat().st_mtime < older_than:
                shred(path, keep_others=True)
