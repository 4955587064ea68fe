"""A video from beginning to end: analysis, rendering, record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reverse_personalization.anonymizer import Anonymizer
from reverse_personalization.errors import InputError, NoFaceError
from reverse_personalization.media.atomic import write_atomically
from reverse_personalization.media.credentials import Credentials
from reverse_personalization.media.restoring import restoring
from reverse_personalization.noise import KeyedNoise
from reverse_personalization.record import file_sha256, record_path
from reverse_personalization.settings import Settings
from reverse_personalization.version import tool_version
from reverse_personalization.video.analysis import Analysis, analyze
from reverse_personalization.video.journal import Journal, fingerprint_of, forget
from reverse_personalization.video.options import VideoOptions
from reverse_personalization.video.record import VideoRecord, video_record
from reverse_personalization.video.rendering import DEFAULTS, VideoAnonymizer

Progress = Callable[[str, int, int], None]


def anonymize_video(  # noqa: PLR0913
    path: Path,
    output: Path,
    settings: Settings,
    *,
    analysis: Analysis | None = None,
    options: VideoOptions = DEFAULTS,
    anonymizer: Anonymizer | None = None,
    allow_no_faces: bool = False,
    resumable: bool = False,
    progress: Progress | None = None,
    credentials: Credentials | None = None,
) -> VideoRecord:
    """Replace every face of a video, and write it and its record.

    Args:
        path: the video.
        output: where it goes.
        settings: of the method.
        analysis: what was found, maybe edited; by default it is made. Its part of the video is done.
        options: part and encoding.
        anonymizer: with these settings, if it is loaded already.
        allow_no_faces: write a video in which no face was found, too.
        resumable: leave what is done beside the output when interrupted, and go on with what was left so.
        progress: called with what is being done, the frame, and how many there are.
        credentials: what signs that AI was used, if anything.

    Raises:
        UnreadableVideoError: the video cannot be read.
        InputError: the analysis is of another video.
        NoFaceError: no face was found.
        OutputError: the output or its record cannot be written; then what was there before still is.
    """
    anonymizer = anonymizer or Anonymizer(settings=settings)
    renderer = VideoAnonymizer(settings, anonymizer)
    # Who was met in other clips is known to this process alone: going on later would bring in another stranger.
    resumable = resumable and not settings.consistent
    journal = _journal(path, output, settings, options, analysis, renderer.models) if resumable else None
    if analysis is None and journal is not None and journal.notes.analysis is not None:
        analysis = journal.notes.analysis
    elif analysis is None:
        analysis = analyze(path, start=options.start, end=options.end, progress=progress)
    elif analysis.sha256 != file_sha256(path):
        raise InputError(f"{path}: the analysis is of another video ({analysis.video}); make it anew.")
    if not analysis.tracks and not allow_no_faces:
        raise NoFaceError(
            f"{path}: no face was found, so nothing was written; look at it, and add --allow-no-faces if it shows none."
        )
    if journal is not None:
        journal.notes.analysis = analysis
        journal.save()
    with restoring(output, record_path(output)), _noise_of(journal, anonymizer):
        rendered = renderer.render(path, analysis, output, options=options, journal=journal, progress=progress)
        if credentials is not None:
            credentials.sign_file(output)
        record = video_record(
            path,
            output,
            analysis,
            rendered,
            settings=settings,
            options=options,
            models=renderer.models,
            signed=credentials is not None,
        )
        write_atomically(record_path(output), record.model_dump_json(indent=2).encode() + b"\n")
    forget(output)
    return record


def _journal(
    path: Path,
    output: Path,
    settings: Settings,
    options: VideoOptions,
    analysis: Analysis | None,
    models: object,
) -> Journal:
    from reverse_personalization.identity.people import newest_change

    folders = [Path(folder) for folder in (settings.keep_people, settings.only) if folder]
    known = [newest_change(folder) for folder in folders if folder.is_dir()]
    given = None if analysis is None else analysis.model_dump_json()
    return Journal.open(
        output, fingerprint_of(file_sha256(path), settings, options, given, known, models, tool_version())
    )


@contextmanager
def _noise_of(journal: Journal | None, anonymizer: Anonymizer) -> Iterator[None]:
    """Within the block, strangers are drawn as when the video was begun."""
    before = anonymizer.noise
    if journal is not None and not before.repeatable:
        anonymizer.noise = KeyedNoise(journal.notes.seed)
    try:
        yield
    finally:
        anonymizer.noise = before
