"""Several processes that share a run's photos; one that dies takes nothing with it."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Final

from reverse_personalization.cli.batch import Policy, attempt, failed
from reverse_personalization.cli.finishing import Finished, uninterrupted
from reverse_personalization.cli.interrupts import SIGNALS, Interrupted
from reverse_personalization.cli.outcomes import Outcome
from reverse_personalization.cli.planning import Job
from reverse_personalization.errors import EngineError
from reverse_personalization.settings import Settings

# How often a photo is given to another worker when its own died: what kills two is the photo.
RETRIES: Final = 1
PATIENCE: Final = 60.0
THREADS: Final = "OMP_NUM_THREADS"
_SPAWN: Final = get_context("spawn")  # forked networks would hang on threads that they do not have


@dataclass(eq=False)
class Worker:
    """A process, what it is told and tells by, and the photo that it does."""

    process: SpawnProcess
    connection: Connection
    job: Job | None = None


@dataclass(eq=False)
class Pool:
    """Processes that do photos.

    Attributes:
        settings: of the method.
        policy: of the run.
        size: how many processes.
    """

    settings: Settings
    policy: Policy
    size: int
    workers: list[Worker] = field(default_factory=list)

    def outcomes(self, jobs: Sequence[Job], started: Callable[[Job], None]) -> Iterator[Outcome]:
        """What became of each job, in the order in which they end; `started` is told each one that begins.

        Raises:
            Finished: a signal came; the photos at hand are finished, the others are left.
        """
        waiting, tries = deque(jobs), dict.fromkeys(jobs, 0)
        before = os.environ.get(THREADS)
        os.environ[THREADS] = str(max(1, (os.cpu_count() or 1) // self.size))
        try:
            self.workers = [self._hired() for _ in range(min(self.size, len(waiting)))]
            while waiting or any(worker.job for worker in self.workers):
                for worker in self.workers:
                    if worker.job is None and waiting:
                        with uninterrupted():
                            self._give(worker, waiting.popleft(), started)
                for connection in wait([worker.connection for worker in self.workers if worker.job]):
                    worker = next(w for w in self.workers if w.connection is connection)
                    with uninterrupted():  # until whoever asked has told of it
                        outcome = self._heard(worker, waiting, tries)
                        if outcome is not None:
                            yield outcome
        except Interrupted as interruption:
            raise Finished(list(self._finished())) from interruption
        finally:
            self._dismiss()
            if before is None:
                os.environ.pop(THREADS, None)
            else:
                os.environ[THREADS] = before

    def _give(self, worker: Worker, job: Job, started: Callable[[Job], None]) -> None:
        worker.job = job
        started(job)
        with suppress(OSError):  # it died, which is heard next
            worker.connection.send(job)

    def _heard(self, worker: Worker, waiting: deque[Job], tries: dict[Job, int]) -> Outcome | None:
        """The outcome of a worker's photo; a dead worker is replaced, and its photo waits again."""
        job = worker.job
        try:
            outcome: Outcome = worker.connection.recv()
        except (EOFError, OSError):
            worker.connection.close()
            worker.process.join(PATIENCE)
            self.workers[self.workers.index(worker)] = self._hired()
            if job is None:
                return None
            tries[job] += 1
            if tries[job] <= RETRIES:
                waiting.appendleft(job)
                return None
            died = EngineError(
                f"{job.source}: the process that did it died twice; scale it down, or use fewer --workers."
            )
            return failed(str(job.source), job.output, died)
        worker.job = None
        return outcome

    def _hired(self) -> Worker:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=work, args=(theirs, self.settings, self.policy), daemon=True)
        process.start()
        theirs.close()
        return Worker(process, ours)

    def _finished(self) -> Iterator[Outcome]:
        """What becomes of the photos at hand, which are finished; whoever takes too long is ended."""
        deadline = time.monotonic() + PATIENCE
        for worker in self.workers:
            with suppress(OSError):
                worker.connection.send(None)
        for worker in self.workers:
            if worker.job is None:
                continue
            with suppress(EOFError, OSError):  # it died, or its photo never reached it
                if worker.connection.poll(max(0.0, deadline - time.monotonic())):
                    yield worker.connection.recv()
                else:
                    worker.process.kill()

    def _dismiss(self) -> None:
        """Let everybody finish the photo at hand, so that nothing is half-written, then go."""
        for worker in self.workers:
            worker.connection.close()
        for worker in self.workers:
            worker.process.join(PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()


def work(connection: Connection, settings: Settings, policy: Policy) -> None:
    """Do photos until None comes, or nobody sends any more; the models load once."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # the parent decides when to stop
    import cv2

    from reverse_personalization.anonymizer import Anonymizer

    cv2.setNumThreads(int(os.environ[THREADS]))
    anonymizer = Anonymizer(settings=settings)
    while True:
        try:
            job = connection.recv()
        except (EOFError, OSError):
            return
        if job is None:
            return
        outcome = attempt(job, anonymizer, settings, policy)
        try:
            connection.send(outcome)
        except OSError:
            return
