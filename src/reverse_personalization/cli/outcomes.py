"""What a run tells while it goes: values that progress displays, lists and summaries are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from reverse_personalization.cli.failures import SIGNAL_BASE, Failure, most_serious
from reverse_personalization.cli.planning import Job
from reverse_personalization.record import Verdict


class Status(StrEnum):
    """How a photo ended."""

    PLANNED = "planned"
    DONE = "done"
    SKIPPED = "skipped"
    NO_FACE = "no_face"
    FAILED = "failed"


@dataclass(frozen=True)
class Started:
    """A run begins.

    Attributes:
        photos: how many inputs it has.
    """

    photos: int


@dataclass(frozen=True)
class Advanced:
    """A video comes along.

    Attributes:
        source: the video.
        what: is being done.
        done: frames.
        total: frames.
    """

    source: Path
    what: str
    done: int
    total: int


@dataclass(frozen=True)
class Outcome:
    """What became of one input.

    Attributes:
        source: the input.
        output: the photo that was written, or would have been; None where an input led to no photo.
        status: how it ended.
        faces: how many faces ended with which verdict.
        warnings: what its user should know, a sentence each.
        failure: the error, if there was one. A photo can be done although a face met an error.
        seconds: how long it took.
        source_sha256: of the input as it was when it was begun, where that was asked for and it could be read.
    """

    source: str
    output: Path | None
    status: Status
    faces: Mapping[Verdict, int] = field(default_factory=Counter)
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None
    seconds: float = 0.0
    source_sha256: str | None = None


@dataclass(frozen=True)
class Summary:
    """What became of a run.

    Attributes:
        outcomes: of the inputs that were reached.
        photos: how many inputs there were.
        seconds: how long it took.
        warnings: about the run as a whole, a sentence each.
        failure: an error that is no single input's.
        signal: number of the signal that interrupted it, or None.
    """

    outcomes: tuple[Outcome, ...]
    photos: int
    seconds: float
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None
    signal: int | None = None

    def count(self, status: Status) -> int:
        """How many inputs ended with this status."""
        return sum(outcome.status is status for outcome in self.outcomes)

    @property
    def not_reached(self) -> int:
        """How many inputs an interruption left undone."""
        return self.photos - len(self.outcomes)

    @property
    def faces(self) -> Counter[Verdict]:
        """How many faces ended with which verdict."""
        return sum((Counter(outcome.faces) for outcome in self.outcomes), Counter())

    @property
    def exit_code(self) -> int:
        """What `revpers` returns."""
        if self.signal is not None:
            return SIGNAL_BASE + self.signal
        failures = (self.failure, *(outcome.failure for outcome in self.outcomes))
        return most_serious(failure.exit_code for failure in failures if failure)


Event = Started | Job | Advanced | Outcome | Summary
"""What a run tells: that it starts, that a photo is next, what became of it, what became of all."""
Watcher = Callable[[Event], None]
