"""Lines of the tables: what they are computed from, and what is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reverse_personalization.bench.attacking import Attack, as_lines
from reverse_personalization.bench.figures import plot_identification
from reverse_personalization.bench.methods import Outcome
from reverse_personalization.bench.privacy import Privacy, assess
from reverse_personalization.bench.running import MethodResult
from reverse_personalization.bench.statistics import Rate
from reverse_personalization.bench.tables import Line, lines
from reverse_personalization.identity.sface import SFace


def looked_for(people: int, probes: int, failures: int) -> Privacy:
    gallery = np.random.default_rng(0).standard_normal((people, 128)).astype(np.float32)
    seen = gallery[:probes].copy()
    seen[:failures] = np.nan
    return assess(SFace(), "own photo", seen, gallery, range(probes), untouched=gallery)


def result(privacy: Privacy, outputs: int, missing: int) -> MethodResult:
    made = [Outcome("anonymized", Path("a.png"))] * (outputs - missing) + [Outcome("missing", None)] * missing
    statuses = {"anonymized": outputs - missing, "missing": missing}
    fidelity = {"FID": 2.0}
    return MethodResult(
        "m", statuses, (privacy,), Rate(0, outputs), {}, {"sface": 1.0}, fidelity, {}, None, 1, {}, tuple(made)
    )


def counts(found: list[Line], quantity: str) -> tuple[int, int]:
    (line,) = [line for line in found if line.quantity == quantity]
    return line.n, line.failures


def test_distances_tell_how_many_photos_they_are_of() -> None:
    found = lines([], [result(looked_for(people=20, probes=8, failures=3), outputs=8, missing=2)])
    assert counts(found, "Frechet distance (no FID)") == (5, 3)
    assert counts(found, "FID") == (6, 2)


def test_ranks_that_everybody_reaches_are_left_out() -> None:
    def told(people: int) -> set[str]:
        found = lines([looked_for(people, probes=1, failures=0)], [])
        return {line.quantity for line in found if line.quantity.startswith("rank-")}

    assert told(6) == {"rank-1, own photo", "rank-5, own photo", "rank-1, own photo, failures as hits"}
    assert told(5) == {"rank-1, own photo", "rank-1, own photo, failures as hits"}
    assert told(1) == set()
    attacked = [Attack("parrot", "sface", Rate(1, 1), people) for people in (1, 2)]
    assert len(as_lines("m", attacked)) == 1


@pytest.mark.filterwarnings("error")
def test_a_figure_of_nobody_has_no_legend(tmp_path: Path) -> None:
    plot_identification([result(looked_for(4, probes=2, failures=2), 2, 0)], "sface", tmp_path / "figure.png")
    assert (tmp_path / "figure.png").exists()
