"""Wilson's interval, against SciPy's."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest  # type: ignore[import-untyped]

from reverse_personalization.bench.statistics import Rate


@given(trials=st.integers(1, 5000), share=st.floats(0, 1))
def test_interval_is_wilsons(trials: int, share: float) -> None:
    hits = round(share * trials)
    expected = binomtest(hits, trials).proportion_ci(confidence_level=0.95, method="wilson")
    assert Rate(hits, trials).interval == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(trials=st.integers(1, 500), share=st.floats(0, 1))
def test_value_lies_in_its_interval(trials: int, share: float) -> None:
    rate = Rate(round(share * trials), trials)
    low, high = rate.interval
    assert 0 <= low <= rate.value + 1e-12
    assert rate.value - 1e-12 <= high <= 1


def test_without_trials_nothing_is_known() -> None:
    assert math.isnan(Rate(0, 0).value)
    assert Rate(0, 0).interval == (0, 1)
    assert str(Rate(0, 0)) == "not measured (0/0)"
