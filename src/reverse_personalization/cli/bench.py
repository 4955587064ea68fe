"""`revpers bench`: how private the results are, and the thresholds that decide it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reverse_personalization.bench.reidentification import Report

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Measure how well people stay unrecognised."
)

Dataset = Annotated[Path, typer.Option("--dataset", help="Folder with one folder of photos per person.")]


@app.callback()
def bench() -> None:
    """Measure how well people stay unrecognised."""


@app.command()
def reid(
    dataset: Dataset,
    people: Annotated[
        int | None,
        typer.Option(min=1, help="How many people are anonymized; all with two photos by default."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of people, and of the method's noise.")] = 0,
    guidance: Annotated[float | None, typer.Option(help="As in `revpers anonymize`.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the numbers as JSON as well.")] = None,
) -> None:
    """Anonymize a photo of each of several people and try to find them among all people of a data set.

    Prints rank-1 re-identification with counts, failures and 95 % Wilson intervals.
    """
    from rich.console import Console
    from rich.progress import Progress

    from reverse_personalization.anonymizer import Anonymizer
    from reverse_personalization.bench.datasets import folder_per_person
    from reverse_personalization.bench.reidentification import reidentify
    from reverse_personalization.faces.detection import YuNetDetector
    from reverse_personalization.identity.dlib_resnet import DlibResNet
    from reverse_personalization.identity.sface import SFace
    from reverse_personalization.media.atomic import write_atomically

    everybody = folder_per_person(dataset)
    anonymizer = Anonymizer(seed=seed, guidance=guidance)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=None)
        report = reidentify(
            everybody,
            anonymizer,
            YuNetDetector(turned=False),
            (DlibResNet(), SFace()),
            probes=people,
            seed=seed,
            progress=lambda what, done, total: bar.update(
                task, description=what, completed=done, total=total
            ),
        )
    _print(report, dataset.name)
    if out is not None:
        content = {"dataset": dataset.name, "settings": anonymizer.settings.model_dump(), **asdict(report)}
        write_atomically(out, json.dumps(content, indent=2).encode() + b"\n")


def _print(report: Report, dataset: str) -> None:
    from rich.console import Console
    from rich.table import Table

    people = report.rows[0].people
    table = Table(title=f"Rank-1 re-identification: {report.probes} people of {dataset} among {people}")
    for heading in ("recogniser", "gallery has", "before", "after", "failures", "after, failures as hits"):
        table.add_column(heading)
    for row in report.rows:
        before = "-" if row.before is None else str(row.before)
        table.add_row(
            *(row.recogniser, row.gallery, before, str(row.after), str(row.failures), str(row.worst))
        )
    console = Console(width=None if Console().is_terminal else 160)
    console.print(table)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(report.verdicts.items()))
    console.print(
        f"Verdicts: {counts}. Chance is {1 / people:.2%}. A failure is a result in which no face was found.\n"
        "sface guided the engine and dlib-resnet verified it; neither is a stranger to the method."
    )


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
    from reverse_personalization.bench.datasets import folder_per_person
    from reverse_personalization.faces.detection import YuNetDetector
    from reverse_personalization.identity.dlib_resnet import DlibResNet
    from reverse_personalization.identity.sface import SFace
    from reverse_personalization.identity.thresholds import dump

    fitted = fit(
        folder_per_person(dataset),
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
