"""Jobs in SQLite: they survive a restart, and what they held is shredded when its time is over."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SUFFIXES = (".in", ".png", ".json")
Status = Literal["queued", "running", "done", "failed"]


@dataclass(frozen=True)
class Job:
    """A photo on its way.

    Attributes:
        id: 32 hexadecimal digits that nobody guesses.
        status: where it is.
        created: seconds since 1970.
        sentence: why it failed.
        code: the exit code that `revpers anonymize` would have had.
    """

    id: str
    status: Status
    created: float
    sentence: str
    code: int


class JobStore:
    """Jobs and their files, in one folder that only its owner reads."""

    def __init__(self, folder: Path) -> None:
        """Open the folder; jobs that ran when the server stopped are queued again."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self._lock = threading.Lock()
        with self._database() as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS jobs "
                "(id TEXT PRIMARY KEY, status TEXT, created REAL, sentence TEXT, code INT)"
            )
            database.execute("UPDATE jobs SET status = 'queued' WHERE status = 'running'")
            known = {row[0] for row in database.execute("SELECT id FROM jobs")}
        # What a crash left between a file and its row would stay for good.
        for path in folder.iterdir():
            if path.suffix == ".partial" or (path.suffix in SUFFIXES and path.stem not in known):
                shred(path)

    def add(self, photo: bytes, *, most: int | None = None) -> Job | None:
        """Take a photo, unless `most` jobs are waiting."""
        job = Job(secrets.token_hex(16), "queued", time.time(), "", 0)
        self._write(self.input(job.id), photo)
        with self._database() as database:
            taken = database.execute(
                "INSERT INTO jobs SELECT ?, 'queued', ?, '', 0 WHERE ? IS NULL OR "
                "(SELECT COUNT(*) FROM jobs WHERE status IN ('queued', 'running')) < ?",
                (job.id, job.created, most, most),
            ).rowcount
        if not taken:
            shred(self.input(job.id))
            return None
        return job

    def get(self, job_id: str) -> Job | None:
        """A job, or None where there is none of that name."""
        with self._database() as database:
            row = database.execute(
                "SELECT id, status, created, sentence, code FROM jobs WHERE id = ?", (job_id,)
            ).fetchone()
        return None if row is None else Job(*row)

    def waiting(self) -> int:
        """How many jobs are queued or running."""
        with self._database() as database:
            (count,) = database.execute("SELECT COUNT(*) FROM jobs WHERE status IN ('queued', 'running')").fetchone()
        return int(count)

    def take(self) -> Job | None:
        """The oldest queued job, which runs from now on."""
        with self._database() as database:
            row = database.execute("SELECT id FROM jobs WHERE status = 'queued' ORDER BY created LIMIT 1").fetchone()
            if row is None:
                return None
            database.execute("UPDATE jobs SET status = 'running' WHERE id = ?", row)
        return self.get(row[0])

    def finish(self, job_id: str, result: bytes, record: bytes) -> None:
        """Keep a result; the source is shredded. A job that was deleted meanwhile leaves nothing."""
        self._write(self.output(job_id), result)
        self._write(self.record(job_id), record)
        self._end(job_id, "done", "", 0)

    def fail(self, job_id: str, sentence: str, code: int) -> None:
        """Keep the reason; the source is shredded."""
        self._end(job_id, "failed", sentence, code)

    def delete(self, job_id: str) -> bool:
        """Forget a job and shred its files; False where there is none."""
        with self._database() as database:
            gone = database.execute("DELETE FROM jobs WHERE id = ?", (job_id,)).rowcount
        if gone:
            self._shred(job_id)
        return bool(gone)

    def expire(self, seconds: float) -> int:
        """Delete jobs that are older than that and not waiting any more."""
        with self._database() as database:
            rows = database.execute(
                "SELECT id FROM jobs WHERE created < ? AND status IN ('done', 'failed')", (time.time() - seconds,)
            ).fetchall()
        return sum(self.delete(row[0]) for row in rows)

    def input(self, job_id: str) -> Path:
        """Where the photo lies until it is done."""
        return self.folder / f"{job_id}.in"

    def output(self, job_id: str) -> Path:
        """Where the result lies."""
        return self.folder / f"{job_id}.png"

    def record(self, job_id: str) -> Path:
        """Where its record lies."""
        return self.folder / f"{job_id}.json"

    def _end(self, job_id: str, status: Status, sentence: str, code: int) -> None:
        shred(self.input(job_id))
        with self._database() as database:
            there = database.execute(
                "UPDATE jobs SET status = ?, sentence = ?, code = ? WHERE id = ?", (status, sentence, code, job_id)
            ).rowcount
        if not there:
            self._shred(job_id)

    def _shred(self, job_id: str) -> None:
        for path in (self.input(job_id), self.output(job_id), self.record(job_id)):
            shred(path)

    def _write(self, path: Path, content: bytes) -> None:
        partial = path.with_suffix(".partial")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        partial.replace(path)

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with self._lock, contextlib.closing(sqlite3.connect(self.folder / "jobs.sqlite")) as database, database:
            yield database


def shred(path: Path) -> None:
    """Overwrite a file with zeros and remove it. Copies that a file system keeps are out of reach."""
    with contextlib.suppress(FileNotFoundError):
        with path.open("r+b") as file:
            file.write(bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
