"""`revpers models`: which model files there are, and fetching, verifying and converting them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

import typer

from reverse_personalization import weights
from reverse_personalization.cli.failures import SIGNAL_BASE
from reverse_personalization.errors import OutputError, UsageError, WeightsError
from reverse_personalization.settings import EngineName

if TYPE_CHECKING:
    from rich.table import Table

STATE_STYLES: Final = {"here": "green", "missing": "yellow", "damaged": "red"}

app = typer.Typer(no_args_is_help=True, add_completion=False, help="List, fetch, verify and convert the model files.")

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Models; all by default.")]
PulledNames = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Models; all but those of the hub by default."),
]


@app.callback()
def models() -> None:
    """List, fetch, verify and convert the model files."""


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything known, as JSON.")] = False,
) -> None:
    """List every model, its licence, its size, and whether it is here."""
    states = {row.name: weights.status(row.name) for row in weights.entries()}
    if as_json:
        typer.echo(json.dumps([_row_object(row, states[row.name]) for row in weights.entries()], indent=2))
        return
    from rich.console import Console

    Console().print(models_table(states))
    typer.echo(f"Fetched models lie in {weights.cache_folder()}.")
    for sentence in (*restrictions(), how_to_repair(states), how_to_get_more(states)):
        if sentence:
            typer.echo(sentence)


@app.command()
def pull(
    names: PulledNames = None,
    engine: Annotated[EngineName | None, typer.Option(help="Fetch all that this engine uses.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is here already.")] = False,
) -> int:
    """Fetch models that are missing or damaged."""
    from reverse_personalization.cli.interrupts import Interrupted, interruptible

    if names and engine:
        raise UsageError("Names and --engine both say what to fetch; leave one of them out.")
    wanted = (*weights.needed_by(engine), *weights.choices_of(engine)) if engine else tuple(names or ())
    with interruptible() as interruption:
        try:
            with _spinner() as progress:
                weights.pull(wanted, force=force, progress=progress)
        except Interrupted:
            return SIGNAL_BASE + (interruption.number or 0)
    typer.echo(f"{', '.join(wanted) if wanted else 'All models but those of the hub'}: here, and whole.")
    return 0


@app.command()
def verify(names: Names = None) -> None:
    """Compare models with their pinned hashes; exit code 6 if one is damaged, or missing and not optional."""
    states = weights.verify(names or ())
    for name, state in states.items():
        typer.echo(f"{name}: {state}")
    if advice := how_to_repair(states, asked_for=names or ()):
        raise WeightsError(advice)


@app.command()
def convert(
    source: Annotated[
        str, typer.Argument(metavar="IN.bin", help="A pickled IP-Adapter-FaceID file, or a model's name.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT.safetensors", help="The file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
) -> None:
    """Rewrite a pickled adapter as safetensors, which cannot hold code."""
    if out.suffix != ".safetensors":
        raise UsageError(f"{out}: the result is a safetensors file; end its name in .safetensors.")
    if out.exists() and not force:
        raise OutputError(f"{out}: exists already; add --force to replace it, or give another name.")
    if not out.parent.is_dir():
        raise OutputError(f"{out}: its folder does not exist; create it first.")
    try:
        from reverse_personalization.engines.sdxl import adapter
    except ImportError as error:
        raise UsageError(f"Converting needs {error.name}: pip install 'reverse-personalization[sdxl]'.") from None
    with _spinner() as progress:
        adapter.convert(weights.file(source, progress=progress), out)
    typer.echo(f"{out}: written.")


def models_table(states: Mapping[str, weights.Status]) -> Table:
    """A table, at most 80 columns wide, of the models that `states` names."""
    from rich.table import Table
    from rich.text import Text

    table = Table("model", "purpose", "licence")
    table.add_column("MB", justify="right")
    table.add_column("state")
    for name, state in states.items():
        row = weights.entry(name)
        size = f"{row.size / 1e6:.1f}"
        # The first word says what matters; `restrictions` gives the rest.
        licence = row.licence.partition(" ")[0]
        table.add_row(name, row.purpose, licence, size, Text(state, style=STATE_STYLES[state]))
    return table


def restrictions() -> tuple[str, ...]:
    """A sentence for every licence that is too long for the table: whose it is and what it says."""
    licences = dict.fromkeys(row.licence for row in weights.entries() if " " in row.licence)
    return tuple(
        f"{', '.join(row.name for row in weights.entries() if row.licence == licence)}: {licence}."
        for licence in licences
    )


def how_to_repair(states: Mapping[str, weights.Status], *, asked_for: Collection[str] = ()) -> str:
    """Which of these models are not usable and what to do about it, in a sentence; "" if there are none.

    A missing model of the hub is no fault, unless it was asked for by its name.
    """
    bad = [
        name
        for name, state in states.items()
        if state == "damaged" or (state == "missing" and (name in asked_for or not weights.is_optional(name)))
    ]
    if not bad:
        return ""
    rows = [weights.entry(name) for name in bad]
    ours = "install reverse-personalization anew" if any(not row.source for row in rows) else ""
    # Names are needed only where the default would leave some out.
    named = any(weights.is_optional(name) for name in bad)
    which = "".join(f" {row.name}" for row in rows if named and row.source)
    size = _download_size(bad) / 1e6
    theirs = f"run `revpers models pull{which}` (downloads {size:.0f} MB)" if size else ""
    return f"Missing or damaged: {', '.join(bad)}; {' and '.join(filter(None, (theirs, ours)))}."


def how_to_get_more(states: Mapping[str, weights.Status]) -> str:
    """How to get what another engine uses, in a sentence; "" if it is here, or there is no such engine."""
    for engine in get_args(EngineName):
        missing = [name for name in weights.choices_of(engine) if states.get(name) == "missing"]
        if missing:
            command = f"revpers models pull --engine {engine}"
            return f"For --engine {engine}: `{command}` (downloads {_download_size(missing) / 1e9:.1f} GB)."
    return ""


def _download_size(names: list[str]) -> int:
    """Bytes that pulling these models fetches: whole archives, but single files of the hub."""
    rows = [weights.entry(name) for name in names]
    archives = {row.source for row in rows if isinstance(row.source, weights.Distribution)}
    of_hub = sum(row.size for row in rows if isinstance(row.source, weights.HubRepo))
    return sum(archive.size for archive in archives) + of_hub


def _row_object(row: weights.Model, state: weights.Status) -> dict[str, Any]:
    return {**asdict(row), "sha256": row.sha256, "size": row.size, "state": state}


@contextmanager
def _spinner() -> Iterator[Callable[[str], None]]:
    """What says on stderr what is downloaded: a line for each, and something that moves on a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda line: typer.echo(line, err=True)
        return
    with console.status("Looking at what is here") as status:
        yield status.update
