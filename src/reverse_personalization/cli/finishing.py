"""What an interruption must not tear apart: a photo that is written, and that it is told of."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from threading import current_thread, main_thread

from reverse_personalization.cli.interrupts import SIGNALS, Interrupted
from reverse_personalization.cli.outcomes import Outcome


class Finished(Interrupted):
    """Interrupted; `outcomes` are those of the photos that were at hand and were finished all the same."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        """Take what became of them."""
        super().__init__()
        self.outcomes = tuple(outcomes)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Within the block, SIGINT, SIGTERM and SIGHUP wait; the first one that came is heeded at its end.

    Signals that are ignored still are. Other threads than the main one are never interrupted.
    """
    came: list[int] = []
    is_main = current_thread() is main_thread()
    held = {number: handler for number in SIGNALS if is_main and callable(handler := signal.getsignal(number))}
    for number in held:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


@contextmanager
def finishing() -> Iterator[None]:
    """As `uninterrupted`, but nothing is raised at the end: the run asks whether a signal came."""
    with ExitStack() as stack:
        stack.enter_context(uninterrupted())
        try:
            yield
        finally:
            with suppress(Interrupted):
                stack.close()
