"""`revpers inspect`: what a file says of itself, and whether its record is its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from reverse_personalization.errors import InputError
from reverse_personalization.media.formats import is_video

app = typer.Typer(add_completion=False)


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A photo or video that revpers may have written.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> int:
    """Read the AI mark of a file, and compare it with the record beside it.

    Exit code 0: marked, and the record is this file's; 1: not so.
    """
    if not file.is_file():
        raise InputError(f"{file}: there is no such file; check the name.")
    mark, record = _mark(file), _record(file)
    if as_json:
        typer.echo(json.dumps({"file": file.name, "digital_source_type": mark, "record": record}))
    else:
        typer.echo(f"AI mark: {mark or 'none'}")
        typer.echo(f"record:  {record}")
    return 0 if mark and record == "matches" else 1


def _mark(file: Path) -> str | None:
    if not is_video(file):
        from reverse_personalization.media.marking import read_mark

        return read_mark(file)
    from reverse_personalization.video.reading import VideoReader

    with VideoReader(file) as reader:
        comment = str(reader.container.metadata.get("comment", ""))
    return comment.partition("DigitalSourceType: ")[2] or None


def _record(file: Path) -> str:
    """matches: it was written for this very file; differs: the file was changed after; or missing, damaged."""
    from reverse_personalization.record import file_sha256, record_path

    try:
        told = json.loads(record_path(file).read_bytes())["output"]["sha256"]
    except FileNotFoundError:
        return "missing"
    except (OSError, ValueError, KeyError, TypeError):
        return "damaged"
    return "matches" if file_sha256(file) == told else "differs"
