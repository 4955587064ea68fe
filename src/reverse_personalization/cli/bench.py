"""`revpers bench`: how private the results are, and the thresholds that decide it."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reverse_personalization.cli.progress import steps
from reverse_personalization.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reverse_personalization.bench.resemblance import Nearest
    from reverse_personalization.bench.running import Bench, Report
    from reverse_personalization.bench.tables import Line
    from reverse_personalization.identity.onnx_recogniser import OnnxFile
    from reverse_personalization.identity.plugged import PluginName

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Measure how well people stay unrecognised.")

Dataset = Annotated[Path, typer.Option("--dataset", help="Folder with one folder of photos per person.")]


Out = Annotated[Path, typer.Option("--out", help="Folder for results and cache.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many people are anonymized.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the draw of people, and of the engine's noise.")]


@app.callback()
def bench() -> None:
    """Measure how well people stay unrecognised."""


@app.command()
def run(  # noqa: PLR0913, PLR0917 - what a run can be told, by name
    dataset: Annotated[Path, typer.Option(help="Photos: a folder per person, or one folder.")],
    out: Annotated[Path, typer.Option(help="Folder for tables, figures, report and cache.")],
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="compact (default), sdxl, nullface, blur, pixelate, solid, fill, k-same or none; repeatable."
        ),
    ] = None,
    command: Annotated[
        list[str] | None,
        typer.Option(help="NAME=LINE: another program, with {in_dir} and {out_dir}; may be repeated."),
    ] = None,
    precomputed: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FOLDER: outputs made elsewhere, with the photos' stems; may be repeated."),
    ] = None,
    adapter: Annotated[
        list[str] | None,
        typer.Option(help="NAME=PATH[,PYTHON]: one of the paper's six systems, see `revpers bench adapters`."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="How many people are anonymized; all by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of people, and of our engines' noise.")] = 0,
    guidance: Annotated[float | None, typer.Option(help="Of our engines, as in `revpers anonymize`.")] = None,
    sweep: Annotated[str | None, typer.Option(help="Strengths of guidance to sweep, with commas: 5,10,15,20.")] = None,
    attacks: Annotated[bool, typer.Option("--attacks", help="Try to undo what the compact engine did.")] = False,
    identities: Annotated[Path | None, typer.Option(help="Lines of file and person, for one folder of photos.")] = None,
    listed: Annotated[Path | None, typer.Option(help="Lines of files: only these are used.")] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Lines of SHA-256 and path: these photos, unchanged, and no others.")
    ] = None,
    recogniser: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE.onnx[,bgr] (AdaFace is bgr), or a plugin's name: looks too; may be repeated."),
    ] = None,
    quality: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE.onnx[,bgr]: a network of face quality, such as eDifFIQA; may be repeated."),
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="CSV of file and prompt: every number by group as well.")] = None,
    judge_photos: Annotated[
        Path | None, typer.Option(help="Labelled photos: judges learn from them which attributes are kept.")
    ] = None,
    judge_labels: Annotated[Path | None, typer.Option(help="CSV of file and prompt of the --judge-photos.")] = None,
    inception: Annotated[
        Path | None, typer.Option(help="Inception's weights, as torch-fidelity has them: FID and KID as well.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that observe, and anonymize by compact; one a core by default.")
    ] = None,
) -> None:
    """Measure how private and how useful methods' results are, in one report.

    Everything is kept in the output folder: a run that was interrupted goes on, and another method costs only
    itself.
    """
    from reverse_personalization.bench.reporting import Asked, run_bench

    _needs_matplotlib()
    asked = Asked(
        dataset=dataset,
        out=out,
        methods=tuple(method or (() if command or precomputed or adapter else ("compact",))),
        adapters=tuple(_named(text, "--adapter") for text in adapter or ()),
        commands=tuple(_named(text, "--command") for text in command or ()),
        precomputed=tuple(_named(text, "--precomputed") for text in precomputed or ()),
        limit=limit,
        seed=seed,
        guidance=guidance,
        sweep=() if sweep is None else tuple(-strength for strength in _strengths(sweep, "--sweep")),
        attacks=attacks,
        identities=identities,
        listed=listed,
        manifest=manifest,
        workers=workers,
        labels=labels,
        recognisers=tuple(_recogniser(text) for text in recogniser or ()),
        qualities=tuple(_onnx_file(text, "--quality") for text in quality or ()),
        judge_photos=judge_photos,
        judge_labels=judge_labels,
        inception=inception,
    )
    with steps() as progress:
        found = run_bench(asked, progress)
    _print(found, dataset.name)
    typer.echo(f"Report: {out / 'report.html'}, tables: table.csv, table.json, table.tex beside it.")


def _needs_matplotlib() -> None:
    if find_spec("matplotlib") is None:
        raise UsageError("Figures need matplotlib: pip install 'reverse-personalization[bench]'.")


def _bench(dataset: Path, out: Path, limit: int, seed: int, progress: Report) -> Bench:
    from reverse_personalization.bench.datasets import draw_trials, load_people
    from reverse_personalization.bench.running import Bench

    people = load_people(dataset)
    trials = draw_trials(people, limit=limit, seed=seed)
    return Bench(people, trials, out / "cache", workers=os.cpu_count() or 1, report=progress)


def _named(text: str, option: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise UsageError(f"{option} {text}: should be NAME=..., as in {option} dp2=...")
    return name, value


def _recogniser(text: str) -> OnnxFile | PluginName:
    from reverse_personalization.identity.plugged import PluginName

    return _onnx_file(text, "--recogniser") if "=" in text else PluginName(text)


def _onnx_file(text: str, option: str) -> OnnxFile:
    from reverse_personalization.identity.onnx_recogniser import OnnxFile

    name, value = _named(text, option)
    path, _, channels = value.partition(",")
    if channels not in ("", "rgb", "bgr"):
        raise UsageError(f"{option} {text}: channels are rgb or bgr, as in adaface=adaface_ir101.onnx,bgr.")
    return OnnxFile(name, Path(path), "bgr" if channels == "bgr" else "rgb")


def _strengths(text: str, option: str) -> tuple[float, ...]:
    try:
        return tuple(abs(float(part)) for part in text.split(","))
    except ValueError:
        raise UsageError(f"{option} '{text}': should be numbers with commas, as in 0.5,1,2.") from None


def _print(found: Sequence[Line], dataset: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from reverse_personalization.bench.tables import ALL, shown

    found = [line for line in found if line.photos == ALL]
    methods = list(dict.fromkeys(line.method for line in found))
    table = Table(
        title=f"{dataset}, with 95 % intervals (sface and dlib-resnet guide the compact engine, and verify it)"
    )
    for heading in ("quantity", "by", *methods):
        table.add_column(heading)
    cells = {(line.method, line.quantity, line.evaluator): f"{shown(line)} n={line.n}" for line in found}
    for quantity, evaluator in dict.fromkeys((line.quantity, line.evaluator) for line in found):
        table.add_row(quantity, evaluator, *(cells.get((m, quantity, evaluator), "-") for m in methods))
    console = Console(width=None if Console().is_terminal else 110 + 30 * len(methods))
    console.print(table)


@app.command()
def adapters() -> None:
    """List the systems of the paper that `--adapter` runs: code, licences, weights, and what to know."""
    from reverse_personalization.bench.adapters import ADAPTERS

    for each in ADAPTERS.values():
        typer.echo(f"{each.name}: github {each.repository} ({each.licence})")
        typer.echo(f"  weights: {each.weights}\n  --adapter {each.name}=...: {each.given}\n  to know: {each.know}")


@app.command()
def strength(
    dataset: Dataset,
    out: Out,
    limit: Limit = 100,
    seed: Seed = 0,
    at: Annotated[str, typer.Option(help="Strengths, with commas.")] = "0.1,0.25,0.5,0.75,1,1.5",
) -> None:
    """Measure what `--strength` leaves of people, at one try that nobody verifies, and fit a curve to it."""
    from reverse_personalization.bench.strength import measure_strength, write_curves

    _needs_matplotlib()
    strengths = _strengths(at, "--at")
    with steps() as progress:
        curves = measure_strength(_bench(dataset, out, limit, seed, progress), strengths, seed=seed)
    write_curves(curves, out)
    for curve in curves:
        typer.echo(f"{curve.recogniser}, {curve.gallery}: rank-1, measured; expected by the curve")
        for each, rate in curve.measured.items():
            typer.echo(f"  strength {each:g}: {rate}; {curve.at(each):.1%}")
    typer.echo(f"Verified results (the default) push on until no match is left. Figure: {out / 'strength.png'}.")


@app.command()
def attributes(
    photos: Annotated[Path, typer.Option("--photos", help="Folder of labelled photos.")],
    labels: Annotated[Path, typer.Option(help="CSV of file and prompt.")],
    out: Out,
    limit: Limit = 100,
    seed: Seed = 0,
    recogniser: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE.onnx[,bgr], or a plugin's name: judges in place of those that guide; repeatable."),
    ] = None,
) -> None:
    """Measure how often strangers become what `--attributes` asks for, by judges that learned from other photos."""
    from reverse_personalization.bench.asking import ask, judged_bench
    from reverse_personalization.bench.running import Evaluators
    from reverse_personalization.bench.subsets import prompts_by_name

    evaluators = Evaluators(recognisers=tuple(_recogniser(text) for text in recogniser or ()))
    with steps() as progress:
        bench, judges = judged_bench(
            photos,
            prompts_by_name(labels),
            out / "cache",
            limit=limit,
            seed=seed,
            report=progress,
            evaluators=evaluators,
        )
        answers = ask(bench, judges, seed=seed, by=evaluators.names)
    for judge in judges:
        typer.echo(f"judge of {judge.attribute}: area under curve {judge.area:.3f} on {judge.people} others' photos")
    for answer in answers:
        moved = ", ".join(f"{name} {change:+.2f}" for name, change in answer.moved.items()) or "not measured"
        typer.echo(
            f"{answer.asked}: {answer.after} as asked (without asking {answer.before}); also moved: {moved}; "
            f"pose {answer.pose:.1f} degrees, expression {answer.expression:.2f}"
        )


@app.command()
def consistency(dataset: Dataset, out: Out, limit: Limit = 100, seed: Seed = 0) -> None:
    """Measure whether `--consistent` makes one stranger of a person, and others of others."""
    from reverse_personalization.bench.resemblance import consistency as measure

    with steps() as progress:
        found = measure(_bench(dataset, out, limit, seed, progress), seed=seed)
    for each in found:
        typer.echo(
            f"{each.recogniser}, at 1 % false accepts: results of one person match {each.same}, their sources "
            f"{each.sources}; results of different people match {each.different}"
        )


@app.command()
def nearest(
    dataset: Dataset,
    training: Annotated[Path, typer.Option("--training", help="Folder of the photos that were trained on.")],
    out: Out,
    limit: Limit = 100,
    seed: Seed = 0,
) -> None:
    """Measure whether strangers resemble anybody in a folder, as of the training photos: none should be a copy."""
    from reverse_personalization.bench.resemblance import nearest as measure
    from reverse_personalization.media.images import photos_below

    others = list(photos_below(training))
    with steps() as progress:
        found = measure(_bench(dataset, out, limit, seed, progress), others, seed=seed)
    for each in found:
        typer.echo(f"{each.recogniser}, nearest of {len(others)} photos: {_told(each)}")


def _told(found: Nearest) -> str:
    results, sources = "nothing to measure, since no result shows an anonymized face", "not measured"
    if found.results is not None:
        median, highest = found.results
        results = f"results median {median:.3f}, highest {highest:.3f}, {found.copies} match at 0.1 % false accepts"
    if found.sources is not None:
        sources = f"{found.sources[0]:.3f}, {found.sources[1]:.3f}, {found.chance}"
    return f"{results}; the untouched sources {sources}"


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

    with steps() as progress:
        fitted = fit(
            load_people(dataset),
            YuNetDetector(turned=False),
            (SFace(), DlibResNet()),
            false_match_rate=false_match_rate,
            dataset=dataset.name,
            command=f"revpers bench calibrate --dataset {dataset.name} --false-match-rate {false_match_rate:g}",
            report=progress,
        )
    dump(fitted, out)
    for threshold in fitted:
        typer.echo(
            f"{threshold.recogniser}: a match above {threshold.similarity:.4f}, where "
            f"{threshold.false_match_rate:g} of {threshold.impostor_pairs} impostor pairs and "
            f"{threshold.true_match_rate:.1%} of {threshold.genuine_pairs} genuine pairs match."
        )
        for small in threshold.smaller:
            typer.echo(
                f"  faces of {small.size:g} pixels: above {small.similarity:.4f}, where {small.true_match_rate:.1%} of "
                "genuine pairs match."
            )


@app.command()
def kinds(
    photos: Annotated[Path, typer.Option("--photos", help="Folder of photos, each of somebody else.")],
    labels: Annotated[Path, typer.Option(help="CSV of file and prompt, which tells age and gender.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    false_match_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Share of pairs of different children that may match.")
    ] = 0.1,
    strict: Annotated[float, typer.Option(min=0, max=1, help="The same, where a child is to stay visible.")] = 0.001,
) -> None:
    """Fit how young faces are, and above which similarity recognisers take two children for one."""
    from reverse_personalization.bench.kinds import fit_kinds
    from reverse_personalization.bench.subsets import prompts_by_name
    from reverse_personalization.faces.detection import YuNetDetector
    from reverse_personalization.identity.dlib_resnet import DlibResNet
    from reverse_personalization.identity.kinds import dump
    from reverse_personalization.identity.sface import SFace
    from reverse_personalization.media.images import photos_below

    with steps() as progress:
        found = fit_kinds(
            list(photos_below(photos)),
            prompts_by_name(labels),
            YuNetDetector(turned=False),
            (SFace(), DlibResNet()),
            rates=(false_match_rate, strict),
            dataset=photos.name,
            command=f"revpers bench kinds --photos {photos.name} --labels {labels.name} "
            f"--false-match-rate {false_match_rate:g} --strict {strict:g}",
            report=progress,
        )
    dump(found, out)
    typer.echo(
        f"Years of growing up, by SFace: off by {found.error:.1f} on people not fitted on ({found.people} people, "
        f"{found.children} of them children)."
    )
    for each in found.kinds:
        typer.echo(
            f"{each.recogniser}: two children match above {each.similarity:.4f}, where "
            f"{each.false_match_rate:.1%} of {each.pairs} pairs of different ones do; above the threshold of "
            f"grown-ups {each.unadjusted_false_match_rate:.1%} would, and "
            f"{each.grown_up_false_match_rate:.1%} of pairs of grown-ups in these photos do."
        )
