"""Many machines that share a run's photos, by Ray Data: back-pressure, retries and placement are Ray's."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from math import ceil
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from threading import Thread, current_thread, main_thread
from typing import Any, Final

from reverse_personalization.cli.batch import Policy, attempt, failed
from reverse_personalization.cli.finishing import Finished, uninterrupted
from reverse_personalization.cli.interrupts import Interrupted
from reverse_personalization.cli.outcomes import Outcome
from reverse_personalization.cli.planning import Job
from reverse_personalization.errors import EngineError, UsageError
from reverse_personalization.settings import Settings

# How often a photo is begun: what kills two workers is the photo.
TRIES: Final = 2
NO_TELEMETRY: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}
# Its core tells of restarts that we ask for as errors.
QUIET: Final = {"RAY_BACKEND_LOG_LEVEL": "fatal"}
PATIENCE: Final = 10.0
# Seconds that the photos at hand have after an interruption.
LAST_PHOTOS: Final = 60.0
# A thread of Ray's that outlives a run would begin a cluster of its own.
ONCE: Final = {"RAY_ENABLE_AUTO_CONNECT": "0"}
# How Ray itself keeps to the loopback address, on all systems; it is read when Ray is imported.
LOOPBACK: Final = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@dataclass(frozen=True)
class RayPool:
    """Workers of a Ray cluster, each with the models loaded once; photos lie where all machines can reach them.

    Attributes:
        settings: of the method.
        policy: of the run.
        workers: how many.
        address: of the cluster, as Ray takes it; None begins one on this machine, on its loopback address.
        cpus: of each worker.
        gpus: of each worker; a part of one lets workers share it.
    """

    settings: Settings
    policy: Policy
    workers: int
    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0

    def outcomes(self, jobs: Sequence[Job], started: Callable[[Job], None]) -> Iterator[Outcome]:
        """What became of each job, in the order in which they end.

        Raises:
            UsageError: there is no such cluster, or it is too small.
            Finished: a signal came; the photos at hand are finished, the others are left.
        """
        ray, run = self._connect(), os.urandom(8).hex()
        try:
            gate = ray.remote(num_cpus=0)(Gate).remote()
            done = self._done(ray, jobs, run, gate)
            for job in jobs:
                started(job)
            with closing(Ended(done.iter_rows())) as ended:
                try:
                    while wait([ended.connection]):
                        with uninterrupted():  # until whoever asked has told of it
                            outcome = ended.next()
                            if outcome is None:
                                break
                            yield outcome
                except Interrupted as interruption:
                    begun = _begun(ray, gate)
                    raise Finished(list(ended.rest(begun))) from interruption
                if ended.error is not None:
                    raise ended.error
        finally:
            _hush(logging.CRITICAL)  # that photos are broken off is no error of Ray's
            ray.shutdown()
            for folder in {job.output.parent for job in jobs}:
                for left in folder.glob(f".revpers-{run}-*"):  # by workers that died
                    left.unlink(missing_ok=True)

    def _done(self, ray: Any, jobs: Sequence[Job], run: str, gate: Any) -> Any:
        """The data set of outcomes."""
        rows = [{"source": str(job.source), "output": str(job.output)} for job in jobs]
        return ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            PhotoWorker,
            fn_constructor_args=(self.settings, self.policy, run, max(1, int(self.cpus)), gate),
            compute=ray.data.ActorPoolStrategy(size=min(self.workers, len(rows))),
            num_cpus=self.cpus,
            num_gpus=self.gpus,
        )

    def _connect(self) -> Any:
        os.environ.update(NO_TELEMETRY | QUIET | ONCE | ({} if self.address else LOOPBACK))
        _check_reachable(self.address)
        import ray
        import ray.data

        local = {"include_dashboard": False, "num_cpus": max(os.cpu_count() or 1, ceil(self.workers * self.cpus))}
        try:
            with _own_signals():
                ray.init(self.address, log_to_driver=False, logging_level="error", **({} if self.address else local))
            _hush(logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UsageError(f"--address {self.address}: no Ray cluster could be reached there ({error}).") from error
        self._check_size(ray)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.verbose_progress = False
        return ray

    def _check_size(self, ray: Any) -> None:
        """Ray would wait forever for what no machine has."""
        has = ray.cluster_resources()
        for kind, asked in (("CPU", self.cpus * self.workers), ("GPU", self.gpus * self.workers)):
            if asked > has.get(kind, 0) + 1e-6:
                ray.shutdown()
                raise UsageError(
                    f"{self.workers} workers need {asked:g} {kind}s, and the cluster has {has.get(kind, 0):g}; "
                    "use fewer --workers."
                )


def _check_reachable(address: str | None) -> None:
    """Ray itself would look for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"--address {address}: no Ray cluster could be reached there ({reason}).") from error


def _hush(level: int) -> None:
    for talker in ("ray", "ray.data"):  # the latter has a handler of its own
        logging.getLogger(talker).setLevel(level)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray would end this process at once at SIGTERM."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if current_thread() is main_thread():
            signal.signal(signal.SIGTERM, before)


class Gate:
    """An actor that workers ask before each photo."""

    def __init__(self) -> None:
        """Let everybody pass."""
        self._open, self._begun = True, set[str]()

    def passes(self, output: str) -> bool:
        """Whether the photo of this output may begin."""
        if self._open:
            self._begun.add(output)
        return self._open

    def close(self) -> set[str]:
        """Let nobody pass any more; the outputs of all photos that were begun."""
        self._open = False
        return self._begun


def _begun(ray: Any, gate: Any) -> set[str]:
    """Close the gate; the outputs of photos that were begun, or none where the cluster ended with the signal."""
    try:
        return set(ray.get(gate.close.remote(), timeout=PATIENCE))
    except ray.exceptions.RayError:
        return set()


class Ended:
    """Outcomes as a data set gives them, heard by a thread: a signal would end Ray's iterator, with all it holds.

    Attributes:
        connection: which is ready when there is another, or the end.
        error: what Ray raised in place of giving all, if it did.
    """

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        """Begin to listen."""
        self.connection, theirs = Pipe(duplex=False)
        self.error: Exception | None = None
        self._told, self._over = set[str](), False
        self._thread = Thread(target=self._hear, args=(rows, theirs), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear no more, and have Ray end its work."""
        self._over = True
        self.connection.close()
        self._thread.join(PATIENCE)

    def next(self) -> Outcome | None:
        """The next one, waited for; None when there are no more."""
        try:
            told = self.connection.recv_bytes()
        except EOFError:
            return None
        outcome: Outcome = pickle.loads(told)  # noqa: S301 - from our own workers, over Ray's own channel
        self._told.add(str(outcome.output))
        return outcome

    def rest(self, begun: set[str]) -> Iterator[Outcome]:
        """Those that came meanwhile, and those of photos that were begun, by their outputs, if they come in time."""
        deadline = time.monotonic() + LAST_PHOTOS
        while self.connection.poll(max(0.0, deadline - time.monotonic()) if begun - self._told else 0.0):
            outcome = self.next()
            if outcome is None:
                return
            yield outcome
        if begun and begun <= self._told:
            self._thread.join(PATIENCE)  # while nothing is done of what is left: Ray complains where it is broken off

    def _hear(self, rows: Iterable[dict[str, Any]], theirs: Connection) -> None:
        with theirs:
            try:
                for row in rows:
                    if self._over:
                        return
                    if row["outcome"]:
                        theirs.send_bytes(row["outcome"])
            except Exception as error:
                self.error = error


class PhotoWorker:
    """Does photos on one machine, or on one GPU of it; the models load once."""

    def __init__(self, settings: Settings, policy: Policy, run: str, threads: int, gate: Any = None) -> None:
        """Load the models.

        Args:
            settings: of the method.
            policy: of the run.
            run: a name of the run, by which begun photos are told from those of others.
            threads: that this worker may use.
            gate: handle of the `Gate` that is asked before each photo, if there is one.
        """
        import cv2

        from reverse_personalization.anonymizer import Anonymizer

        cv2.setNumThreads(threads)
        self._settings, self._policy, self._run, self._gate = settings, policy, run, gate
        self._anonymizer = Anonymizer(settings=settings)

    def __call__(self, row: dict[str, str]) -> dict[str, bytes]:
        """Do one photo. Who begins it again writes the same over what was there: each output is whole, and once.

        After an interruption it is left, and its outcome is empty.
        """
        if not self._may_begin(row["output"]):
            return {"outcome": b""}
        return {"outcome": pickle.dumps(self._outcome(Job(Path(row["source"]), Path(row["output"]))))}

    def _may_begin(self, output: str) -> bool:
        if self._gate is None:
            return True
        import ray

        try:
            return bool(ray.get(self._gate.passes.remote(output)))
        except ray.exceptions.RayError:
            return True  # the gate's machine is gone, and the run goes on

    def _outcome(self, job: Job) -> Outcome:
        begun = job.output.with_name(f".revpers-{self._run}-{sha256(str(job.output).encode()).hexdigest()[:16]}")
        try:
            begun.parent.mkdir(parents=True, exist_ok=True)
            tries = _one_more(begun)
        except OSError:
            tries = 0  # the outcome says why the folder cannot be written
        try:
            if tries > TRIES:
                died = EngineError(f"{job.source}: ended {TRIES} workers; scale it down, or look at it.")
                return failed(str(job.source), job.output, died)
            return attempt(job, self._anonymizer, self._settings, self._policy)
        finally:
            with suppress(OSError):
                begun.unlink(missing_ok=True)


def _one_more(begun: Path) -> int:
    """How often a photo was begun, this time included; a byte each, so that it lasts when the worker does not."""
    with begun.open("ab") as file:
        file.write(b"1")
        file.flush()
        return file.tell()
