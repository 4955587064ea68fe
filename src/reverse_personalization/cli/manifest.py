"""What became of each photo of a run, a JSON line each, by which a later run knows what is done.

A photo is known by its content. The manifest holds hashes of originals, by which whoever has a photo can tell
whether it was among them: keep it as you keep them.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from reverse_personalization.cli.failures import printable
from reverse_personalization.cli.outcomes import Event, Outcome, Status
from reverse_personalization.cli.planning import Job
from reverse_personalization.errors import OutputError
from reverse_personalization.record import Verdict, file_sha256


class Entry(BaseModel):
    """One photo or video."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    source_sha256: str | None
    """None where it could not be read."""
    output: str | None
    output_sha256: str | None
    """None where nothing was written."""
    status: Status
    faces: dict[Verdict, int]
    error: str | None
    seconds: float


class Manifest:
    """A file of entries; lines are added as photos end, and the last one of a photo holds."""

    def __init__(self, path: Path) -> None:
        """Read what is there.

        Raises:
            OutputError: the file cannot be read or written, or is something else.
        """
        self.path, self._entries = path, dict[str, Entry]()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a+", encoding="utf-8") as file:
                file.seek(0)
                for line in file:
                    self._take(line)
            self._end_torn_line()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is no text"
            raise OutputError(f"{path}: the manifest cannot be written ({reason}); give another --manifest.") from error

    def has_changed(self, job: Job) -> bool | None:
        """Whether a source's content is another one than when its output was made; None if nothing is known."""
        entry = self._entries.get(printable(str(job.source)))
        if entry is None or entry.status is not Status.DONE or entry.output != printable(str(job.output)):
            return None
        try:
            return entry.source_sha256 != file_sha256(job.source)
        except OSError:
            return True

    def __call__(self, event: Event) -> None:
        """Add a photo that has ended; those that were skipped are there already.

        Raises:
            OutputError: the line cannot be written.
        """
        if not isinstance(event, Outcome) or event.status in (Status.SKIPPED, Status.PLANNED):
            return
        entry = self._entry(event)
        self._entries[entry.source] = entry
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{entry.model_dump_json()}\n")
        except OSError as error:
            raise OutputError(f"{self.path}: the manifest cannot be written ({error.strerror}).") from error

    def _entry(self, outcome: Outcome) -> Entry:
        written = outcome.output if outcome.status is Status.DONE else None
        return Entry(
            source=printable(outcome.source),
            source_sha256=outcome.source_sha256,
            output=None if written is None else printable(str(written)),
            output_sha256=None if written is None else file_sha256(written),
            status=outcome.status,
            faces=dict(outcome.faces),
            error=outcome.failure and printable(outcome.failure.sentence),
            seconds=round(outcome.seconds, 3),
        )

    def _end_torn_line(self) -> None:
        """A run that was killed may have left half a line; what is added must begin on its own."""
        if self.path.exists() and self.path.stat().st_size:
            with self.path.open("rb+") as file:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")

    def _take(self, line: str) -> None:
        try:
            entry = Entry.model_validate_json(line)
        except ValidationError as error:
            if not line.startswith('{"source"'):
                raise OutputError(f"{self.path}: is no manifest; give another --manifest.") from error
            return  # half a line
        self._entries[entry.source] = entry
