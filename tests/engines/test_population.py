"""Strangers: unlike the source, like it in what is kept, and as they were asked to be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reverse_personalization.engines.compact.attributes import NAMES, OF_AGE, Wish, read_wish
from reverse_personalization.engines.compact.engine import CompactEngine
from reverse_personalization.engines.compact.population import (
    CANDIDATES,
    FEMININE,
    TEMPERATURE,
    WISHED_FEMININE,
    Population,
    begun,
    emphasised,
)
from reverse_personalization.errors import UsageError
from reverse_personalization.identity.sface import SFace

D, E, K = 30, 128, len(NAMES)
WOMAN = Wish(woman=1.0)


@pytest.fixture
def population() -> Population:
    generator = np.random.default_rng(3)
    sizes = {"embedding_mean": (E,), "identity": (E, D), "embedding": (D, E), "attributes": (K, D)}
    sizes |= {"attribute_mean": (K,), "seen": (K, D + E), "seen_mean": (K,)}
    tensors = {name: 0.1 * generator.standard_normal(size) for name, size in sizes.items()}
    kept = np.zeros(D, np.float32)
    kept[:4] = 1
    tensors["attributes"][:, :4] = 0
    return Population(tensors, kept)


def unit(seed: int) -> Any:
    embedding = np.random.default_rng(seed).standard_normal(E, np.float32)
    return embedding / np.linalg.norm(embedding)


@pytest.mark.parametrize("wish", [Wish(), Wish(age=60, woman=1.0), Wish(beard=1.0)])
def test_a_stranger_keeps_what_is_kept_and_has_the_attributes_that_are_wanted(
    population: Population, wish: Wish
) -> None:
    codes = np.random.default_rng(1).standard_normal(D, np.float32)
    stranger = population.stranger(codes, unit(1), wish, np.random.default_rng(2))
    np.testing.assert_array_equal(stranger[:4], codes[:4])
    tensors = population._tensors
    shown = tensors["attributes"] @ stranger + tensors["attribute_mean"]
    own = Wish().applied(population.attributes(codes, unit(1)))
    wanted, asked = emphasised(wish, own), wish.applied(own)
    np.testing.assert_allclose(shown, begun(wish, own, tensors["attribute_mean"]), atol=1e-2)
    # A wish is overdone, and what was not wished for stays.
    np.testing.assert_array_equal(wanted[asked == own], own[asked == own])
    assert (np.abs(wanted - own) >= np.abs(asked - own) - 1e-5).all()


@pytest.mark.parametrize("kept", [1.0, 0.4, 0.0, -1.0])
def test_attributes_fade_but_for_those_that_were_asked_for(population: Population, kept: float) -> None:
    codes = np.random.default_rng(1).standard_normal(D, np.float32)
    wish = Wish(woman=1.0)
    stranger = population.stranger(codes, unit(1), wish, np.random.default_rng(2), kept=kept)
    tensors = population._tensors
    usual = tensors["attribute_mean"]
    wanted = begun(wish, population.attributes(codes, unit(1)), usual) - usual
    shares = tensors["attributes"] @ stranger / wanted
    asked = np.array([name == "woman" for name in NAMES])
    np.testing.assert_allclose(shares, np.where(asked, 1.0, kept), atol=0.02)


def test_who_is_already_what_was_asked_for_stays_it(population: Population, monkeypatch: pytest.MonkeyPatch) -> None:
    woman = np.full(K, 0.5, np.float32)
    woman[NAMES.index("woman")] = 1
    monkeypatch.setattr(population, "attributes", lambda codes, embedding: woman)
    codes, wish, tensors = np.zeros(D, np.float32), Wish(woman=1.0), population._tensors
    stranger = population.stranger(codes, unit(1), wish, np.random.default_rng(2), kept=-1.0)
    shown = tensors["attributes"] @ stranger + tensors["attribute_mean"]
    # Guidance would take it away: it starts out as even more.
    assert shown[NAMES.index("woman")] == pytest.approx(1 + WISHED_FEMININE, abs=0.02)


def test_what_is_held_stays_a_faces(population: Population) -> None:
    codes, held = np.random.default_rng(1).standard_normal(D, np.float32), np.zeros(D, np.float32)
    held[10:12] = 3, 4
    tensors = population._tensors | {"expressions": np.ones((D, 1), np.float32)}
    tensors["attributes"][:, 10:12] = 0
    free, holding = (Population(tensors, population._kept, held=what) for what in ((), [held]))
    apart = [
        abs((one.stranger(codes, unit(1), Wish(), np.random.default_rng(2)) - codes) @ held) for one in (free, holding)
    ]
    assert apart[1] < 1e-4 < apart[0]
    left = [np.linalg.norm(held - one.told @ (one.told.T @ held)) for one in (free, holding)]
    assert left[1] < 1e-4 < left[0]


def test_of_several_strangers_the_least_alike_is_drawn(population: Population) -> None:
    codes, own = np.random.default_rng(1).standard_normal(D, np.float32), unit(1)
    predicted = [
        float(
            (
                own
                + (population.stranger(codes, own, Wish(), np.random.default_rng(s)) - codes)
                @ population._tensors["embedding"]
            )
            @ own
        )
        for s in range(10)
    ]
    any_of_them = (
        own
        + TEMPERATURE * np.random.default_rng(9).standard_normal((CANDIDATES, D)) @ (population._tensors["embedding"])
    )
    assert max(predicted) < np.median(any_of_them @ own)


@pytest.mark.parametrize(
    ("prompt", "wish"),
    [
        (None, Wish()),
        ("an old man", Wish(age=75.0, woman=0.0)),
        ("a 40-year-old woman", Wish(age=40.0, woman=1.0, moustache=0.0, beard=0.0)),
        ("a bearded man of 33 years", Wish(age=33.0, woman=0.0, moustache=1.0, beard=1.0)),
        ("a man with a moustache", Wish(woman=0.0, moustache=1.0)),
        ("a woman with a beard", Wish(woman=1.0, moustache=1.0, beard=1.0)),
        ("younger", Wish(older=-20.0)),
        ("Older, clean-shaven", Wish(older=20.0, moustache=0.0, beard=0.0)),
        ("a girl", Wish(age=9.0, woman=1.0, moustache=0.0, beard=0.0)),
        ("a young boy", Wish(age=9.0, woman=0.0, moustache=0.0, beard=0.0)),
        ("a middle aged man", Wish(age=50.0, woman=0.0)),
        ("100 years old", Wish(age=100.0)),
        ("an old woman of 70 years.", Wish(age=70.0, woman=1.0, moustache=0.0, beard=0.0)),
    ],
)
def test_prompts_are_read(prompt: str | None, wish: Wish) -> None:
    assert read_wish(prompt) == wish


@pytest.mark.parametrize(
    "prompt",
    [
        *("a wizard", "", "a person", "old man with glasses", "!!!"),
        *("999 years old", "-5 years old", "a 4 0 years old", "a man 40 60", "40.5 years old"),
        *("man woman", "an old young man", "older and younger", "an old man 日本", "ÄLTER"),
    ],
)
def test_what_is_not_understood_is_refused(prompt: str) -> None:
    with pytest.raises(UsageError, match="--attributes"):
        read_wish(prompt)


def test_shifts_stay_within_a_life() -> None:
    young = np.zeros(K, np.float32)
    assert read_wish("younger").applied(young)[OF_AGE].sum() == 0
    np.testing.assert_array_equal(read_wish("older").applied(young)[OF_AGE], [20, 0])
    old = young.copy()
    old[OF_AGE] = 20, 70
    np.testing.assert_array_equal(read_wish("older").applied(old)[OF_AGE], [20, 75])
    np.testing.assert_array_equal(read_wish("a child").applied(old)[OF_AGE], [9, 0])


def test_the_engine_tells_age_and_gender(
    astronaut: Any, hopper: Any, compact_engine: CompactEngine, sface: SFace
) -> None:
    told = {}
    for name, portrait in (("astronaut", astronaut), ("hopper", hopper)):
        embedding = sface.embed(portrait.image_rgb, portrait.face)
        codes = compact_engine.encode(portrait.image_rgb, portrait.face).x0
        told[name] = compact_engine._population.attributes(codes, embedding / np.linalg.norm(embedding))
    woman = NAMES.index("woman")
    assert told["hopper"][OF_AGE].sum() > told["astronaut"][OF_AGE].sum() + 4
    assert told["astronaut"][woman] > 0.5


@pytest.mark.parametrize(
    ("prompt", "rougher", "smoother"),
    [
        ("a bearded man", False, False),
        ("older", True, False),
        ("60 years old", True, False),
        ("a child", False, True),
        ("younger", False, True),
        ("a woman", False, False),
        (None, False, False),
    ],
)
def test_age_shows_in_skin(prompt: str | None, rougher: bool, smoother: bool) -> None:
    roughness = read_wish(prompt).roughness
    assert (roughness > 1, roughness < 1) == (rougher, smoother)


@pytest.mark.parametrize("prompt", ["a beard", "clean-shaven", "an old person", "a man"])
def test_a_wish_changes_codes_by_what_says_so_and_by_nothing_else(population: Population, prompt: str) -> None:
    wish, tensors = read_wish(prompt), population._tensors
    own = np.random.default_rng(1).uniform(0, 1, K).astype(np.float32)
    told = tensors["attributes"] @ population.change(own, wish)
    np.testing.assert_allclose(told[wish.asked], (emphasised(wish, own) - own)[wish.asked], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(told[~wish.asked], 0, atol=1e-3)


def test_strangers_of_women_start_out_more_so() -> None:
    woman, usual = NAMES.index("woman"), np.full(K, 0.5, np.float32)
    own = np.zeros(K, np.float32)
    np.testing.assert_array_equal(begun(Wish(), own, usual), emphasised(Wish(), own))
    own[woman] = 1
    for wish, more in ((Wish(), FEMININE), (WOMAN, WISHED_FEMININE)):
        ahead = begun(wish, own, usual) - emphasised(wish, own)
        assert ahead[woman] == pytest.approx(more)
        assert not np.delete(ahead, woman).any()


@pytest.mark.parametrize(("prompt", "sign"), [("an old person", 1), ("young", -1), ("older", 1), ("a child", -1)])
def test_an_age_that_is_wished_is_overdone(prompt: str, sign: int) -> None:
    usual, own = np.zeros(K, np.float32), np.zeros(K, np.float32)
    usual[OF_AGE] = own[OF_AGE] = 20, 25
    wish = read_wish(prompt)
    ahead = begun(wish, own, usual) - wish.applied(own)
    assert (sign * ahead[OF_AGE] >= 0).all()
    assert np.abs(ahead[OF_AGE]).sum() > 40


def test_hair_is_added_where_it_is_missing_alone() -> None:
    own = np.zeros(K, np.float32)
    np.testing.assert_array_equal(read_wish("a beard").hair(own), [1, 1])
    np.testing.assert_array_equal(read_wish("a moustache").hair(own), [1, 0])
    own[NAMES.index("beard")] = 0.75
    np.testing.assert_array_equal(read_wish("a beard").hair(own), [1, 0.25])
    np.testing.assert_array_equal(read_wish("a woman").hair(own), [0, -0.75])
    assert not read_wish("older").hair(own).any()
