"""Files that are as they were before, if what was to replace them fails."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reverse_personalization.errors import OutputError


@contextmanager
def restoring(*paths: Path) -> Iterator[None]:
    """Within the block, files may be replaced together; if it fails, all are what they were, or not there.

    What is no regular file, such as a folder, is left alone. Symbolic links are followed.

    Raises:
        OutputError: what is there cannot be put by.
    """
    targets = [Path(os.path.realpath(path)) for path in paths]
    numbers = [_number(target) for target in targets]
    backups = {target: _backup(target) for target in targets if os.path.isfile(target)}
    try:
        yield
    except BaseException:
        for target, number in zip(targets, numbers, strict=True):
            with suppress(OSError):
                if target in backups:
                    backups[target].replace(target)
                elif _number(target) != number:
                    target.unlink(missing_ok=True)
        raise
    finally:
        for backup in backups.values():
            with suppress(OSError):
                backup.unlink(missing_ok=True)


def _backup(target: Path) -> Path:
    """Another name of the same file, or a copy where the disk knows no such thing."""
    backup = target.with_name(f".revpers-{secrets.token_hex(8)}.old")
    try:
        os.link(target, backup)
    except OSError:
        try:
            shutil.copy2(target, backup)
        except OSError as error:
            backup.unlink(missing_ok=True)
            reason = (error.strerror or type(error).__name__).lower()
            raise OutputError(f"{target}: cannot be put by ({reason}); free some space.") from error
    return backup


def _number(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
