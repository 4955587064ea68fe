"""`revpers models`: which model files there are, and fetching and verifying them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from reverse_personalization import weights
from reverse_personalization.cli.failures import SIGNAL_BASE
from reverse_personalization.errors import WeightsError

if TYPE_CHECKING:
    from rich.table import Table

STATE_STYLES: Final = {"here": "green", "missing": "yellow", "damaged": "red"}

app = typer.Typer(no_args_is_help=True, add_completion=False, help="List, fetch and verify the model files.")

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Models; all by default.")]


@app.callback()
def models() -> None:
    """List, fetch and verify the model files."""


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
    if advice := how_to_repair(states):
        typer.echo(advice)


@app.command()
def pull(
    names: Names = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is here already.")] = False,
) -> int:
    """Fetch models that are missing or damaged."""
    from reverse_personalization.cli.interrupts import Interrupted, interruptible

    with interruptible() as interruption:
        try:
            with _spinner() as progress:
                weights.pull(names or (), force=force, progress=progress)
        except Interrupted:
            return SIGNAL_BASE + (interruption.number or 0)
    typer.echo(f"{', '.join(names) if names else 'All models'}: here, and whole.")
    return 0


@app.command()
def verify(names: Names = None) -> None:
    """Compare models with their pinned hashes; exit code 6 if one is missing or damaged."""
    states = weights.verify(names or ())
    for name, state in states.items():
        typer.echo(f"{name}: {state}")
    if advice := how_to_repair(states):
        raise WeightsError(advice)


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
        table.add_row(name, row.purpose, row.licence, size, Text(state, style=STATE_STYLES[state]))
    return table


def how_to_repair(states: Mapping[str, weights.Status]) -> str:
    """Which of these models are not usable and what to do about it, in a sentence; "" if all are here."""
    bad = [name for name, state in states.items() if state != "here"]
    if not bad:
        return ""
    sources = {weights.entry(name).source for name in bad}
    ours = "install reverse-personalization anew" if None in sources else ""
    size = sum(source.size for source in sources if source) / 1e6
    theirs = f"run `revpers models pull` (downloads {size:.0f} MB)" if size else ""
    return f"Missing or damaged: {', '.join(bad)}; {' and '.join(filter(None, (theirs, ours)))}."


def _row_object(row: weights.WeightFile, state: weights.Status) -> dict[str, Any]:
    return {**asdict(row), "state": state}


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
