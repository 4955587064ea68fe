"""What is done of a video, beside its output, so that an interrupted run goes on where it stopped.

The folder holds finished parts, without any original face, and the key of the strangers; it goes when the video
is complete. Only its owner can read it.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reverse_personalization.media.atomic import write_atomically
from reverse_personalization.video.analysis import Analysis

FILE = "journal.json"


class TrackState(BaseModel):
    """Where a track's work stands."""

    model_config = ConfigDict(extra="forbid")

    counts: dict[str, int]
    held: int


class Part(BaseModel):
    """A finished part."""

    model_config = ConfigDict(extra="forbid")

    file: str
    seconds: float
    """When its first frame is shown."""
    frames: int
    states: dict[int, TrackState]
    """Of the tracks, after it."""


class Notes(BaseModel):
    """What the journal says."""

    model_config = ConfigDict(extra="forbid")

    fingerprint: str
    """Of the source, the settings and the options: of another one nothing is taken over."""
    seed: int = Field(default_factory=lambda: secrets.randbits(256))
    """Of the strangers of this video, where the run has none."""
    analysis: Analysis | None = None
    parts: list[Part] = []


class Journal:
    """The folder beside an output."""

    def __init__(self, folder: Path, notes: Notes) -> None:
        """Use `open`."""
        self.folder, self.notes = folder, notes

    @classmethod
    def open(cls, output: Path, fingerprint: str) -> Self:
        """Go on with what is there, if it is of the same run, or begin anew; nothing is written before `save`."""
        folder = folder_of(output)
        try:
            notes = Notes.model_validate_json((folder / FILE).read_bytes())
        except (OSError, ValidationError):
            notes = None
        if notes is None or notes.fingerprint != fingerprint:
            forget(output)
            notes = Notes(fingerprint=fingerprint)
        notes.parts = notes.parts[: _whole(folder, notes.parts)]
        return cls(folder, notes)

    @property
    def frames_done(self) -> int:
        """How many frames need no work any more."""
        return sum(part.frames for part in self.notes.parts)

    @property
    def states(self) -> dict[int, TrackState]:
        """Where the tracks' work stands."""
        return self.notes.parts[-1].states if self.notes.parts else {}

    def add(self, part: Part) -> None:
        """Note a finished part."""
        self.notes.parts.append(part)
        self.save()

    def save(self) -> None:
        """Write the notes.

        Raises:
            OutputError: they cannot be written.
        """
        from reverse_personalization.errors import OutputError

        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.folder}: cannot be made ({error.strerror}); give another -o.") from None
        write_atomically(self.folder / FILE, self.notes.model_dump_json().encode())


def folder_of(output: Path) -> Path:
    """Where the journal of an output lies."""
    return output.with_name(f".revpers-{output.name}.parts")


def forget(output: Path) -> None:
    """Remove the journal of an output, if there is one."""
    shutil.rmtree(folder_of(output), ignore_errors=True)


def fingerprint_of(*values: Any) -> str:
    """A digest of what a rendering hangs on; values as their representations."""
    from hashlib import sha256

    return sha256(repr(values).encode()).hexdigest()


def _whole(folder: Path, parts: list[Part]) -> int:
    """How many of the first parts are there."""
    missing = (i for i, part in enumerate(parts) if not (folder / part.file).is_file())
    return next(missing, len(parts))
