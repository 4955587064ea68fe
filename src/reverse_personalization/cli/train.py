"""`revpers train`: making the weights that this project ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Train the models that this project ships.")


@app.callback()
def train() -> None:
    """Train the models that this project ships."""


@app.command()
def compact(
    data: Annotated[Path, typer.Option(help="Folder of photos; one face of each is trained on.")],
    out: Annotated[Path, typer.Option(help="The weights file to write; the faces found are kept beside it.")],
) -> None:
    """Fit the compact engine; photos that were read once are not read again."""
    from rich.console import Console
    from rich.progress import Progress

    from reverse_personalization.training.compact import train_compact

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=None)
        measured = train_compact(
            data,
            out,
            report=lambda what, done, total: bar.update(task, description=what, completed=done, total=total),
        )
    typer.echo(
        f"{out.name}: {measured.faces} faces; {measured.glasses} more wear glasses and were left out. "
        f"The codec holds {measured.explained:.1%} of the texture's variance.\n"
        f"Denoising loss on {measured.held_out} held-out faces: {measured.conditional:.4f} with the "
        f"identity, {measured.null:.4f} without."
    )
