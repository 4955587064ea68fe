"""Guided fields: the weights of each formula, merged, and what is no field at all."""

from __future__ import annotations

import math

import pytest

from reverse_personalization.errors import UsageError
from reverse_personalization.inversion import Field, coupled, decoupled, merged, nullface, pushed, toward

ID = coupled(-10.0, null="null", identity="id")
PAPER = coupled(-10.0, null="null", identity="id", blank="blank", attribute="old")
APART = decoupled(1.0, g_id=3.0, g_attr=0.5, null="null", identity="id", blank="blank", attribute="old")


@pytest.mark.parametrize(
    ("field", "weights"),
    [
        (PAPER.inversion, {"blank": 11.0, "null": -10.0}),
        (PAPER.generation, {"old": 11.0, "id": -10.0}),
        (APART.inversion, {"null": 1.0}),
        (APART.generation, {"null": 4.0, "id": -3.0, "old": 0.5, "blank": -0.5}),
        (toward(APART, 2.0, surrogate="her", null="null").inversion, {"null": 1.0}),
        (toward(ID, 2.0, surrogate="her", null="null").generation, {"null": 9.0, "id": -10.0, "her": 2.0}),
        (nullface(10.0, null="null", opposite="not id").inversion, {"null": 1.0}),
        (nullface(10.0, null="null", opposite="not id").generation, {"null": -9.0, "not id": 10.0}),
        (merged(((0.5, "a"), (0.1, "b"), (0.2, "a"), (0.3, "a"), (-0.1, "b"))), {"a": 1.0}),
        (pushed(((1.0, "a"),), 0.0, to="b", off="c"), {"a": 1.0}),
    ],
)
def test_fields_merge_to_the_weights_of_their_formulas(field: Field[str], weights: dict[str, float]) -> None:
    assert len(field) == len(weights)
    assert {condition: weight for weight, condition in field} == pytest.approx(weights)


@pytest.mark.parametrize("blank", [None, "blank"])
@pytest.mark.parametrize("attribute", [None, "old"])
@pytest.mark.parametrize("w", [-10.0, -0.3, 1.0, 2.7])
def test_decoupled_strengths_contain_the_coupled_ones(w: float, blank: str | None, attribute: str | None) -> None:
    conditions = {"null": "null", "identity": "id", "blank": blank, "attribute": attribute}
    one, other = coupled(w, **conditions), decoupled(w, g_id=-w, g_attr=1.0 - w, **conditions)
    assert one.inversion == other.inversion
    weights = {condition: weight for weight, condition in one.generation}
    assert {condition: weight for weight, condition in other.generation} == pytest.approx(weights)


def test_a_field_that_is_no_prediction_is_refused() -> None:
    with pytest.raises(UsageError, match="sum to 1"):
        merged(((1.0, "null"), (-10.0, "id")))
    with pytest.raises(UsageError, match="sum to 1"):
        merged(((math.nan, "null"),))
