"""`revpers train`: making the weights that this project ships."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reverse_personalization.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reverse_personalization.training.compact import Measured

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Train the models that this project ships."
)


@app.callback()
def train() -> None:
    """Train the models that this project ships."""


@app.command()
def compact(
    data: Annotated[Path, typer.Option(help="Folder of photos; one face of each is trained on.")],
    out: Annotated[Path, typer.Option(help="The weights file to write; what is done is kept beside it.")],
    steps: Annotated[int | None, typer.Option(min=1, help="Steps in all.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
) -> None:
    """Train the compact engine; an interrupted training goes on when the command is given again."""
    try:
        from reverse_personalization.training.compact import Recipe, train_compact
    except ImportError as error:
        raise UsageError(
            f"Training needs {error.name}: pip install 'reverse-personalization[train]'."
        ) from None
    from rich.console import Console
    from rich.progress import Progress

    recipe = (
        Recipe(seed=seed) if steps is None else Recipe(seed=seed, steps=steps, warmup=min(600, steps // 4))
    )
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=None)
        measured = train_compact(
            data,
            out,
            recipe=recipe,
            report=lambda what, done, total: bar.update(task, description=what, completed=done, total=total),
        )
    plot = out.with_suffix(".png")
    _plot(measured, plot)
    last = measured[-1]
    typer.echo(
        f"{out.name}: {last.step} steps; on held-out faces the denoising loss is {last.conditional:.4f} with "
        f"and {last.null:.4f} without the identity, and faces led toward a stranger have a cosine of "
        f"{last.toward:.3f} to the stranger and {last.own:.3f} to their source. Curves: {plot.name}."
    )


def _plot(measured: Sequence[Measured], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    losses, cosines = figure.subplots(1, 2)
    steps = [m.step for m in measured]
    losses.plot(steps, [m.conditional for m in measured], label="with the identity")
    losses.plot(steps, [m.null for m in measured], label="null identity")
    losses.set(title="Denoising loss, held-out faces", xlabel="step")
    cosines.plot(steps, [m.toward for m in measured], label="to the stranger")
    cosines.plot(steps, [m.own for m in measured], label="to the source")
    cosines.set(title="SFace cosine when guided toward a stranger", xlabel="step")
    for axes in (losses, cosines):
        axes.legend()
    figure.savefig(path, dpi=120)
