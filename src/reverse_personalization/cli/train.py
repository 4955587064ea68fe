"""`revpers train`: making the weights that this project ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reverse_personalization.cli.progress import steps

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
    from reverse_personalization.training.compact import train_compact

    with steps() as progress:
        measured = train_compact(data, out, report=progress)
    typer.echo(
        f"{out.name}: {measured.faces} faces; {measured.glasses} more wear glasses and were left out. "
        f"The codec holds {measured.explained:.1%} of the texture's variance.\n"
        f"Denoising loss on {measured.held_out} held-out faces: {measured.conditional:.4f} with the "
        f"identity, {measured.null:.4f} without."
    )
