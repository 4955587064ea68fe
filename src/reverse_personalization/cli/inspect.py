"""`revpers inspect`: what a file says of itself, and whether its record is its own."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reverse_personalization.errors import InputError, UsageError
from reverse_personalization.media.formats import is_video

if TYPE_CHECKING:
    from reverse_personalization.media.credentials import CredentialsFound
    from reverse_personalization.media.watermark import WatermarkFound

app = typer.Typer(add_completion=False)


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A photo or video that revpers may have written.")],
    c2pa_trust: Annotated[
        Path | None, typer.Option(help="PEM certificates of those who may vouch for signers; else nobody does.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> int:
    """Read the AI marks of a file, validate its content credentials, and compare it with the record beside it.

    Exit code 0: marked, nothing is wrong with its credentials, if it has any, and the record is this file's; 1: not so.
    """
    if not file.is_file():
        raise InputError(f"{file}: there is no such file; check the name.")
    mark, watermark, record = _mark(file), _watermark(file), _record(file)
    can_look = find_spec("c2pa") is not None
    if c2pa_trust is not None and not can_look:
        raise UsageError("--c2pa-trust needs c2pa: pip install 'reverse-personalization[c2pa]'.")
    found = _credentials(file, c2pa_trust) if can_look else None
    if as_json:
        told = {
            "file": file.name,
            "digital_source_type": mark,
            "watermark": asdict(watermark) | {"is_there": watermark.is_there} if watermark else None,
            "credentials": asdict(found) if found else None,
            "credentials_looked_for": can_look,
            "record": record,
        }
        typer.echo(json.dumps(told))
    else:
        typer.echo(f"AI mark:             {mark or 'none'}")
        typer.echo(f"content credentials: {_sentence(found) if can_look else 'not looked for; install the extra c2pa'}")
        typer.echo(f"watermark:           {_about(watermark)}")
        typer.echo(f"record:              {record}")
    return 0 if mark and record == "matches" and (found is None or found.is_sound) else 1


def _mark(file: Path) -> str | None:
    if not is_video(file):
        from reverse_personalization.media.marking import read_mark

        return read_mark(file)
    from reverse_personalization.video.reading import VideoReader

    with VideoReader(file) as reader:
        comment = str(reader.container.metadata.get("comment", ""))
    return comment.partition("DigitalSourceType: ")[2] or None


def _watermark(file: Path) -> WatermarkFound | None:
    if is_video(file):
        return None
    from reverse_personalization.media.watermark import read_watermark

    return read_watermark(file)


def _about(watermark: WatermarkFound | None) -> str:
    if watermark is None:
        return "not looked for in videos and small pictures"
    agreement = f"{watermark.agreement:.1%} of its signs agree, {watermark.deviations:.1f} deviations above chance"
    return f"{'found' if watermark.is_there else 'none'} ({agreement})"


def _credentials(file: Path, trust: Path | None) -> CredentialsFound | None:
    from reverse_personalization.media.credentials import read_credentials

    return read_credentials(file, trust=trust)


def _sentence(found: CredentialsFound | None) -> str:
    if found is None:
        return "none"
    source = (found.digital_source_type or "no digital source type").rpartition("/")[2]
    problems = f" ({', '.join(found.problems)})" if found.problems else ""
    return f"{found.state}, {source}, signed by {found.signer or 'nobody named'}{problems}"


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
