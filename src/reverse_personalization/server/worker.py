"""The thread that does the jobs, with one anonymizer that loads its models once."""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reverse_personalization.errors import ImageTooLargeError, InputError, NoFaceError, ReversePersonalizationError
from reverse_personalization.media.images import read_photo
from reverse_personalization.record import record_path, save_photo
from reverse_personalization.server.jobs import Job, JobStore
from reverse_personalization.settings import Settings

if TYPE_CHECKING:
    from reverse_personalization.anonymizer import Anonymizer
    from reverse_personalization.media.credentials import Credentials

logger = logging.getLogger(__name__)

INTERNAL: Final = 500
TOO_LARGE: Final = 413
# What an exit code of `revpers` is in HTTP.
STATUS_OF_CODE: Final = {2: 422, 3: 422, 4: 415}
# Seconds until the worker looks again, when nobody wakes it or the jobs cannot be read.
IDLE = 5.0
NO_FACE = "No face was found, so there is no result; a missed face would be the worst failure."


class GivenUpError(Exception):
    """The server stops, or the job was deleted: nobody waits for the result."""


class TooLongError(InputError):
    """A video of more seconds than the server takes."""


class Worker(threading.Thread):
    """Does jobs until it is stopped."""

    def __init__(
        self,
        store: JobStore,
        settings: Settings,
        load: Callable[[Settings], Anonymizer],
        *,
        keep_seconds: float,
        video_seconds: float = 60.0,
        credentials: Credentials | None = None,
    ) -> None:
        """Set up; `load` makes the anonymizer when the first job comes."""
        super().__init__(daemon=True, name="revpers-worker")
        self._store, self._settings, self._load, self._keep = store, settings, load, keep_seconds
        self._video_seconds, self._credentials = video_seconds, credentials
        self._anonymizer: Anonymizer | None = None
        self._wake, self._ended = threading.Event(), threading.Event()
        self.done = self.failed = 0
        self.trouble = ""
        """Why jobs cannot be read or written just now; empty where they can."""

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def stop(self) -> None:
        """Stop after the present photo, or in the middle of a video, which is begun anew at the next start."""
        self._ended.set()
        self._wake.set()
        if self.is_alive():
            self.join(60)

    def run(self) -> None:
        """Do jobs; a database or a disk that fails is tried again until it works."""
        while not self._ended.is_set():
            try:
                self._store.expire(self._keep)
                job = self._store.take()
                if job is not None:
                    self._do(job)
                self.trouble = ""
            except (sqlite3.Error, OSError) as error:
                logger.exception("jobs cannot be read or written; trying again")
                self.trouble, job = type(error).__name__, None
            if job is None:
                self._wake.wait(IDLE)
                self._wake.clear()

    def _do(self, job: Job) -> None:
        try:
            result = self._film(job) if job.media == "video" else self._photo(job)
            self._store.finish(job.id, *result)
            self.done += 1
        except GivenUpError:
            self._store.put_back(job.id)
        except ReversePersonalizationError as error:
            # The file's name is the job's; a sentence names neither it nor a folder.
            self._fail(job, str(error).replace(str(self._store.input(job.id)), "the photo"), _status(error))
        except Exception as error:
            self._fail(job, f"Internal error ({type(error).__name__}).", INTERNAL)

    def _fail(self, job: Job, sentence: str, code: int) -> None:
        self._store.fail(job.id, sentence, code)
        self.failed += 1

    def _loaded(self) -> Anonymizer:
        """The anonymizer; its models load with the first job."""
        self._anonymizer = self._anonymizer or self._load(self._settings)
        return self._anonymizer

    def _photo(self, job: Job) -> tuple[bytes, bytes]:
        """The result as PNG and its record."""
        anonymizer = self._loaded()
        photo = read_photo(self._store.input(job.id), max_pixels=self._settings.max_pixels)
        result = anonymizer.anonymize(photo)
        if not result.faces:
            raise NoFaceError(NO_FACE)
        with tempfile.TemporaryDirectory(dir=self._store.folder) as folder:
            path = Path(folder) / "result.png"
            record = save_photo(
                result,
                path,
                source="photo",
                settings=self._settings,
                models=anonymizer.models,
                credentials=self._credentials,
            )
            return path.read_bytes(), record.to_json()

    def _film(self, job: Job) -> tuple[bytes, bytes]:
        """The result as MP4 and its record."""
        from reverse_personalization.video.anonymizing import anonymize_video
        from reverse_personalization.video.reading import VideoReader

        with tempfile.TemporaryDirectory(dir=self._store.folder) as folder:
            # Another name of the same file, since the record tells the source's name, which would be the job's.
            source, path = Path(folder) / "video", Path(folder) / "result.mp4"
            os.link(self._store.input(job.id), source)
            try:
                with VideoReader(source) as reader:
                    self._check_size(reader.count / reader.rate, reader.stream.width * reader.stream.height)
                    most = self._video_seconds * reader.rate

                def progress(what: str, frame: int, total: int) -> None:
                    if self._ended.is_set() or self._store.get(job.id) is None:
                        raise GivenUpError
                    self._check_size(0 if frame <= most else frame / reader.rate, 0)

                anonymize_video(
                    source,
                    path,
                    self._settings,
                    anonymizer=self._loaded(),
                    progress=progress,
                    credentials=self._credentials,
                )
            except NoFaceError:
                raise NoFaceError(NO_FACE) from None
            except ReversePersonalizationError as error:
                error.args = (str(error).replace(str(source), "the video"),)
                raise
            return path.read_bytes(), record_path(path).read_bytes()

    def _check_size(self, seconds: float, pixels: int) -> None:
        if seconds > self._video_seconds:
            raise TooLongError(f"The video is longer than {self._video_seconds:g} s; send a shorter one.")
        if pixels > self._settings.max_pixels:
            most = self._settings.max_pixels
            raise ImageTooLargeError(f"The video's pictures have more than {most} pixels; scale it down.")


def _status(error: ReversePersonalizationError) -> int:
    """The HTTP status by which a result is refused."""
    if isinstance(error, (ImageTooLargeError, TooLongError)):
        return TOO_LARGE
    return STATUS_OF_CODE.get(error.exit_code, INTERNAL)
