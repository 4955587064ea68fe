"""Runs a plan: photo by photo, each whole or not at all, whatever happens to the others."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from reverse_personalization.cli.clips import do_clip
from reverse_personalization.cli.datasets import do_shard
from reverse_personalization.cli.failures import Failure, failure_of, printable
from reverse_personalization.cli.finishing import Finished, finishing, uninterrupted
from reverse_personalization.cli.interrupts import Interrupted, interruptible
from reverse_personalization.cli.outcomes import Advanced, Event, Outcome, Started, Status, Summary, Watcher
from reverse_personalization.cli.planning import Job, Plan, check_place
from reverse_personalization.errors import EngineError, NoFaceError, OutputError, UsageError
from reverse_personalization.media.atomic import write_atomically
from reverse_personalization.media.restoring import restoring
from reverse_personalization.record import (
    ImageRecord,
    SettingsRecord,
    Verdict,
    file_sha256,
    read_record,
    save_photo,
)
from reverse_personalization.settings import Settings
from reverse_personalization.video.options import VideoOptions, check_followed

if TYPE_CHECKING:
    from reverse_personalization.canvas import AnonymizedPhoto, FaceResult
    from reverse_personalization.cli.manifest import Manifest
    from reverse_personalization.cli.sheet import SheetCollector
    from reverse_personalization.loading import ModelCard
    from reverse_personalization.media.credentials import Credentials
    from reverse_personalization.shards.record import ShardRecord
    from reverse_personalization.video.record import VideoRecord

    AnyRecord = ImageRecord | VideoRecord | ShardRecord

NO_FACES_NOTE = "No face was found."


class PhotoAnonymizer(Protocol):
    """What a batch needs of an `Anonymizer`."""

    @property
    def models(self) -> Sequence[ModelCard]:
        """The models in use."""
        ...

    def anonymize(self, image: Path) -> AnonymizedPhoto:
        """Replace every face of a photo."""
        ...


@dataclass(frozen=True)
class Policy:
    """What to do where a choice is.

    Attributes:
        force: replace outputs that exist.
        resume: skip what is done, and redo what is out of date.
        allow_no_faces: write photos in which no face was found.
        dry_run: only say what would be done.
        credentials: what signs that AI was used, if anything.
        video: part and encoding of videos.
        hash_sources: say in outcomes which content the sources had.
    """

    force: bool = False
    resume: bool = False
    allow_no_faces: bool = False
    dry_run: bool = False
    credentials: Credentials | None = None
    video: VideoOptions = field(default_factory=VideoOptions)
    hash_sources: bool = False


class SharesJobs(Protocol):
    """Processes that share a run's photos."""

    def outcomes(self, jobs: Sequence[Job], started: Callable[[Job], None]) -> Iterator[Outcome]:
        """What became of each job, in the order in which they end; `started` is told each one that begins.

        Raises:
            Finished: a signal came; it has the outcomes of the photos that were at hand.
        """
        ...


@dataclass(frozen=True)
class Batch:
    """How a plan is carried out.

    Attributes:
        settings: those that `load` uses.
        load: makes the anonymizer; called once, when the first photo is to be done.
        policy: what to do where a choice is.
        watchers: are told every event.
        sheet: collects faces, and is written at the end, also after an interruption.
        pool: shares the photos among processes; without one, this one does them all.
        manifest: knows what earlier runs did.
    """

    settings: Settings
    load: Callable[[], PhotoAnonymizer]
    policy: Policy = Policy()
    watchers: Sequence[Watcher] = ()
    sheet: SheetCollector | None = None
    pool: SharesJobs | None = None
    manifest: Manifest | None = None

    def run(self, plan: Plan) -> Summary:
        """Do all photos of a plan.

        Raises:
            WeightsError: from `load`.
            UsageError: from `load`.
        """
        start = time.perf_counter()
        outcomes: list[Outcome] = []
        photos = len(plan.jobs) + len(plan.problems)

        def take(outcome: Outcome) -> None:
            with uninterrupted():
                outcomes.append(outcome)
                self._tell(outcome)

        with interruptible() as interruption:
            try:
                self._tell(Started(photos))
                with closing(self._outcomes(plan)) as ended:
                    for outcome in ended:
                        take(outcome)
                        if interruption.number is not None:
                            break
            except Finished as last:
                for outcome in last.outcomes:
                    take(outcome)
            except Interrupted:
                pass  # The summary says so.
            warnings, failure = self._write_sheet()
            seconds = time.perf_counter() - start
            summary = Summary(tuple(outcomes), photos, seconds, warnings, failure, interruption.number)
            self._tell(summary)
        return summary

    def _write_sheet(self) -> tuple[tuple[str, ...], Failure | None]:
        """Sentences about the contact sheet, and why it could not be written, if it could not."""
        if self.sheet is None:
            return (), None
        try:
            return tuple(filter(None, [self.sheet.write()])), None
        except OutputError as error:
            return (), failure_of(error, self.sheet.path)

    def _tell(self, event: Event) -> None:
        for watcher in self.watchers:
            watcher(event)

    def _outcomes(self, plan: Plan) -> Generator[Outcome]:
        for problem in plan.problems:
            yield failed(problem.name, None, problem.error)
        if self.pool is not None and not self.policy.dry_run:
            yield from self._shared(plan, self.pool)
            return
        anonymizer: PhotoAnonymizer | None = None
        for job in plan.jobs:
            self._tell(job)
            settled = self._settled(job)
            if settled is not None:
                yield settled
                continue
            anonymizer = anonymizer or self.load()
            yield attempt(job, anonymizer, self.settings, self.policy, self.sheet, self._advance(job))

    def _advance(self, job: Job) -> Callable[[str, int, int], None]:
        return lambda what, done, total: self._tell(Advanced(job.source, what, done, total))

    def _shared(self, plan: Plan, pool: SharesJobs) -> Iterator[Outcome]:
        """As above, by several processes."""
        to_do = []
        for job in plan.jobs:
            settled = self._settled(job)
            if settled is None:
                to_do.append(job)
            else:
                yield settled
        if to_do:
            self.load()  # in this process it fetches weights and checks settings, once for all
            yield from pool.outcomes(to_do, self._tell)

    def _settled(self, job: Job) -> Outcome | None:
        """What becomes of a photo that is not to be done now; None where it is."""
        try:
            changed = self.manifest.has_changed(job) if self.manifest is not None and self.policy.resume else None
            to_do = is_to_do(job, policy=self.policy, settings=self.settings, changed=changed)
            if to_do:
                check_place(job.output)
                if self.policy.dry_run and job.is_video:
                    check_followed(self.settings)
        except (OutputError, UsageError) as error:
            return failed(str(job.source), job.output, error)
        if self.policy.dry_run or not to_do:
            return Outcome(str(job.source), job.output, Status.PLANNED if to_do else Status.SKIPPED)
        return None


def attempt(
    job: Job,
    anonymizer: PhotoAnonymizer,
    settings: Settings,
    policy: Policy,
    sheet: SheetCollector | None = None,
    told: Callable[[str, int, int], None] | None = None,
) -> Outcome:
    """Do one photo or video; whatever goes wrong stays with it."""
    start = time.perf_counter()
    # Before it is read: should it change meanwhile, a later run takes it for another one.
    content = _content(job.source) if policy.hash_sources else None
    outcome = _attempt(job, anonymizer, settings, policy, sheet, told)
    return replace(outcome, seconds=time.perf_counter() - start, source_sha256=content)


def _attempt(
    job: Job,
    anonymizer: PhotoAnonymizer,
    settings: Settings,
    policy: Policy,
    sheet: SheetCollector | None,
    told: Callable[[str, int, int], None] | None,
) -> Outcome:
    try:
        if job.is_video:
            return do_clip(job, anonymizer, settings, policy, told)
        if job.is_shard:
            return do_shard(job, anonymizer, settings, policy, told)
        result = anonymizer.anonymize(job.source)
        if not result.faces and not policy.allow_no_faces:
            raise NoFaceError(
                f"{job.source}: no face was found, so nothing was written; look at it, "
                "and add --allow-no-faces if it shows none."
            )
        with finishing():
            record = _save(job, result, settings, anonymizer.models, policy.credentials)
            if sheet is not None:
                sheet.add(job.source.name, result)
    except Exception as error:  # The other photos are still to be done.
        return failed(str(job.source), job.output, error)
    return Outcome(
        str(job.source),
        job.output,
        Status.DONE,
        faces=Counter(face.verdict for face in record.faces),
        warnings=(*record.notes, *_about_faces(record)),
        failure=_unprocessed(job, result.faces),
    )


def _content(source: Path) -> str | None:
    try:
        return file_sha256(source)
    except OSError:
        return None


def is_to_do(job: Job, *, policy: Policy, settings: Settings, changed: bool | None = None) -> bool:
    """Whether a photo is to be done (True) or is done already (False).

    Args:
        job: the photo.
        policy: of the run.
        settings: of the run.
        changed: whether its content is another one than when it was done; None: its times tell.

    Raises:
        OutputError: something is there that must not be overwritten.
    """
    existing = [path for path in (job.output, job.record) if os.path.lexists(path)]
    if not existing:
        return True
    record = _record_of(job) if policy.resume else None
    if record is not None:
        return not _is_up_to_date(job, record, settings, policy, changed)
    if policy.force:
        return True
    advice = "has no record that shows it was made from this photo" if policy.resume else "exists already"
    raise OutputError(f"{existing[0]}: {advice}; add --force to replace it, or give another -o.")


def _save(
    job: Job,
    result: AnonymizedPhoto,
    settings: Settings,
    models: Iterable[ModelCard],
    credentials: Credentials | None,
) -> ImageRecord:
    """Write the photo, then its record. If one cannot be written, what was there before is there again."""
    _make_folder_of(job.output)
    with restoring(job.output, job.record):
        record = save_photo(
            result,
            job.output,
            source=printable(job.source.name),
            file=printable(job.output.name),
            settings=settings,
            models=models,
            notes=() if result.faces else (NO_FACES_NOTE,),
            credentials=credentials,
        )
        write_atomically(job.record, record.to_json())
    return record


def _make_folder_of(output: Path) -> None:
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise OutputError(f"{output}: its folder cannot be made ({reason}); give another -o.") from error


def _record_of(job: Job) -> AnyRecord | None:
    """The record that is there, if it is one of this source and output."""
    if job.is_video:
        from reverse_personalization.video.record import read_video_record

        record: AnyRecord | None = read_video_record(job.record)
    elif job.is_shard:
        from reverse_personalization.shards.record import read_shard_record

        record = read_shard_record(job.record)
    else:
        record = read_record(job.record)
    if record is None:
        return None
    names = record.source.file, record.output.file
    return record if names == (printable(job.source.name), printable(job.output.name)) else None


def _is_up_to_date(job: Job, record: AnyRecord, settings: Settings, policy: Policy, changed: bool | None) -> bool:
    """Whether the output is the one of the record, made with these settings from the source as it is now."""
    same_settings = record.settings == SettingsRecord.of(settings)
    if not same_settings or record.repeatable != (settings.seed is not None):
        return False
    if record.output.credentials != (record.output.marked and policy.credentials is not None):
        return False
    if job.is_video and getattr(record, "options", None) != policy.video:
        return False
    from reverse_personalization.identity.people import newest_change

    try:
        if changed:
            return False
        changes = [newest_change(Path(name)) for name in (settings.keep_people, settings.only) if name]
        if changed is None:
            source = job.source.stat()
            # The change time too: a copy or a renamed file can bring along an old modification time.
            changes += [source.st_mtime_ns, source.st_ctime_ns]
        is_newer = job.record.stat().st_mtime_ns > max(changes, default=0)
        return is_newer and file_sha256(job.output) == record.output.sha256
    except OSError:
        return False


def _about_faces(record: ImageRecord) -> Iterator[str]:
    """Sentences about faces that did not become strangers'."""
    others = Counter((face.verdict, face.reason) for face in record.faces if face.verdict is not Verdict.ANONYMIZED)
    for (verdict, reason), count in others.items():
        yield f"{count} of {len(record.faces)} faces {verdict}: {reason}"


def _unprocessed(job: Job, faces: Sequence[FaceResult]) -> Failure | None:
    count = sum(face.failed for face in faces)
    if not count:
        return None
    what, were = ("a face", "was") if count == 1 else (f"{count} faces", "were")
    return failure_of(
        EngineError(
            f"{job.source}: {what} could not be processed because of an error, and {were} obscured; "
            "run again with REVPERS_DEBUG=1 for details."
        )
    )


def failed(source: str, output: Path | None, error: Exception) -> Outcome:
    """The outcome of a photo that met an error."""
    status = Status.NO_FACE if isinstance(error, NoFaceError) else Status.FAILED
    failure = failure_of(error, source, output or source)
    return Outcome(source, output, status, failure=failure)
