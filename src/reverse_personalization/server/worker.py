"""The thread that does the jobs, with one anonymizer that loads its models once."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from reverse_personalization.errors import NoFaceError, ReversePersonalizationError
from reverse_personalization.media.images import read_photo
from reverse_personalization.record import save_photo
from reverse_personalization.server.jobs import Job, JobStore
from reverse_personalization.settings import Settings

if TYPE_CHECKING:
    from reverse_personalization.anonymizer import Anonymizer

INTERNAL = 1


class Worker(threading.Thread):
    """Does jobs until it is stopped."""

    def __init__(
        self, store: JobStore, settings: Settings, load: Callable[[Settings], Anonymizer], *, keep_seconds: float
    ) -> None:
        """Set up; `load` makes the anonymizer when the first job comes."""
        super().__init__(daemon=True, name="revpers-worker")
        self._store, self._settings, self._load, self._keep = store, settings, load, keep_seconds
        self._anonymizer: Anonymizer | None = None
        self._wake, self._ended = threading.Event(), threading.Event()
        self.done = self.failed = 0

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def stop(self) -> None:
        """Stop after the present job."""
        self._ended.set()
        self._wake.set()
        if self.is_alive():
            self.join(60)

    def run(self) -> None:
        """Do jobs."""
        while not self._ended.is_set():
            self._store.expire(self._keep)
            job = self._store.take()
            if job is None:
                self._wake.wait(5)
                self._wake.clear()
            else:
                self._do(job)

    def _do(self, job: Job) -> None:
        try:
            self._store.finish(job.id, *self._anonymized(job))
            self.done += 1
        except ReversePersonalizationError as error:
            # The file's name is the job's; a sentence names neither it nor a folder.
            self._fail(job, str(error).replace(str(self._store.input(job.id)), "the photo"), error.exit_code)
        except Exception as error:
            self._fail(job, f"Internal error ({type(error).__name__}).", INTERNAL)

    def _fail(self, job: Job, sentence: str, code: int) -> None:
        self._store.fail(job.id, sentence, code)
        self.failed += 1

    def _anonymized(self, job: Job) -> tuple[bytes, bytes]:
        """The result as PNG and its record."""
        self._anonymizer = self._anonymizer or self._load(self._settings)
        photo = read_photo(self._store.input(job.id), max_pixels=self._settings.max_pixels)
        result = self._anonymizer.anonymize(photo)
        if not result.faces:
            raise NoFaceError("No face was found, so there is no result; a missed face would be the worst failure.")
        with tempfile.TemporaryDirectory(dir=self._store.folder) as folder:
            path = Path(folder) / "result.png"
            record = save_photo(result, path, source="photo", settings=self._settings, models=self._anonymizer.models)
            return path.read_bytes(), record.to_json()
