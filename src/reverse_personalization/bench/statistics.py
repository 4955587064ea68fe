"""Rates with their intervals, and curves through them."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054
NEWTON_STEPS = 50


@dataclass(frozen=True)
class Rate:
    """A count of hits among trials, with its 95 % Wilson interval (Wilson 1927)."""

    hits: int
    trials: int

    @property
    def value(self) -> float:
        """Hits per trial; NaN without trials."""
        return self.hits / self.trials if self.trials else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end of the 95 % interval."""
        n = self.trials
        if n == 0:
            return 0.0, 1.0
        p, z2 = self.hits / n, Z95**2
        centre = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = Z95 / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
        return max(0.0, centre - half), min(1.0, centre + half)

    def __str__(self) -> str:
        """Percent with interval and counts; without trials, that there were none."""
        if not self.trials:
            return "not measured (0/0)"
        low, high = self.interval
        return f"{self.value:.1%} [{low:.1%}, {high:.1%}] ({self.hits}/{self.trials})"


def ridge(inputs: NDArray[np.floating], targets: NDArray[np.floating], penalty: float) -> NDArray[np.floating]:
    """Least squares with a penalty on the squares of the weights, for centred inputs n x i and targets n (x o)."""
    return np.linalg.solve(inputs.T @ inputs + penalty * np.eye(inputs.shape[1]), inputs.T @ targets)


def fit_logistic(
    x: NDArray[np.floating], hits: NDArray[np.floating], trials: NDArray[np.floating], penalty: NDArray[np.floating]
) -> NDArray[np.float64]:
    """The most likely weights w of a logistic regression, 1 / (1 + exp(-x w)), by Newton's method.

    Args:
        x: float n x d; a column of ones for a bias.
        hits: float n.
        trials: float n, of which these are hits.
        penalty: float d, on half the square of each weight.
    """
    rows, w = np.asarray(x, np.float64), np.zeros(x.shape[1])
    for _ in range(NEWTON_STEPS):
        p: Any = 1 / (1 + np.exp(-np.clip(rows @ w, -30, 30)))
        slope = rows.T @ (hits - trials * p) - penalty * w
        step = np.linalg.solve((rows * (trials * p * (1 - p))[:, None]).T @ rows + np.diag(penalty), slope)
        w = w + step / max(1.0, float(np.abs(step).max()))
    return w
