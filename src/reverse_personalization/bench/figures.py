"""The paper's figures: privacy against utility, the sweep, and sheets of faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from reverse_personalization.bench.embedding import MAX_PIXELS
from reverse_personalization.bench.observing import Observation
from reverse_personalization.bench.running import MethodResult
from reverse_personalization.faces.face import ByteArray
from reverse_personalization.media.images import read_photo
from reverse_personalization.media.thumbnails import square

# Worst faces of a sheet: the ones most like their source.
SHEET = 8
TILE, TITLE = 128, 20


def plot_trade_off(results: Sequence[MethodResult], recogniser: str, quantity: str, path: Path) -> None:
    """Privacy against utility (Fig. 10): rank-1 with the own photo, and a quantity's median, lower is better.

    Writes `path` as PNG and, beside it, as PDF. Bars are 95 % intervals; the best corner is shaded.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 4), layout="constrained")
    axes = figure.subplots()
    for result in results:
        rate = next(p.ranks[1] for p in result.privacy if p.recogniser == recogniser and p.gallery == "own photo")
        of = result.utility[quantity]
        if not rate.trials or not of.count:
            continue
        low, high = rate.interval
        axes.errorbar(
            100 * rate.value,
            of.median,
            xerr=[[100 * max(rate.value - low, 0)], [100 * max(high - rate.value, 0)]],
            yerr=[[max(of.median - of.low, 0)], [max(of.high - of.median, 0)]],
            fmt="o",
            capsize=2,
        )
        axes.annotate(result.name, (100 * rate.value, of.median), (5, 5), textcoords="offset points", fontsize=8)
    axes.set(xlabel=f"rank-1 of {recogniser}, own photo in the gallery (%)", ylabel=f"{quantity} (median)")
    axes.set_xlim(left=min(-1.0, axes.get_xlim()[0]))
    axes.set_ylim(bottom=0)
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    axes.fill_between([axes.get_xlim()[0], 0.25 * right], 0, 0.25 * top, alpha=0.08, color="green", zorder=0)
    _save(figure, path)


def plot_identification(results: Sequence[MethodResult], recogniser: str, path: Path) -> None:
    """How often people are among the k most similar (CMC), and rank-1 as the gallery grows, for both galleries."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    for row, kind in zip(figure.subplots(2, 2), ("own photo", "other photo"), strict=True):
        for result in results:
            for of in (p for p in result.privacy if p.recogniser == recogniser and p.gallery == kind):
                known = of.place[np.isfinite(of.place)]
                k = np.arange(1, of.people + 1)
                if len(known):
                    row[0].plot(k, 100 * np.searchsorted(np.sort(known), k, "right") / len(known), label=result.name)
                    row[1].plot(*zip(*((n, 100 * rate) for n, rate in of.sizes), strict=True), "o-", label=result.name)
        row[0].set(xscale="log", xlabel="k", ylabel=f"among the k most similar (%), {kind}", ylim=(-2, 102))
        row[1].set(xscale="log", xlabel="people in the gallery", ylabel=f"rank-1 (%), {kind}", ylim=(-2, 102))
    figure.suptitle(recogniser)
    if figure.axes[0].lines:
        figure.axes[0].legend(fontsize=8)
    _save(figure, path)


def plot_sweep(strengths: Sequence[float], results: Sequence[MethodResult], recogniser: str, path: Path) -> None:
    """How rank-1, expression, gaze and pose follow the guidance (Fig. 11)."""
    from matplotlib.figure import Figure

    quantities = [name for name in results[0].utility if name != "changed outside the face"]
    figure = Figure(figsize=(3.2 * (1 + len(quantities)), 2.8), layout="constrained")
    first, *others = figure.subplots(1, 1 + len(quantities))
    rates = [
        next(p.ranks[1] for p in r.privacy if p.recogniser == recogniser and p.gallery == "own photo") for r in results
    ]
    first.plot(strengths, [100 * rate.value for rate in rates], "o-")
    first.fill_between(strengths, [100 * r.interval[0] for r in rates], [100 * r.interval[1] for r in rates], alpha=0.2)
    first.set(title=f"rank-1, {recogniser} (%)", xlabel="guidance")
    for axes, name in zip(others, quantities, strict=True):
        spreads = [r.utility[name] for r in results]
        axes.plot(strengths, [s.median for s in spreads], "o-")
        axes.fill_between(strengths, [s.low for s in spreads], [s.high for s in spreads], alpha=0.2)
        axes.set(title=name, xlabel="guidance")
        axes.title.set_fontsize(8)
    _save(figure, path)


def face_sheet(
    columns: Mapping[str, Sequence[Path | None]], seen: Sequence[Observation], chosen: Sequence[int], path: Path
) -> None:
    """Faces as rows; the source, and what was made of it, as columns under their titles (Fig. 13 to 19)."""
    rows = [np.hstack([face_tile(photos[i], seen[i]) for photos in columns.values()]) for i in chosen]
    if rows:
        titles = np.hstack([_title(title) for title in columns])
        Image.fromarray(np.vstack([titles, *rows])).save(path)


def _title(text: str) -> ByteArray:
    image = Image.new("RGB", (TILE, TITLE), "white")
    ImageDraw.Draw(image).text((TILE / 2, TITLE / 2), text, "black", anchor="mm")
    return np.asarray(image)


def most_alike(
    result: MethodResult, recogniser: str, count: int = SHEET, *, among: NDArray[np.bool_] | None = None
) -> list[int]:
    """The photos (of those in a bool n mask) whose results are most like their source: a method's worst cases."""
    similarity = result.per_photo[f"similarity, {recogniser}"]
    known = np.flatnonzero(np.isfinite(similarity) & (True if among is None else among))
    return [int(i) for i in known[np.argsort(-similarity[known])][:count]]


def face_tile(photo: Path | None, seen: Observation, size: int = TILE) -> ByteArray:
    """The place of a face on a photo, uint8 size x size x 3; grey where there is nothing to show."""
    if photo is None:
        return np.full((size, size, 3), 128, np.uint8)
    image_rgb = read_photo(photo, max_pixels=MAX_PIXELS).image_rgb
    if np.isnan(seen.points).any():
        return np.asarray(Image.fromarray(image_rgb).resize((size, size)))
    low, high = seen.points.min(0), seen.points.max(0)
    x, y = (low + high) / 2
    return square(image_rgb, (float(x), float(y)), 0.75 * float((high - low).max()), size)


def _save(figure: object, path: Path) -> None:
    for suffix in (".png", ".pdf"):
        figure.savefig(path.with_suffix(suffix), dpi=140)  # type: ignore[attr-defined]
