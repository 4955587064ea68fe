"""`revpers bench`: how private the results are, and the thresholds that decide it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reverse_personalization.cli.progress import steps
from reverse_personalization.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reverse_personalization.bench.tables import Line

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Measure how well people stay unrecognised.")

Dataset = Annotated[Path, typer.Option("--dataset", help="Folder with one folder of photos per person.")]


@app.callback()
def bench() -> None:
    """Measure how well people stay unrecognised."""


@app.command()
def run(  # noqa: PLR0913, PLR0917 - what a run can be told, by name
    dataset: Annotated[Path, typer.Option(help="Photos: a folder per person, or one folder.")],
    out: Annotated[Path, typer.Option(help="Folder for tables, figures, report and cache.")],
    method: Annotated[
        list[str] | None,
        typer.Option(help="compact (default), sdxl, nullface, blur, pixelate, solid, k-same, none; may be repeated."),
    ] = None,
    command: Annotated[
        list[str] | None,
        typer.Option(help="NAME=LINE: another program, with {in_dir} and {out_dir}; may be repeated."),
    ] = None,
    precomputed: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FOLDER: outputs made elsewhere, with the photos' stems; may be repeated."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="How many people are anonymized; all by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of people, and of our engines' noise.")] = 0,
    guidance: Annotated[float | None, typer.Option(help="Of our engines, as in `revpers anonymize`.")] = None,
    sweep: Annotated[str, typer.Option(help="Strengths of guidance to sweep, with commas: 5,10,15,20.")] = "",
    attacks: Annotated[bool, typer.Option("--attacks", help="Try to undo what the compact engine did.")] = False,
    identities: Annotated[Path | None, typer.Option(help="Lines of file and person, for one folder of photos.")] = None,
    listed: Annotated[Path | None, typer.Option(help="Lines of files: only these are used.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that observe; one a core by default.")] = None,
) -> None:
    """Measure how private and how useful methods' results are, in one report.

    Everything is kept in the output folder: a run that was interrupted goes on, and another method costs only
    itself.
    """
    from reverse_personalization.bench.reporting import Asked, run_bench

    if find_spec("matplotlib") is None:
        raise UsageError("Figures need matplotlib: pip install 'reverse-personalization[bench]'.")
    asked = Asked(
        dataset=dataset,
        out=out,
        methods=tuple(method or (() if command or precomputed else ("compact",))),
        commands=tuple(_named(text, "--command") for text in command or ()),
        precomputed=tuple(_named(text, "--precomputed") for text in precomputed or ()),
        limit=limit,
        seed=seed,
        guidance=guidance,
        sweep=_strengths(sweep),
        attacks=attacks,
        identities=identities,
        listed=listed,
        workers=workers,
    )
    with steps() as progress:
        found = run_bench(asked, progress)
    _print(found, dataset.name)
    typer.echo(f"Report: {out / 'report.html'}, tables: table.csv, table.json, table.tex beside it.")


def _named(text: str, option: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise UsageError(f"{option} {text}: should be NAME=..., as in {option} dp2=...")
    return name, value


def _strengths(text: str) -> tuple[float, ...]:
    try:
        return tuple(-abs(float(part)) for part in text.split(",") if part.strip())
    except ValueError:
        raise UsageError(f"--sweep {text}: should be numbers with commas, as in 5,10,15,20.") from None


def _print(found: Sequence[Line], dataset: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from reverse_personalization.bench.tables import shown

    methods = list(dict.fromkeys(line.method for line in found))
    table = Table(title=f"{dataset}, with 95 % intervals (sface guides the compact engine, dlib-resnet verifies)")
    for heading in ("quantity", "by", *methods):
        table.add_column(heading)
    cells = {(line.method, line.quantity, line.evaluator): f"{shown(line)} n={line.n}" for line in found}
    for quantity, evaluator in dict.fromkeys((line.quantity, line.evaluator) for line in found):
        table.add_row(quantity, evaluator, *(cells.get((m, quantity, evaluator), "-") for m in methods))
    console = Console(width=None if Console().is_terminal else 110 + 30 * len(methods))
    console.print(table)


@app.command()
def calibrate(
    dataset: Dataset,
    out: Annotated[Path, typer.Option(help="The thresholds file to write.")],
    false_match_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Share of pairs of different people that may match.")
    ] = 0.001,
) -> None:
    """Fit the similarity above which each recogniser calls two faces the same person."""
    from reverse_personalization.bench.calibration import calibrate as fit
    from reverse_personalization.bench.datasets import load_people
    from reverse_personalization.faces.detection import YuNetDetector
    from reverse_personalization.identity.dlib_resnet import DlibResNet
    from reverse_personalization.identity.sface import SFace
    from reverse_personalization.identity.thresholds import dump

    fitted = fit(
        load_people(dataset),
        YuNetDetector(turned=False),
        (SFace(), DlibResNet()),
        false_match_rate=false_match_rate,
        dataset=dataset.name,
        command=f"revpers bench calibrate --dataset {dataset.name} --false-match-rate {false_match_rate:g}",
    )
    dump(fitted, out)
    for threshold in fitted:
        typer.echo(
            f"{threshold.recogniser}: a match above {threshold.similarity:.4f}, where "
            f"{threshold.false_match_rate:g} of {threshold.impostor_pairs} impostor pairs and "
            f"{threshold.true_match_rate:.1%} of {threshold.genuine_pairs} genuine pairs match."
        )
