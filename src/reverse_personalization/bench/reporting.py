"""From what was asked for to tables, figures and the page."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from reverse_personalization.bench import figures, tables
from reverse_personalization.bench.adapters import make_adapter
from reverse_personalization.bench.attacking import Attacked, as_lines, attack
from reverse_personalization.bench.datasets import Trial, as_manifest, draw_trials, load_people
from reverse_personalization.bench.judging import Judge, learn
from reverse_personalization.bench.methods import Command, EngineMethod, Method, Precomputed, make_method
from reverse_personalization.bench.observing import make_folder
from reverse_personalization.bench.page import write_page
from reverse_personalization.bench.running import Bench, Evaluators, MethodResult
from reverse_personalization.bench.subsets import Subset, groups, hard_cases, prompts_by_name
from reverse_personalization.errors import UsageError
from reverse_personalization.identity.onnx_recogniser import OnnxFile
from reverse_personalization.identity.plugged import PluginName
from reverse_personalization.media.atomic import write_atomically
from reverse_personalization.version import tool_version

# Figures that are in the page as well, by the beginnings of their names.
PLOTS = ("trade-off-", "identification-", "sweep-", "recovery", "faces")
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Asked:
    """A run of the bench, as `revpers bench run` describes it."""

    dataset: Path
    out: Path
    methods: tuple[str, ...] = ("compact",)
    commands: tuple[tuple[str, str], ...] = ()
    precomputed: tuple[tuple[str, str], ...] = ()
    adapters: tuple[tuple[str, str], ...] = ()
    limit: int | None = None
    seed: int = 0
    guidance: float | None = None
    sweep: tuple[float, ...] = ()
    attacks: bool = False
    identities: Path | None = None
    listed: Path | None = None
    manifest: Path | None = None
    workers: int | None = None
    labels: Path | None = None
    recognisers: tuple[OnnxFile | PluginName, ...] = ()
    qualities: tuple[OnnxFile, ...] = ()
    judge_photos: Path | None = None
    judge_labels: Path | None = None
    inception: Path | None = None


def run_bench(asked: Asked, report: Report) -> list[tables.Line]:
    """Measure everything that was asked for, and write `report.html`, `table.*` and the figures to `asked.out`.

    Raises:
        UsageError: a method that is not known, or attacks on one that is not the compact engine.
        InputError: a data set or list that cannot be used.
        OutputError: the folder cannot be made.
    """
    if asked.attacks and "compact" not in asked.methods:
        raise UsageError("--attacks: tries the compact engine; add --method compact.")
    people = load_people(asked.dataset, identities=asked.identities, listed=asked.listed, manifest=asked.manifest)
    trials = draw_trials(people, limit=asked.limit, seed=asked.seed)
    workers = asked.workers or os.cpu_count() or 1
    make_folder(asked.out)
    methods = _methods(asked, workers)
    bench = Bench(
        people,
        trials,
        asked.out / "cache",
        evaluators=Evaluators(asked.recognisers, asked.qualities, _judges(asked, workers, report), asked.inception),
        workers=workers,
        report=report,
    )
    results = [bench.measure(method) for method in methods]
    found = tables.lines(bench.sources(), results)
    if asked.attacks:
        compact = next(result for result in results if result.name == "compact")
        attacked = attack(bench, compact, partial(EngineMethod, "compact", workers=workers))
        found += as_lines("compact", attacked.attacks)
        _draw_recovery(bench, compact, attacked, asked.out / "recovery.png")
    swept = [
        bench.measure(
            EngineMethod(f"compact {w:g}", guidance=w, seed=asked.seed, drawing="unverified", workers=workers)
        )
        for w in asked.sweep
    ]
    found += tables.lines([], swept)
    subsets = _subsets(asked, bench)
    found += tables.subset_lines(subsets, results)
    _write(asked, bench, found, results, swept, subsets)
    return found


def _draw_recovery(bench: Bench, result: MethodResult, attacked: Attacked, path: Path) -> None:
    """Sources, results, and what each recovery makes of the results (Fig. 13)."""
    photos = [trial.photo for trial in bench.trials]
    recovered = {f"recovered, {drawn}": of for drawn, of in attacked.recovered.items()}
    columns: dict[str, Sequence[Path | None]] = {"source": photos, result.name: result.outputs, **recovered}
    figures.face_sheet(columns, bench.source, range(min(figures.SHEET, len(photos))), path)


def _judges(asked: Asked, workers: int, report: Report) -> tuple[Judge, ...]:
    if asked.judge_photos is None or asked.judge_labels is None:
        if asked.judge_photos is not asked.judge_labels:
            raise UsageError("--judge-photos and --judge-labels: judges learn from both; give the other one, too.")
        return ()
    judges, _ = learn(
        asked.judge_photos,
        prompts_by_name(asked.judge_labels),
        asked.out / "cache",
        seed=asked.seed,
        workers=workers,
        report=report,
        files=(*asked.recognisers, *asked.qualities),
    )
    return tuple(judges)


def _subsets(asked: Asked, bench: Bench) -> list[Subset]:
    prompts = {} if asked.labels is None else prompts_by_name(asked.labels)
    return [*hard_cases(bench.source), *groups([trial.photo for trial in bench.trials], prompts)]


def _methods(asked: Asked, workers: int) -> list[Method]:
    ours = {"seed": asked.seed} | ({} if asked.guidance is None else {"guidance": asked.guidance})
    return [
        *(make_method(name, workers=workers, **ours) for name in asked.methods),
        *(Command(name, line) for name, line in asked.commands),
        *(Precomputed(name, Path(folder)) for name, folder in asked.precomputed),
        *(make_adapter(name, given) for name, given in asked.adapters),
    ]


def _write(
    asked: Asked,
    bench: Bench,
    found: Sequence[tables.Line],
    results: Sequence[MethodResult],
    swept: Sequence[MethodResult],
    subsets: Sequence[Subset],
) -> None:
    out, run = asked.out, _record(asked, bench)
    used = sorted({photo for person in bench.people for photo in person.photos})
    write_atomically(out / "manifest.sha256", as_manifest(asked.dataset, used).encode())
    write_atomically(out / "table.csv", tables.as_csv(found).encode())
    write_atomically(out / "table.json", tables.as_json(found, run).encode())
    write_atomically(out / "table.tex", tables.as_latex([line for line in found if line.photos == tables.ALL]).encode())
    photos = [trial.photo for trial in bench.trials]
    for recogniser in bench.recognisers:
        for quantity in results[0].utility if results else ():
            stem = f"trade-off-{recogniser.name}-{quantity.split(',')[0].replace(' ', '-')}"
            figures.plot_trade_off(results, recogniser.name, quantity, out / f"{stem}.png")
        figures.plot_identification(results, recogniser.name, out / f"identification-{recogniser.name}.png")
        if swept:
            figures.plot_sweep(asked.sweep, swept, recogniser.name, out / f"sweep-{recogniser.name}.png")
        for result in results:
            worst = figures.most_alike(result, recogniser.name)
            sheet = out / f"worst-{result.name}-{recogniser.name}.png"
            columns: dict[str, Sequence[Path | None]] = {"source": photos, result.name: result.outputs}
            figures.face_sheet(columns, bench.source, worst, sheet)
            for subset in subsets:
                among = figures.most_alike(result, recogniser.name, among=subset.members)
                name = re.sub(r"[^a-z0-9]+", "-", subset.name.lower()).strip("-")
                figures.face_sheet(columns, bench.source, among, sheet.with_stem(f"{sheet.stem}-{name}"))
    columns = {"source": photos} | {result.name: result.outputs for result in results}
    figures.face_sheet(columns, bench.source, range(min(12, len(photos))), out / "faces.png")
    drawn = [path for kind in PLOTS for path in sorted(out.glob(f"{kind}*.png"))]
    write_page(out / "report.html", found, results, photos, bench.source, run, drawn)


def _record(asked: Asked, bench: Bench) -> dict[str, Any]:
    """What makes the table again: settings, versions, and a hash of the data."""
    told = {
        name: _plain(value)
        for name, value in asdict(asked).items()
        if name not in ("out", "dataset", "recognisers", "qualities", "adapters")
    }
    return told | {
        "adapters": [name for name, _ in asked.adapters],
        "dataset": asked.dataset.name,
        "people": len(bench.people),
        "photos": len(bench.trials),
        "recognisers": [recogniser.name for recogniser in bench.recognisers],
        "qualities": [quality.name for quality in asked.qualities],
        "data_sha256": _digest(bench.trials),
        "version": tool_version(),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }


def _plain(value: Any) -> Any:
    return value.name if isinstance(value, Path) else value


def _digest(trials: Sequence[Trial]) -> str:
    digest = hashlib.sha256()
    for trial in trials:
        digest.update(trial.photo.read_bytes())
    return digest.hexdigest()
