"""`revpers train`: making the weights that this project ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reverse_personalization.cli.progress import steps
from reverse_personalization.errors import UsageError

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


@app.command()
def obstacles(
    data: Annotated[Path, typer.Option(help="Folder of photos, those that `train compact` reads.")],
    out: Annotated[Path, typer.Option(help="The weights file to write; faces and checkpoint are kept beside it.")],
    batches: Annotated[int, typer.Option("--steps", min=1, help="Batches to learn from.")] = 3200,
) -> None:
    """Train the network that sees glasses, hair and hands on faces; needs torch. An interrupted training goes on."""
    try:
        from reverse_personalization.training.obstacle_network import train_obstacles
    except ImportError as error:
        raise UsageError(f"Training it needs {error.name}: pip install 'torch>=2.13'.") from None
    with steps() as progress:
        tested = train_obstacles(data, out, steps=batches, report=progress)
    typer.echo(
        f"{out.name}: {tested.plain} plain faces, and {tested.worn} on which something lies. Found and rightly found "
        f"on held-out faces ({tested.pictures} pictures each): {tested.on_drawings.recall:.1%} and "
        f"{tested.on_drawings.precision:.1%} of what was drawn on plain ones, {tested.on_photos.recall:.1%} and "
        f"{tested.on_photos.precision:.1%} of what lies on others, in worse photos."
    )
