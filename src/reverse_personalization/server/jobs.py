"""Jobs in SQLite: they survive a restart, and what they held is shredded when its time is over."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal

from reverse_personalization.media.shredding import shred

Status = Literal["queued", "running", "done", "failed"]
Media = Literal["image", "video"]

RESULTS: Final[dict[Media, str]] = {"image": ".png", "video": ".mp4"}
SUFFIXES: Final = (".in", ".json", *RESULTS.values())
# How often a job is begun: one that ends the process twice would end it for good.
ATTEMPTS: Final = 2
DEADLY: Final = "The server stopped each time it worked on this; scale it down, and send it again."
DEADLY_CODE: Final = 500
_COLUMNS: Final = "id, status, created, sentence, code, media"


@dataclass(frozen=True)
class Job:
    """A photo or video on its way.

    Attributes:
        id: 32 hexadecimal digits that nobody guesses.
        status: where it is.
        created: seconds since 1970.
        sentence: why it failed.
        code: the HTTP status by which its result is refused; 0 where it is not.
        media: what it is.
    """

    id: str
    status: Status
    created: float
    sentence: str
    code: int
    media: Media = "image"


class JobStore:
    """Jobs and their files, in one folder that only its owner reads."""

    def __init__(self, folder: Path) -> None:
        """Open the folder; jobs that ran when the server stopped are queued again."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self._lock = threading.Lock()
        with self._database() as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, status TEXT, created REAL, sentence TEXT, "
                "code INT, media TEXT DEFAULT 'image', attempts INT DEFAULT 0)"
            )
            present = {row[1] for row in database.execute("PRAGMA table_info(jobs)")}
            for name, kind in (("media", "TEXT DEFAULT 'image'"), ("attempts", "INT DEFAULT 0")):
                if name not in present:  # a folder of an earlier version
                    database.execute(f"ALTER TABLE jobs ADD COLUMN {name} {kind}")
            # Exit codes, of an earlier version.
            database.execute("UPDATE jobs SET code = 500 WHERE code BETWEEN 1 AND 99")
            database.execute("UPDATE jobs SET status = 'queued' WHERE status = 'running'")
            known = {row[0] for row in database.execute("SELECT id FROM jobs")}
        self._clean(known)

    @contextlib.contextmanager
    def upload(self) -> Iterator[tuple[str, BinaryIO]]:
        """A new job's id and a file for what comes, which is shredded unless `submit` takes it."""
        job_id = secrets.token_hex(16)
        path = self._partial(job_id)
        try:
            with _private(path) as file:
                yield job_id, file
        finally:
            shred(path)

    def submit(self, job_id: str, *, media: Media = "image", most: int | None = None) -> Job | None:
        """Queue what was uploaded, unless `most` jobs are waiting."""
        job = Job(job_id, "queued", time.time(), "", 0, media)
        self._partial(job_id).replace(self.input(job_id))
        with self._database() as database:
            taken = database.execute(
                f"INSERT INTO jobs ({_COLUMNS}) SELECT ?, 'queued', ?, '', 0, ? WHERE ? IS NULL OR "  # noqa: S608
                "(SELECT COUNT(*) FROM jobs WHERE status IN ('queued', 'running')) < ?",
                (job.id, job.created, media, most, most),
            ).rowcount
        if not taken:
            shred(self.input(job.id))
            return None
        return job

    def add(self, content: bytes, *, media: Media = "image", most: int | None = None) -> Job | None:
        """Queue a photo or video, unless `most` jobs are waiting."""
        with self.upload() as (job_id, file):
            file.write(content)
            file.flush()
            return self.submit(job_id, media=media, most=most)

    def get(self, job_id: str) -> Job | None:
        """A job, or None where there is none of that name."""
        with self._database() as database:
            row = database.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job_id,)).fetchone()  # noqa: S608
        return None if row is None else Job(*row)

    def waiting(self) -> int:
        """How many jobs are queued or running."""
        with self._database() as database:
            (count,) = database.execute("SELECT COUNT(*) FROM jobs WHERE status IN ('queued', 'running')").fetchone()
        return int(count)

    def take(self) -> Job | None:
        """The oldest job that is not done, which runs from now on; for a single worker.

        One that is running already was given up by this worker, which could not say so. One that was begun too often is
        failed instead: it may be what ended the process.
        """
        with self._database() as database:
            row = database.execute(
                "SELECT id, attempts FROM jobs WHERE status IN ('queued', 'running') ORDER BY created LIMIT 1"
            ).fetchone()
            if row is not None:
                database.execute("UPDATE jobs SET status = 'running', attempts = attempts + 1 WHERE id = ?", row[:1])
        if row is None:
            return None
        if row[1] >= ATTEMPTS:
            self.fail(row[0], DEADLY, DEADLY_CODE)
            return self.take()
        return self.get(row[0])

    def put_back(self, job_id: str) -> None:
        """Queue a job again that was given up for a reason that is not its own."""
        with self._database() as database:
            database.execute("UPDATE jobs SET status = 'queued', attempts = attempts - 1 WHERE id = ?", (job_id,))

    def finish(self, job_id: str, result: bytes, record: bytes) -> None:
        """Keep a result; the source is shredded. A job that was deleted meanwhile leaves nothing."""
        job = self.get(job_id)
        if job is not None:
            self._write(self.output(job), result)
            self._write(self.record(job_id), record)
        self._end(job_id, "done", "", 0)

    def fail(self, job_id: str, sentence: str, code: int) -> None:
        """Keep the reason and its HTTP status; the source is shredded."""
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

    def content(self, path: Path, job_id: str) -> bytes | None:
        """A file of a job, whole, or None where the job was deleted before or meanwhile."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        # A job's row goes before its files are overwritten, so that what was read while it was there is whole.
        return None if self.get(job_id) is None else content

    def input(self, job_id: str) -> Path:
        """Where the photo or video lies until it is done."""
        return self.folder / f"{job_id}.in"

    def output(self, job: Job) -> Path:
        """Where the result lies."""
        return self.folder / f"{job.id}{RESULTS[job.media]}"

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

    def _clean(self, known: set[str]) -> None:
        """Shred what a crash left between a file and its row, which would stay for good."""
        for path in self.folder.iterdir():
            if path.is_dir():
                for left in path.rglob("*"):
                    if left.is_file():
                        shred(left, keep_others=True)
                shutil.rmtree(path, ignore_errors=True)
            elif path.suffix == ".partial" or (path.suffix in SUFFIXES and path.stem not in known):
                shred(path)

    def _shred(self, job_id: str) -> None:
        for suffix in SUFFIXES:
            shred(self.folder / f"{job_id}{suffix}")

    def _partial(self, job_id: str) -> Path:
        return self.folder / f"{job_id}.partial"

    def _write(self, path: Path, content: bytes) -> None:
        partial = path.with_name(f"{path.name}.partial")
        with _private(partial) as file:
            file.write(content)
        partial.replace(path)

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with self._lock, contextlib.closing(sqlite3.connect(self.folder / "jobs.sqlite")) as database, database:
            yield database


def _private(path: Path) -> BinaryIO:
    """A new file that only its owner reads."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
