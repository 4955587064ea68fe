"""What `--strength` means: how many people a recogniser still finds after one try at each strength."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from reverse_personalization.bench.methods import EngineMethod
from reverse_personalization.bench.running import Bench
from reverse_personalization.bench.statistics import Rate, fit_logistic
from reverse_personalization.errors import InputError
from reverse_personalization.media.atomic import write_atomically

# On the coefficients; it keeps them finite where nobody is found, or all are.
PENALTY = 0.05


@dataclass(frozen=True)
class Curve:
    """Expected re-identification by strength s: 1 / (1 + exp(-(intercept + slope s))).

    Attributes:
        recogniser: by which people are looked for.
        gallery: which photo of them it has.
        intercept, slope: of the logistic curve.
        measured: what it was fitted to, by strength.
    """

    recogniser: str
    gallery: str
    intercept: float
    slope: float
    measured: dict[float, Rate]

    def at(self, strength: float) -> float:
        """Expected share of people found, 0 to 1."""
        return float(1 / (1 + np.exp(-(self.intercept + self.slope * strength))))


def measure_strength(bench: Bench, strengths: Sequence[float], *, seed: int) -> list[Curve]:
    """Anonymize every trial once at each strength, without verification, and fit a curve for each recogniser.

    Args:
        bench: the data set.
        strengths: values of `--strength`.
        seed: of the engine's noise.

    Raises:
        InputError: faces of fewer than two people are found, among whom everybody is known.
    """
    if sum(seen.score > 0 for seen in bench.gallery) < 2:
        raise InputError("Strength is measured by finding people among others; give photos of at least two people.")
    first: dict[tuple[str, str], dict[float, Rate]] = {}
    for strength in strengths:
        method = EngineMethod(f"strength {strength:g}", strength=strength, seed=seed, drawing="unverified")
        for privacy in bench.measure(method).privacy:
            first.setdefault((privacy.recogniser, privacy.gallery), {})[strength] = privacy.ranks[1]
    return [Curve(name, gallery, *fit_curve(rates), rates) for (name, gallery), rates in first.items()]


def fit_curve(rates: dict[float, Rate]) -> tuple[float, float]:
    """Intercept and slope of the most likely logistic curve through counts with a slight penalty."""
    x = np.stack([np.ones(len(rates)), np.array(list(rates))], 1)
    hits = np.array([rate.hits for rate in rates.values()], float)
    trials = np.array([rate.trials for rate in rates.values()], float)
    intercept, slope = fit_logistic(x, hits, trials, np.full(2, PENALTY))
    return float(intercept), float(slope)


def write_curves(curves: Sequence[Curve], folder: Path) -> None:
    """Write `strength.json` and the figure `strength.png`."""
    from matplotlib.figure import Figure

    told = [asdict(curve) | {"measured": {str(s): str(r) for s, r in curve.measured.items()}} for curve in curves]
    write_atomically(folder / "strength.json", json.dumps(told, indent=2).encode() + b"\n")
    figure = Figure(figsize=(5.2, 4), layout="constrained")
    axes = figure.subplots()
    for number, curve in enumerate(curves):
        strengths = list(curve.measured)
        along = np.linspace(min(strengths), max(strengths), 100)
        axes.plot(along, [100 * curve.at(s) for s in along], color=f"C{number}")
        shares = np.array([rate.value for rate in curve.measured.values()])
        ends = np.abs(np.array([rate.interval for rate in curve.measured.values()]) - shares[:, None]).T
        label = f"{curve.recogniser}, {curve.gallery}"
        axes.errorbar(strengths, 100 * shares, yerr=100 * ends, fmt="o", color=f"C{number}", label=label, capsize=2)
    axes.set(xlabel="strength, one try, not verified", ylabel="rank-1 (%)", ylim=(0, 100))
    axes.legend(fontsize=8)
    figure.savefig(folder / "strength.png", dpi=140)
