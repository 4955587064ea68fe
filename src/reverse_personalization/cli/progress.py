"""What a run shows: a bar for people, JSON lines for programs, and a summary."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from reverse_personalization.cli.failures import Failure, printable
from reverse_personalization.cli.outcomes import Advanced, Event, Outcome, Started, Status, Summary
from reverse_personalization.cli.planning import Job
from reverse_personalization.media.formats import is_video
from reverse_personalization.record import Verdict

if TYPE_CHECKING:
    from rich.progress import Progress

EVENT_SCHEMA_VERSION: Final = 1
_STATUS_WORDS: Final = {
    Status.PLANNED: "to do",
    Status.DONE: "done",
    Status.SKIPPED: "skipped",
    Status.NO_FACE: "without a face",
    Status.FAILED: "failed",
}
_EVENT_NAMES: Final = {
    Status.PLANNED: "file_planned",
    Status.DONE: "file_done",
    Status.SKIPPED: "file_skipped",
}


@dataclass
class SummaryText:
    """Prints, when all is over, what went wrong and a line of counts."""

    stream: TextIO
    _has_videos: bool = False

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, Job):
            self._has_videos |= event.is_video
        elif isinstance(event, Outcome):
            self._has_videos |= is_video(Path(event.source))
        elif isinstance(event, Summary):
            for line in summary_lines(event, "file" if self._has_videos else "photo"):
                print(printable(line), file=self.stream)


def summary_lines(summary: Summary, noun: str) -> Iterator[str]:
    """The summary of a run as lines for people; `noun` is what its inputs are."""
    for outcome in summary.outcomes:
        yield from (f"warning: {outcome.source}: {warning}" for warning in outcome.warnings)
        if outcome.failure:
            word = "warning" if outcome.status is Status.NO_FACE else "error"
            yield f"{word}: {outcome.failure.sentence}"
    yield from (f"warning: {warning}" for warning in summary.warnings)
    if summary.failure:
        yield f"error: {summary.failure.sentence}"
    counts = [f"{n} {word}" for status, word in _STATUS_WORDS.items() if (n := summary.count(status))]
    if summary.signal is not None:
        counts.append(f"{summary.not_reached} not done because of an interruption")
    photos = f"1 {noun}" if summary.photos == 1 else f"{summary.photos} {noun}s"
    faces = ", ".join(f"{summary.faces[verdict]} {verdict}" for verdict in Verdict)
    about_faces = f" Faces: {faces}." if summary.count(Status.DONE) else ""
    yield f"{photos}: {', '.join(counts)}.{about_faces} {summary.seconds:.1f} s."


@dataclass(frozen=True)
class Listing:
    """Prints which photo would become which."""

    stream: TextIO

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, Outcome) and event.status in (Status.PLANNED, Status.SKIPPED):
            done = "  (done already)" if event.status is Status.SKIPPED else ""
            print(printable(f"{event.source} -> {event.output}{done}"), file=self.stream)


@dataclass(frozen=True)
class JsonLines:
    """Prints an object per event; docs/cli.md documents them."""

    stream: TextIO

    def __call__(self, event: Event) -> None:
        """Take an event. Of a video's frames every hundredth part is told."""
        if isinstance(event, Advanced) and event.done % max(1, event.total // 100) and event.done != event.total:
            return
        print(json.dumps(_encodable(event_object(event))), file=self.stream, flush=True)


def _encodable(value: Any) -> Any:
    """`value` with what cannot be encoded in names escaped, as records have it; strict parsers refuse it."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case list():
            return [_encodable(each) for each in value]
        case dict():
            return {key: _encodable(each) for key, each in value.items()}
    return value


def event_object(event: Event) -> dict[str, Any]:
    """The JSON object of an event."""
    match event:
        case Started(photos):
            return {"event": "start", "schema_version": EVENT_SCHEMA_VERSION, "photos": photos}
        case Job(source, output):
            return {"event": "file_start", "input": str(source), "output": str(output)}
        case Advanced(source, what, done, total):
            return {"event": "file_progress", "input": str(source), "what": what, "done": done, "total": total}
        case Outcome():
            return _outcome_object(event)
        case Summary():
            return _summary_object(event)


def _outcome_object(outcome: Outcome) -> dict[str, Any]:
    written = outcome.status is Status.DONE
    return {
        "event": _EVENT_NAMES.get(outcome.status, "file_failed"),
        "input": outcome.source,
        "output": None if outcome.output is None else str(outcome.output),
        **({"faces": _faces_object(outcome.faces)} if written else {}),
        "warnings": list(outcome.warnings),
        "error": _error_object(outcome.failure),
        "seconds": round(outcome.seconds, 3),
    }


def _summary_object(summary: Summary) -> dict[str, Any]:
    return {
        "event": "summary",
        "photos": summary.photos,
        **{status.value: summary.count(status) for status in Status},
        "not_reached": summary.not_reached,
        "faces": _faces_object(summary.faces),
        "warnings": list(summary.warnings),
        "error": _error_object(summary.failure),
        "interrupted": summary.signal is not None,
        "seconds": round(summary.seconds, 3),
        "exit_code": summary.exit_code,
    }


def _error_object(failure: Failure | None) -> dict[str, str | int] | None:
    if failure is None:
        return None
    return {"kind": failure.kind, "message": failure.sentence, "exit_code": failure.exit_code}


def _faces_object(faces: Any) -> dict[str, int]:
    return {verdict.value: faces.get(verdict, 0) for verdict in Verdict}


@dataclass
class Bar:
    """Shows how far a run is on a terminal: photos, faces so far, the current file, time left."""

    progress: Progress
    faces: int = 0
    _frames: str = ""

    def __call__(self, event: Event) -> None:
        """Take an event."""
        match event:
            case Started(photos):
                self.progress.add_task("", total=photos, file="", faces=self._faces())
            case Job(source):
                self.progress.update(self.progress.task_ids[0], file=printable(source.name))
            case Advanced(source, what, done, total):
                self._advance(f"{printable(source.name)}: {what}", done, total)
            case Outcome(faces=faces):
                self._forget_frames()
                self.faces += sum(faces.values())
                self.progress.update(self.progress.task_ids[0], advance=1, faces=self._faces())
            case Summary():
                self.progress.stop()

    def _advance(self, what: str, done: int, total: int) -> None:
        """A second line, for the frames of a video; each step of the work begins its time anew."""
        if self._frames != what:
            self._forget_frames()
            self._frames = what
            self.progress.add_task("", total=total, file=what, faces="frames")
        self.progress.update(self.progress.task_ids[-1], completed=done, total=total)

    def _forget_frames(self) -> None:
        if self._frames:
            self.progress.remove_task(self.progress.task_ids[-1])
            self._frames = ""

    def _faces(self) -> str:
        return "1 face" if self.faces == 1 else f"{self.faces} faces"


@contextmanager
def bar() -> Iterator[Bar]:
    """A bar on stderr, which disappears when the run ends."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[faces]}", markup=False),
        TimeRemainingColumn(),
        TextColumn("{task.fields[file]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Bar(progress)


@contextmanager
def steps(*, quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr, where that is a terminal, for work that tells what it does, how far it is, and the total."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task("starting", total=None)
        yield lambda what, done, total: progress.update(task, description=what, completed=done, total=total)
