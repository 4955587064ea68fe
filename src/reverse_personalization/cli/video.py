"""`revpers video`: find the faces of a video, review them, render it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reverse_personalization.cli.fetching import fetch_weights
from reverse_personalization.cli.progress import steps
from reverse_personalization.errors import OutputError, UsageError
from reverse_personalization.media.formats import is_video
from reverse_personalization.settings import Settings

if TYPE_CHECKING:
    from reverse_personalization.video.record import VideoRecord

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Find the faces of a video, review them, render it.")
Clip = Annotated[Path, typer.Argument(metavar="VIDEO", help="The video.")]


@app.callback()
def video() -> None:
    """Find the faces of a video, review them, render it."""


@app.command()
def analyze(
    clip: Clip,
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSON file of what was found; edit it freely.")],
    page: Annotated[
        Path | None, typer.Option(help="An HTML page of the faces found. Holds original faces: never publish it.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Find and follow every face, and write who is where, to be reviewed."""
    from reverse_personalization.video.analysis import analyze as find
    from reverse_personalization.video.page import write_review

    for path in (output, page):
        if path is not None and path.exists() and not force:
            raise OutputError(f"{path}: exists already; add --force to replace it, or give another name.")
    fetch_weights()
    with steps() as progress:
        found = find(clip, progress=progress)
    found.save(output)
    if page is not None:
        write_review(clip, found, page)
    people = len({track.person for track in found.tracks})
    typer.echo(f"{found.frames} frames, {len(found.tracks)} tracks of {people} people: {output}")
    if found.doubtful:
        typer.echo(f"{len(found.doubtful)} moments to look at, where a face was hardly seen.")


@app.command()
def render(  # noqa: PLR0913, PLR0917
    clip: Clip,
    analysis: Annotated[Path, typer.Option(help="What `revpers video analyze` wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The video to write.")],
    seed: Annotated[int | None, typer.Option(min=0, help="Makes a run repeatable.")] = None,
    attributes: Annotated[str | None, typer.Option(help="What the strangers should be.")] = None,
    keep_people: Annotated[str | None, typer.Option(help="Folder of photos of people who stay visible.")] = None,
    only: Annotated[str | None, typer.Option(help="Folder of photos of the only people to replace.")] = None,
    audio: Annotated[bool, typer.Option("--audio/--no-audio", help="Copy sound and subtitles.")] = True,
    crf: Annotated[int, typer.Option(min=0, max=51, help="The encoder's quality; lower is better.")] = 18,
    force: Annotated[bool, typer.Option("--force", help="Replace an output that exists.")] = False,
) -> None:
    """Render a video as its analysis says. Faces to be replaced may still stay visible by recognition."""
    from reverse_personalization.video.analysis import Analysis
    from reverse_personalization.video.anonymizing import anonymize_video, check_output

    check_output([clip], [output], force=force)
    found = Analysis.load(analysis)
    fetch_weights()
    if keep_people is not None and only is not None:
        raise UsageError("--keep-people and --only contradict each other; give one of them.")
    settings = Settings(seed=seed, attributes=attributes, keep_people=keep_people, only=only)
    with steps() as progress:
        record = anonymize_video(
            clip, output, settings, analysis=found, sound=audio, crf=crf, allow_no_faces=True, progress=progress
        )
    tell(record, output)


def anonymize_videos(
    clips: list[Path],
    output: Path,
    settings: Settings,
    *,
    audio: bool,
    crf: int,
    force: bool,
    allow_no_faces: bool,
    quiet: bool,
) -> int:
    """Do what `revpers anonymize` was asked to with videos; the most serious exit code."""
    from reverse_personalization.cli.failures import failure_of, most_serious
    from reverse_personalization.video.anonymizing import anonymize_video, check_output

    single = len(clips) == 1 and is_video(output)
    outputs = [output] if single else [output / clip.name for clip in clips]
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise UsageError(f"{output}: two videos of one name would go there; rename one.")
    check_output(clips, outputs, force=force)
    fetch_weights()
    codes = [0]
    for clip, target in zip(clips, outputs, strict=True):
        try:
            with steps(quiet=quiet) as progress:
                record = anonymize_video(
                    clip, target, settings, sound=audio, crf=crf, allow_no_faces=allow_no_faces, progress=progress
                )
            tell(record, target)
        except Exception as error:  # the other videos are still to be done
            failure = failure_of(error, clip)
            typer.echo(f"error: {failure.sentence}", err=True)
            codes.append(failure.exit_code)
    return most_serious(codes)


def tell(record: VideoRecord, output: Path) -> None:
    """Say what was done, and where to look."""
    total = {what: sum(t.frames.get(what, 0) for t in record.tracks) for what in ("anonymized", "obscured", "kept")}
    counts = ", ".join(f"{count} {what}" for what, count in total.items() if count)
    typer.echo(
        f"{output}: {record.frames} frames, {len(record.tracks)} tracks; faces in frames: {counts or 'none'}.", err=True
    )
    for track in record.tracks:
        if track.reason:
            verdict = "kept" if track.likenesses else "obscured"
            typer.echo(f"warning: person {track.person} (track {track.track}) is {verdict}: {track.reason}", err=True)
    if record.doubtful:
        typer.echo(f"warning: {len(record.doubtful)} spans in which a face was hardly seen; see the record.", err=True)
