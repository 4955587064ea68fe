"""Numbers as tables: for the terminal, as CSV, JSON and LaTeX."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from reverse_personalization.bench.privacy import Privacy
from reverse_personalization.bench.running import SOURCE, MethodResult
from reverse_personalization.bench.statistics import Rate
from reverse_personalization.bench.subsets import Subset
from reverse_personalization.bench.utility import spread
from reverse_personalization.faces.face import FloatArray

COLUMNS = ("method", "quantity", "evaluator", "value", "low", "high", "n", "failures", "photos")
ALL = "all"
NONE: Final = (math.nan, math.nan)


@dataclass(frozen=True)
class Line:
    """One number.

    Attributes:
        method, quantity, evaluator: what it is of.
        value, low, high: with its 95 % interval; NaN where there is none.
        n: photos that it is computed from.
        failures: photos that were left out.
        photos: which photos it is of, see `subsets`.
    """

    method: str
    quantity: str
    evaluator: str
    value: float
    low: float
    high: float
    n: int
    failures: int
    photos: str = ALL


def lines(sources: Sequence[Privacy], results: Sequence[MethodResult]) -> list[Line]:
    """Every number of a run."""
    found = [line for privacy in sources for line in _of_privacy(SOURCE, privacy)]
    for result in results:
        total, made = sum(result.statuses.values()), sum(path is not None for path in result.outputs)
        failures = {privacy.recogniser: privacy.failures for privacy in result.privacy}
        for status, count in sorted(result.statuses.items()):
            found.append(_rate(result.name, status, "run", Rate(count, total), 0))
        found.append(_rate(result.name, "face found again (score > .8)", "yunet", result.found, 0))
        for privacy in result.privacy:
            found += _of_privacy(result.name, privacy)
        for name, of in result.utility.items():
            missing = total - of.count
            found.append(
                Line(result.name, f"{name}, median", "embedded", of.median, of.low, of.high, of.count, missing)
            )
            nan = math.nan
            found.append(Line(result.name, f"{name}, 95th percentile", "embedded", of.p95, nan, nan, of.count, missing))
        for space, distance in result.frechet.items():
            n = total - failures[space]
            found.append(Line(result.name, "Frechet distance (no FID)", space, distance, *NONE, n, failures[space]))
        for metric, value in result.fidelity.items():
            found.append(Line(result.name, metric, "torch-fidelity", value, *NONE, made, total - made))
        for judged, rate in result.kept.items():
            found.append(_rate(result.name, f"kept: {judged}", "judge", rate, total - rate.trials))
        if result.seconds is not None:
            clock = "clock" if result.workers == 1 else f"clock, {result.workers} side by side"
            found.append(Line(result.name, "seconds a photo, median", clock, result.seconds, *NONE, total, 0))
    return found


def subset_lines(subsets: Sequence[Subset], results: Sequence[MethodResult]) -> list[Line]:
    """Numbers by subset, and for groups the gap between the highest and lowest rate, and the highest's ratio to all."""
    found: list[Line] = []
    for result in results:
        for quantity, evaluator, values in _rates(result):
            rates = {s: _known(values[s.members]) for s in subsets}
            found += [replace(_rate(result.name, quantity, evaluator, r, 0), photos=s.name) for s, r in rates.items()]
            total = _known(values).value
            for kind in dict.fromkeys(s.kind for s in subsets if s.kind != "hard case"):
                of = [rates[s].value for s in subsets if s.kind == kind and rates[s].trials]
                if len(of) > 1:
                    gap = Line(result.name, f"gap of {quantity}", evaluator, max(of) - min(of), *NONE, len(values), 0)
                    found.append(replace(gap, photos=f"by {kind}"))
                    ratio = max(of) / total if total else math.nan
                    highest = Line(result.name, f"ratio to all of {quantity}", evaluator, ratio, *NONE, len(values), 0)
                    found.append(replace(highest, photos=f"by {kind}"))
        for quantity, values in result.per_photo.items():
            for s in subsets:
                of_subset = spread(values[s.members])
                missing = int(s.members.sum()) - of_subset.count
                told = of_subset.median, of_subset.low, of_subset.high, of_subset.count, missing
                found.append(Line(result.name, f"{quantity}, median", "embedded", *told, photos=s.name))
    return found


def _rates(result: MethodResult) -> Iterator[tuple[str, str, FloatArray]]:
    """Shares of photos, as quantity, evaluator, and 0 or 1 for each photo."""
    yield "anonymized", "run", np.array([o.status == "anonymized" for o in result.outcomes], np.float32)
    for privacy in result.privacy:
        yield f"rank-1, {privacy.gallery}", privacy.recogniser, privacy.first


def _known(values: FloatArray) -> Rate:
    known = values[np.isfinite(values)]
    return Rate(int(known.sum()), len(known))


def as_csv(found: Sequence[Line]) -> str:
    """Comma-separated, one line for each number."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(line) for line in found)
    return text.getvalue()


def as_json(found: Sequence[Line], run: Mapping[str, Any]) -> str:
    """With the record of the run that made it; numbers that are not there are null."""
    rows = [
        {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(line).items()
        }
        for line in found
    ]
    return json.dumps({"run": run, "lines": rows}, indent=2) + "\n"


def as_latex(found: Sequence[Line]) -> str:
    """A booktabs table, methods as columns."""
    methods = list(dict.fromkeys(line.method for line in found))
    rows = list(dict.fromkeys((line.quantity, line.evaluator) for line in found))
    cells = {(line.method, line.quantity, line.evaluator): shown(line) for line in found}
    body = [
        " & ".join(
            _escaped(cell)
            for cell in (
                f"{quantity} ({evaluator})",
                *(cells.get((m, quantity, evaluator), "--") for m in methods),
            )
        )
        + r" \\"
        for quantity, evaluator in rows
    ]
    head = " & ".join(_escaped(cell) for cell in ("", *methods)) + r" \\"
    return "\n".join(
        [
            rf"\begin{{tabular}}{{l{'r' * len(methods)}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def shown(line: Line) -> str:
    """A number with its interval; shares as percentages."""
    if math.isnan(line.value):
        return "-"
    of_rate = line.evaluator in ("run", "yunet", "judge") or "rank" in line.quantity or "rate" in line.quantity
    of_rate = of_rate and not line.quantity.startswith("ratio")
    scale, unit, digits = (100, "%", 1) if of_rate else (1, "", 2)
    text = f"{line.value * scale:.{digits}f}{unit}"
    if not math.isnan(line.low):
        text += f" [{line.low * scale:.{digits}f}, {line.high * scale:.{digits}f}]"
    return text


def _of_privacy(method: str, of: Privacy) -> list[Line]:
    name, where, failures = of.recogniser, of.gallery, of.failures
    # Among as many as the gallery holds, everybody is found.
    ranks = {k: rate for k, rate in of.ranks.items() if k < of.people}
    found = [_rate(method, f"rank-{k}, {where}", name, rate, failures) for k, rate in ranks.items()]
    if ranks:
        found.append(_rate(method, f"rank-1, {where}, failures as hits", name, of.worst_rank1, 0))
    for share, rate in of.accepts.items():
        found.append(_rate(method, f"true accept rate at {share:.1%}, {where}", name, rate, failures))
        worst = of.worst_accepts[share]
        found.append(_rate(method, f"true accept rate at {share:.1%}, {where}, failures as hits", name, worst, 0))
    n = of.ranks[1].trials
    for people, rank1 in of.sizes[:-1]:
        found.append(Line(method, f"rank-1, {where}, gallery of {people}", name, rank1, *NONE, n, failures))
    found.append(Line(method, f"equal error rate, {where}", name, of.equal_error, math.nan, math.nan, n, failures))
    return found


def _rate(method: str, quantity: str, evaluator: str, rate: Rate, failures: int) -> Line:
    return Line(method, quantity, evaluator, rate.value, *rate.interval, rate.trials, failures)


def _escaped(text: str) -> str:
    return text.replace("%", r"\%").replace("_", r"\_").replace("&", r"\&")
