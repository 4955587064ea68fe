"""Many machines that share a run's photos, by Ray Data: back-pressure, retries and placement are Ray's."""

from __future__ import annotations

import logging
import os
import pickle
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import Any, Final

from reverse_personalization.cli.batch import Policy, attempt, failed
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
        """
        ray, run = self._connect(), os.urandom(8).hex()
        try:
            rows = [{"source": str(job.source), "output": str(job.output)} for job in jobs]
            for job in jobs:
                started(job)
            done = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
                PhotoWorker,
                fn_constructor_args=(self.settings, self.policy, run, max(1, int(self.cpus))),
                compute=ray.data.ActorPoolStrategy(size=min(self.workers, len(rows))),
                num_cpus=self.cpus,
                num_gpus=self.gpus,
            )
            for row in done.iter_rows():
                yield pickle.loads(row["outcome"])  # noqa: S301 - from our own workers, over Ray's own channel
        finally:
            ray.shutdown()
            for folder in {job.output.parent for job in jobs}:
                for begun in folder.glob(f".revpers-{run}-*"):  # of workers that died
                    begun.unlink(missing_ok=True)

    def _connect(self) -> Any:
        os.environ.update(NO_TELEMETRY | QUIET if self.address else NO_TELEMETRY | QUIET | LOOPBACK)
        _check_reachable(self.address)
        import ray
        import ray.data

        local = {"include_dashboard": False, "num_cpus": max(os.cpu_count() or 1, ceil(self.workers * self.cpus))}
        try:
            ray.init(self.address, log_to_driver=False, logging_level="error", **({} if self.address else local))
            for talker in ("ray", "ray.data"):  # the latter has a handler of its own
                logging.getLogger(talker).setLevel(logging.ERROR)
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


class PhotoWorker:
    """Does photos on one machine, or on one GPU of it; the models load once."""

    def __init__(self, settings: Settings, policy: Policy, run: str, threads: int) -> None:
        """Load the models.

        Args:
            settings: of the method.
            policy: of the run.
            run: a name of the run, by which begun photos are told from those of others.
            threads: that this worker may use.
        """
        import cv2

        from reverse_personalization.anonymizer import Anonymizer

        cv2.setNumThreads(threads)
        self._settings, self._policy, self._run = settings, policy, run
        self._anonymizer = Anonymizer(settings=settings)

    def __call__(self, row: dict[str, str]) -> dict[str, bytes]:
        """Do one photo. Who begins it again writes the same over what was there: each output is whole, and once."""
        return {"outcome": pickle.dumps(self._outcome(Job(Path(row["source"]), Path(row["output"]))))}

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
