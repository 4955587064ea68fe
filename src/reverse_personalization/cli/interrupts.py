"""Ctrl-C and its kin: stop soon, but never in the middle of cleaning up."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """Raised wherever the program is when the first signal comes."""


@dataclass
class Interruption:
    """Whether a signal came: its number, or None.

    Asked between photos, since an exception can get lost in the callbacks of native libraries.
    """

    number: int | None = None


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Within the block, the first SIGINT, SIGTERM or SIGHUP raises `Interrupted`; later ones are ignored.

    Signals that were ignored before, as under nohup, still are.
    """
    interruption = Interruption()
    previous = {number: signal.getsignal(number) for number in SIGNALS}
    heeded = [number for number in SIGNALS if previous[number] is not signal.SIG_IGN]

    def interrupt(number: int, _: FrameType | None) -> None:
        for each in heeded:
            signal.signal(each, signal.SIG_IGN)
        interruption.number = number
        raise Interrupted

    for number in heeded:
        signal.signal(number, interrupt)
    try:
        yield interruption
    finally:
        for number in heeded:
            signal.signal(number, previous[number])
