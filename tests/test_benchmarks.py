"""Benchmarks are no tests, but what they import is there."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("script", sorted(BENCHMARKS.glob("*.py")), ids=lambda script: script.stem)
def test_a_benchmark_loads(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    try:
        runpy.run_path(str(script), run_name="loaded")
    except ModuleNotFoundError as error:
        if str(error.name).startswith("reverse_personalization"):
            raise
        pytest.skip(f"{error.name} is not installed")
