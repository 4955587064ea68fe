"""`revpers cluster`: what `revpers anonymize` does with many photos, on many machines."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from reverse_personalization.cli.anonymize import ProgressKind, check_direction, checked, load, watchers
from reverse_personalization.errors import UsageError
from reverse_personalization.settings import Settings

app = typer.Typer(add_completion=False)


@app.command()
def cluster(  # noqa: PLR0913, PLR0917
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="Photos and videos, folders, globs in quotes.")],
    output: Annotated[str, typer.Option("--output", "-o", help="A folder that all machines reach by this name.")],
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster, such as auto; without it, one begins on this machine.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="How many; one a core of this machine by default.")] = None,
    cpus: Annotated[float, typer.Option(min=0.1, help="CPUs of each worker.")] = 1.0,
    gpus: Annotated[float, typer.Option(min=0, help="GPUs of each worker; .5 lets two share one.")] = 0.0,
    manifest: Annotated[
        Path | None, typer.Option(help="A JSON line for each photo; OUTPUT/manifest.jsonl by default.")
    ] = None,
    allow_no_faces: Annotated[
        bool, typer.Option("--allow-no-faces", help="Write photos in which no face is found, too.")
    ] = False,
    engine: Annotated[str, typer.Option(help="As in `revpers anonymize`.")] = "compact",
    guidance: Annotated[float | None, typer.Option(help="As in `revpers anonymize`.")] = None,
    attributes: Annotated[str | None, typer.Option(help="As in `revpers anonymize`.")] = None,
    seed: Annotated[int | None, typer.Option(help="As in `revpers anonymize`.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE: any other setting of a record; may be repeated.")
    ] = None,
    progress: Annotated[
        ProgressKind, typer.Option("--progress", help="auto: a bar on terminals; jsonl: events on stdout; none.")
    ] = "auto",
) -> int:
    """Anonymize folders of photos on a Ray cluster, or on all cores by a local one.

    Run it again to go on: what the manifest shows to be done, by content, is left alone. A worker that dies takes
    nothing with it; each output is written whole, and once.
    """
    if find_spec("ray") is None:
        raise UsageError("Clusters need Ray: pip install 'reverse-personalization[ray]'.")
    from reverse_personalization.cli.batch import Batch, Policy
    from reverse_personalization.cli.manifest import Manifest
    from reverse_personalization.cli.planning import make_plan
    from reverse_personalization.cli.ray_pool import RayPool

    given = {"engine": engine, "guidance": guidance, "attributes": attributes, "seed": seed}
    settings = checked(Settings, **given, **dict(_setting(text, given) for text in setting or ()))
    check_direction(settings)
    if settings.consistent:
        raise UsageError("--set consistent: a single process must know everybody; use `revpers anonymize`.")
    folder = Path(output)
    plan = make_plan([str(Path(each).absolute()) for each in inputs], f"{folder.absolute()}/", recursive=True)
    policy = Policy(resume=True, allow_no_faces=allow_no_faces, hash_sources=True)
    kept = Manifest(manifest or folder / "manifest.jsonl")
    pool = RayPool(settings, policy, workers or os.cpu_count() or 1, address, cpus, gpus)
    with watchers(progress, manifest=kept) as told:
        return Batch(settings, lambda: load(settings), policy, told, pool=pool, manifest=kept).run(plan).exit_code


def _setting(text: str, given: dict[str, Any]) -> tuple[str, Any]:
    """A name and its value; lists are written with commas."""
    name, equals, value = text.partition("=")
    if not equals or name not in Settings.model_fields or name in given:
        raise UsageError(f"--set {text}: should be NAME=VALUE with a setting of docs/record.md, as in quality=draft.")
    is_list = isinstance(Settings.model_fields[name].default, tuple)
    return name, tuple(part.strip() for part in value.split(",")) if is_list else value
