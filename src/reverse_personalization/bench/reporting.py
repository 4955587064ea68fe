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
from reverse_personalization.bench.attacking import as_lines, attack
from reverse_personalization.bench.datasets import Trial, draw_trials, load_people
from reverse_personalization.bench.methods import Command, EngineMethod, Method, Precomputed, make_method
from reverse_personalization.bench.page import write_page
from reverse_personalization.bench.running import Bench, MethodResult
from reverse_personalization.bench.subsets import Subset, groups, hard_cases, prompts_by_name
from reverse_personalization.errors import UsageError
from reverse_personalization.identity.onnx_recogniser import OnnxFile
from reverse_personalization.media.atomic import write_atomically
from reverse_personalization.version import tool_version

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
    workers: int | None = None
    labels: Path | None = None
    recognisers: tuple[OnnxFile, ...] = ()


def run_bench(asked: Asked, report: Report) -> list[tables.Line]:
    """Measure everything that was asked for, and write `report.html`, `table.*` and the figures to `asked.out`.

    Raises:
        UsageError: a method that is not known, or attacks on one that is not the compact engine.
        InputError: a data set or list that cannot be used.
    """
    if asked.attacks and "compact" not in asked.methods:
        raise UsageError("--attacks: tries the compact engine; add --method compact.")
    people = load_people(asked.dataset, identities=asked.identities, listed=asked.listed)
    trials = draw_trials(people, limit=asked.limit, seed=asked.seed)
    methods = _methods(asked)
    asked.out.mkdir(parents=True, exist_ok=True)
    workers = asked.workers or os.cpu_count() or 1
    bench = Bench(people, trials, asked.out / "cache", files=asked.recognisers, workers=workers, report=report)
    results = [bench.measure(method) for method in methods]
    found = tables.lines(bench.sources(), results)
    if asked.attacks:
        compact = next(result for result in results if result.name == "compact")
        found += as_lines("compact", attack(bench, compact, partial(EngineMethod, "compact")))
    swept = [
        bench.measure(EngineMethod(f"compact {w:g}", guidance=w, seed=asked.seed, verified=False)) for w in asked.sweep
    ]
    found += tables.lines([], swept)
    subsets = _subsets(asked, bench)
    found += tables.subset_lines(subsets, results)
    _write(asked, bench, found, results, swept, subsets)
    return found


def _subsets(asked: Asked, bench: Bench) -> list[Subset]:
    prompts = {} if asked.labels is None else prompts_by_name(asked.labels)
    return [*hard_cases(bench.source), *groups([trial.photo for trial in bench.trials], prompts)]


def _methods(asked: Asked) -> list[Method]:
    ours = {"seed": asked.seed} | ({} if asked.guidance is None else {"guidance": asked.guidance})
    return [
        *(make_method(name, **ours) for name in asked.methods),
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
    write_atomically(out / "table.csv", tables.as_csv(found).encode())
    write_atomically(out / "table.json", tables.as_json(found, run).encode())
    write_atomically(out / "table.tex", tables.as_latex([line for line in found if line.photos == tables.ALL]).encode())
    photos = [trial.photo for trial in bench.trials]
    for recogniser in bench.recognisers:
        for quantity in results[0].utility if results else ():
            stem = f"trade-off-{recogniser.name}-{quantity.split(',')[0].replace(' ', '-')}"
            figures.plot_trade_off(results, recogniser.name, quantity, out / f"{stem}.png")
        if swept:
            figures.plot_sweep(asked.sweep, swept, recogniser.name, out / f"sweep-{recogniser.name}.png")
        for result in results:
            worst = figures.most_alike(result, recogniser.name)
            sheet = out / f"worst-{result.name}-{recogniser.name}.png"
            figures.face_sheet(photos, bench.source, [result], worst, sheet)
            for subset in subsets:
                among = figures.most_alike(result, recogniser.name, among=subset.members)
                name = re.sub(r"[^a-z0-9]+", "-", subset.name.lower()).strip("-")
                figures.face_sheet(photos, bench.source, [result], among, sheet.with_stem(f"{sheet.stem}-{name}"))
    figures.face_sheet(photos, bench.source, results, range(min(12, len(photos))), out / "faces.png")
    write_page(out / "report.html", found, results, photos, bench.source, run)


def _record(asked: Asked, bench: Bench) -> dict[str, Any]:
    """What makes the table again: settings, versions, and a hash of the data."""
    told = {
        name: _plain(value)
        for name, value in asdict(asked).items()
        if name not in ("out", "dataset", "recognisers", "adapters")
    }
    return told | {
        "adapters": [name for name, _ in asked.adapters],
        "dataset": asked.dataset.name,
        "people": len(bench.people),
        "photos": len(bench.trials),
        "recognisers": [recogniser.name for recogniser in bench.recognisers],
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
