"""Noise belongs to a key and to labels: repeatable with a seed, secret without, never a matter of order."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reverse_personalization.noise import KeyedNoise

LABELS = st.lists(st.one_of(st.integers(), st.text(max_size=5)), max_size=4)


def first(noise: KeyedNoise, *labels: str | int) -> int:
    return int(noise.generator(*labels).integers(2**63))


@given(seed=st.integers(0, 2**70), labels=LABELS)
def test_a_seed_repeats_whatever_was_drawn_before(seed: int, labels: list[str | int]) -> None:
    one, other = KeyedNoise(seed), KeyedNoise(seed)
    other.generator("something else").standard_normal(100)
    assert first(one, *labels) == first(other, *labels)
    np.testing.assert_array_equal(
        one.generator(*labels).standard_normal((2, 3), np.float32),
        other.generator(*labels).standard_normal((2, 3), np.float32),
    )


@given(labels=LABELS, others=LABELS)
def test_other_labels_are_another_stream(labels: list[str | int], others: list[str | int]) -> None:
    noise = KeyedNoise(7)
    assert (first(noise, *labels) == first(noise, *others)) == (json.dumps(labels) == json.dumps(others))


@pytest.mark.parametrize(
    ("one", "other"), [(("a", "b"), ("ab",)), ((1,), ("1",)), (("face", 1), ("face", 11)), ((), ("",))]
)
def test_labels_do_not_run_together(one: tuple[str | int, ...], other: tuple[str | int, ...]) -> None:
    assert first(KeyedNoise(7), *one) != first(KeyedNoise(7), *other)


def test_seeds_differ_and_without_one_every_run_does() -> None:
    assert len({first(KeyedNoise(seed), "face", 0) for seed in (0, 1, 2, 10**30)}) == 4
    assert len({first(KeyedNoise(), "face", 0) for _ in range(4)}) == 4
    assert KeyedNoise(0).repeatable
    assert not KeyedNoise().repeatable


def test_streams_of_neighbouring_faces_are_independent() -> None:
    noise = KeyedNoise(3)
    faces = np.stack([noise.generator("face", i).standard_normal(20_000) for i in range(4)])
    assert np.abs(np.corrcoef(faces) - np.eye(4)).max() < 0.05
    assert abs(faces.mean()) < 0.05
    assert faces.std() == pytest.approx(1.0, abs=0.05)


def test_the_key_stays_secret() -> None:
    noise = KeyedNoise(123456789)
    assert repr(noise) == str(noise) == "KeyedNoise(repeatable=True)"
    assert not hasattr(noise, "__dict__")
