"""A video from beginning to end: analysis, rendering, record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from reverse_personalization.errors import InputError, NoFaceError, OutputError
from reverse_personalization.media.atomic import write_atomically
from reverse_personalization.media.credentials import Credentials
from reverse_personalization.record import file_sha256, record_path
from reverse_personalization.settings import Settings
from reverse_personalization.video.analysis import Analysis, analyze
from reverse_personalization.video.record import VideoRecord, video_record
from reverse_personalization.video.rendering import VideoAnonymizer

Progress = Callable[[str, int, int], None]


def anonymize_video(  # noqa: PLR0913
    path: Path,
    output: Path,
    settings: Settings,
    *,
    analysis: Analysis | None = None,
    sound: bool = True,
    crf: int = 18,
    allow_no_faces: bool = False,
    progress: Progress | None = None,
    credentials: Credentials | None = None,
) -> VideoRecord:
    """Replace every face of a video, and write it and its record.

    Args:
        path: the video.
        output: where it goes.
        settings: of the method.
        analysis: what was found, maybe edited; by default it is made.
        sound: copy sound and subtitles.
        crf: the encoder's constant rate factor.
        allow_no_faces: write a video in which no face was found, too.
        progress: called with what is being done, the frame, and how many there are.
        credentials: what signs that AI was used, if anything.

    Raises:
        UnreadableVideoError: the video cannot be read.
        InputError: the analysis is of another video.
        NoFaceError: no face was found.
        OutputError: the output cannot be written; nothing is left of it.
    """
    if analysis is None:
        analysis = analyze(path, progress=progress)
    elif analysis.sha256 != file_sha256(path):
        raise InputError(f"{path}: the analysis is of another video ({analysis.video}); make it anew.")
    if not analysis.tracks and not allow_no_faces:
        raise NoFaceError(
            f"{path}: no face was found, so nothing was written; look at it, and add --allow-no-faces if it shows none."
        )
    anonymizer = VideoAnonymizer(settings)
    coverage = anonymizer.render(path, analysis, output, sound=sound, quality=crf, progress=progress)
    try:
        if credentials is not None:
            credentials.sign_file(output)
        record = video_record(
            path,
            output,
            analysis,
            coverage,
            settings=settings,
            models=anonymizer.models,
            signed=credentials is not None,
        )
        write_atomically(record_path(output), record.model_dump_json(indent=2).encode() + b"\n")
    except BaseException:
        output.unlink(missing_ok=True)
        raise
    return record


def check_output(videos: Sequence[Path], outputs: Sequence[Path], *, force: bool) -> None:
    """Nothing is overwritten that must not be.

    Raises:
        OutputError: an output exists, or is an original.
    """
    originals = {video.resolve() for video in videos}
    for output in outputs:
        if output.resolve() in originals:
            raise OutputError(f"{output}: is an original, and originals are never overwritten; give another -o.")
        if output.exists() and not force:
            raise OutputError(f"{output}: exists already; add --force to replace it, or give another -o.")
