"""`revpers video`: find the faces of a video, review them, render it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reverse_personalization.cli.anonymize import video_options
from reverse_personalization.cli.batch import Policy, is_to_do
from reverse_personalization.cli.clips import about_tracks
from reverse_personalization.cli.fetching import fetch_weights
from reverse_personalization.cli.planning import make_plan
from reverse_personalization.cli.progress import steps
from reverse_personalization.errors import OutputError, UsageError
from reverse_personalization.record import Verdict
from reverse_personalization.settings import Settings
from reverse_personalization.video.options import Codec

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
    start: Annotated[str, typer.Option(help="Where to begin, in seconds or h:mm:ss.")] = "0",
    end: Annotated[str | None, typer.Option(help="Where to end, likewise.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Find and follow every face, and write who is where, to be reviewed."""
    from reverse_personalization.video.analysis import analyze as find
    from reverse_personalization.video.page import write_review

    for path in (output, page):
        if path is not None and path.exists() and not force:
            raise OutputError(f"{path}: exists already; add --force to replace it, or give another name.")
    part = video_options(start=start, end=end)
    fetch_weights()
    with steps() as progress:
        found = find(clip, start=part.start, end=part.end, progress=progress)
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
    codec: Annotated[Codec | None, typer.Option(help="Of the pictures; h264 by default, vp9 for .webm.")] = None,
    crf: Annotated[int | None, typer.Option(help="Constant rate factor; lower is better.")] = None,
    hardware: Annotated[bool, typer.Option("--hardware", help="Encode on a graphics card where one can.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an output that exists.")] = False,
) -> None:
    """Render a video as its analysis says. Faces to be replaced may still stay visible by recognition."""
    from reverse_personalization.video.analysis import Analysis
    from reverse_personalization.video.anonymizing import anonymize_video

    job = make_plan([str(clip)], str(output)).jobs[0]
    is_to_do(job, policy=Policy(force=force), settings=Settings())
    options = video_options(start="0", end=None, codec=codec, crf=crf, hardware=hardware, sound=audio)
    if keep_people is not None and only is not None:
        raise UsageError("--keep-people and --only contradict each other; give one of them.")
    settings = Settings(seed=seed, attributes=attributes, keep_people=keep_people, only=only)
    found = Analysis.load(analysis)
    fetch_weights()
    with steps() as progress:
        record = anonymize_video(
            clip, job.output, settings, analysis=found, options=options, allow_no_faces=True, progress=progress
        )
    total = {verdict: sum(track.frames.get(verdict, 0) for track in record.tracks) for verdict in Verdict}
    counts = ", ".join(f"{count} {verdict}" for verdict, count in total.items() if count)
    typer.echo(
        f"{output}: {record.frames} frames, {len(record.tracks)} tracks; faces in frames: {counts or 'none'}.", err=True
    )
    for warning in about_tracks(record):
        typer.echo(f"warning: {warning}", err=True)
