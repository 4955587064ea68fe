"""The report as one HTML file that asks nobody for anything: table, plots to point at, faces."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from reverse_personalization.bench.figures import face_tile
from reverse_personalization.bench.observing import Observation
from reverse_personalization.bench.running import MethodResult
from reverse_personalization.bench.tables import ALL, Line, shown
from reverse_personalization.media.thumbnails import data_url

# So many photos of each method can be pointed at; a page of all would weigh too much.
FACES = 80
THUMBNAIL = 72


def write_page(
    path: Path,
    found: Sequence[Line],
    results: Sequence[MethodResult],
    sources: Sequence[Path],
    seen: Sequence[Observation],
    run: Mapping[str, Any],
    drawn: Sequence[Path] = (),
) -> None:
    """Write the page; its faces are inside, and the figures in PNG files that were drawn."""
    template = (files("reverse_personalization.bench") / "page.html").read_text("utf-8")
    data = {
        "points": _points(results, sources, seen),
        "quantities": list(results[0].per_photo) if results else [],
    }
    filled = (
        template.replace("{{title}}", escape(f"{run['dataset']}: {len(sources)} photos"))
        .replace("{{run}}", escape(json.dumps(run, indent=2)))
        .replace("{{table}}", _table([line for line in found if line.photos == ALL]))
        .replace("{{subsets}}", _subset_tables(found))
        .replace("{{figures}}", "".join(_figure(path) for path in drawn))
        .replace("{{data}}", json.dumps(data).replace("</", "<\\/"))
    )
    path.write_text(filled, "utf-8")


def _table(found: Sequence[Line]) -> str:
    methods = list(dict.fromkeys(line.method for line in found))
    rows = list(dict.fromkeys((line.quantity, line.evaluator) for line in found))
    cells = {(line.method, line.quantity, line.evaluator): line for line in found}
    head = "".join(f"<th>{escape(method)}</th>" for method in methods)
    body = []
    for quantity, evaluator in rows:
        of = [cells.get((method, quantity, evaluator)) for method in methods]
        shows = "".join(
            "<td>-</td>" if line is None else f'<td title="n={line.n}, {line.failures} failures">{shown(line)}</td>'
            for line in of
        )
        body.append(f"<tr><th>{escape(quantity)}</th><td>{escape(evaluator)}</td>{shows}</tr>")
    return f"<thead><tr><th></th><th>by</th>{head}</tr></thead><tbody>{''.join(body)}</tbody>"


def _figure(path: Path) -> str:
    source = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
    return f'<details><summary>{escape(path.stem)}</summary><img alt="{escape(path.stem)}" src="{source}"></details>'


def _subset_tables(found: Sequence[Line]) -> str:
    """A folded table for each subset."""
    tables = []
    for photos in dict.fromkeys(line.photos for line in found if line.photos != ALL):
        table = _table([line for line in found if line.photos == photos])
        tables.append(f"<details><summary>{escape(photos)}</summary><table>{table}</table></details>")
    return "".join(tables)


def _points(
    results: Sequence[MethodResult], sources: Sequence[Path], seen: Sequence[Observation]
) -> list[dict[str, Any]]:
    points = []
    step = max(1, math.ceil(len(sources) / FACES))
    before = {i: data_url(face_tile(sources[i], seen[i], THUMBNAIL)) for i in range(0, len(sources), step)}
    for result in results:
        for i, thumbnail in before.items():
            values = {name: _number(of[i]) for name, of in result.per_photo.items()}
            after = data_url(face_tile(result.outcomes[i].path, seen[i], THUMBNAIL))
            status = result.outcomes[i].status
            points.append({"method": result.name, "status": status, "before": thumbnail, "after": after, **values})
    return points


def _number(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None
