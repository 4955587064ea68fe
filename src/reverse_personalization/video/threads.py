"""Work beside the main thread: taken up ahead of it, spread over several threads, or left behind it.

Results and their order are those of one thread, errors come out where results would, and only a few items wait.
OpenCV, FFmpeg and NumPy let other threads run while they compute.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, Final, ParamSpec, TypeVar, cast

from reverse_personalization.threads import by_whoever_is_idle

Item = TypeVar("Item")
Tool = TypeVar("Tool")
Result = TypeVar("Result")
P = ParamSpec("P")
_END: Final = object()


def ahead(items: Iterable[Item], size: int) -> Generator[Item]:
    """The same items, up to `size` of which another thread takes before they are asked for.

    Closing it waits for that thread.
    """
    iterator = iter(items)
    pool = ThreadPoolExecutor(1)
    try:
        waiting = deque(pool.submit(next, iterator, _END) for _ in range(size))
        while (item := waiting.popleft().result()) is not _END:
            waiting.append(pool.submit(next, iterator, _END))
            yield cast(Item, item)
            del item  # else it is kept while the next one is waited for
    finally:
        pool.shutdown(cancel_futures=True)


def spread(tools: Sequence[Tool], work: Callable[[Tool, Item], Result], items: Iterable[Item]) -> Generator[Result]:
    """What `work` makes of each item, in their order, with as many threads as tools: none is shared."""
    done = by_whoever_is_idle(work, tools)
    pool = ThreadPoolExecutor(len(tools))
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(done, item))
            if len(waiting) > len(tools):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class Behind:
    """Does what it is told in a thread of its own, in order, at most `size` things late."""

    def __init__(self, size: int) -> None:
        """Begin with nothing to do."""
        self._size, self._pool = size, ThreadPoolExecutor(1)
        self._waiting: deque[Future[Any]] = deque()

    def do(self, work: Callable[[], object]) -> None:
        """Do something soon; what earlier things raised is raised here."""
        while self._waiting and (len(self._waiting) >= self._size or self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(work))

    def finish(self) -> None:
        """Wait until everything is done; what it raised is raised here."""
        while self._waiting:
            self._waiting.popleft().result()
        self._pool.shutdown()

    def abandon(self) -> None:
        """Drop what waits, and wait for what is being done."""
        self._pool.shutdown(cancel_futures=True)


class AtOnce(Executor):
    """Does what is submitted in the thread that submits it."""

    def submit(self, fn: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> Future[Result]:
        """What becomes of it, which is known already."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future
