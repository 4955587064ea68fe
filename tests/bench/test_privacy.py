"""Ranks and rates: all of nothing done, chance of somebody else's photo, and failures counted both ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import hypergeom

from reverse_personalization.bench import attacks
from reverse_personalization.bench.privacy import Privacy, accept_thresholds, assess, equal_error_rate
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.base import cosine

PEOPLE, D = 200, 64


class Cosine:
    """A recogniser of embeddings that are given."""

    name = "given"

    def embed(self, image_rgb: Any, face: Any) -> Any:
        raise NotImplementedError

    def similarity(self, a: FloatArray, b: FloatArray) -> FloatArray:
        return cosine(a, b)


class Wrong(Cosine):
    """Takes the least alike for the most alike."""

    def similarity(self, a: FloatArray, b: FloatArray) -> FloatArray:
        return -cosine(a, b)


def people(seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((PEOPLE, D), np.float32)


def assessed(probes: FloatArray, *, recogniser: Any = None, own: Any = None) -> Privacy:
    known = people()
    return assess(
        recogniser or Cosine(),
        "other photo",
        probes,
        known,
        range(len(probes)) if own is None else own,
        untouched=known,
    )


def noisy(strength: float) -> FloatArray:
    return people() + strength * np.random.default_rng(5).standard_normal((PEOPLE, D), np.float32)


def test_nothing_done_is_always_recognised() -> None:
    found = assessed(noisy(0.1))
    assert found.ranks[1].value == 1
    assert all(rate.value == 1 for rate in found.accepts.values())
    assert found.equal_error < 0.01
    assert found.people == found.ranks[1].trials == PEOPLE
    assert found.failures == 0


def test_an_evaluator_that_is_wrong_is_seen() -> None:
    assert assessed(noisy(0.1), recogniser=Wrong()).ranks[1].value == 0


def test_somebody_else_is_recognised_by_chance() -> None:
    found = assessed(people(9))
    assert found.ranks[1].value < 0.05
    assert found.ranks[50].value == pytest.approx(50 / PEOPLE, abs=0.1)
    assert found.accepts[0.01].value < 0.05
    assert found.equal_error == pytest.approx(0.5, abs=0.08)


def test_failures_are_dropped_and_at_worst_they_are_matches() -> None:
    probes = people(9)
    probes[:30] = np.nan
    found = assessed(probes)
    assert found.failures == 30
    assert found.ranks[1].trials == PEOPLE - 30
    assert found.worst_rank1.hits == found.ranks[1].hits + 30
    assert found.worst_rank1.trials == found.worst_accepts[0.01].trials == PEOPLE


def test_all_failed_is_known_as_nothing_found() -> None:
    found = assessed(np.full((5, D), np.nan, np.float32))
    assert found.ranks[1].trials == 0
    assert np.isnan(found.equal_error)
    assert found.worst_rank1.value == 1


@pytest.mark.filterwarnings("error")
def test_one_person_alone_sets_no_threshold_and_teaches_no_parrot() -> None:
    alone = people()[:1]
    found = assess(Cosine(), "other photo", alone, alone, [0], untouched=alone)
    assert {rate.trials for rate in (*found.accepts.values(), *found.worst_accepts.values())} == {0}
    assert attacks.parrot(Cosine(), alone, alone, alone, [0]).trials == 0


def test_thresholds_let_their_share_of_strangers_pass() -> None:
    known = people()
    (threshold,) = accept_thresholds(Cosine(), known, [0.01])
    pairs = cosine(known, known)[np.triu_indices(PEOPLE, 1)]
    assert (pairs > threshold).mean() == pytest.approx(0.01, abs=1e-3)


def test_the_equal_error_rate_is_where_both_errors_meet() -> None:
    generator = np.random.default_rng(0)
    genuine, impostor = generator.normal(1.5, 1, 4000), generator.normal(0, 1, 4000)
    # Two unit normals 1.5 apart err equally at their middle: Phi(-0.75).
    assert equal_error_rate(genuine, impostor) == pytest.approx(0.2266, abs=0.02)


def test_smaller_galleries_are_expected_not_drawn() -> None:
    probes, known = noisy(3.0), people()
    sizes = dict(assessed(probes).sizes)
    similarity = cosine(probes, known)
    better = (similarity > np.diag(similarity)[:, None]).sum(1)
    for size in (10, 100):
        assert sizes[size] == pytest.approx(hypergeom.pmf(0, PEOPLE - 1, better, size - 1).mean(), abs=1e-9)
    assert sizes[PEOPLE] == assessed(probes).ranks[1].value
    assert sizes[10] >= sizes[100] >= sizes[PEOPLE]


def test_a_parrot_learns_what_is_linear() -> None:
    turned = people() @ np.linalg.qr(np.random.default_rng(2).standard_normal((D, D)))[0].astype(np.float32)
    plain = attacks.rank_1(Cosine(), turned, people(), range(PEOPLE))
    taught = attacks.parrot(Cosine(), turned, people(), people(), range(PEOPLE))
    assert plain.value < 0.05
    assert taught.value > 0.3


def test_averages_find_what_single_outputs_hide() -> None:
    outputs = [people() + 3 * people(seed) for seed in range(20, 32)]
    alone = attacks.rank_1(Cosine(), outputs[0], people(), range(PEOPLE))
    together = attacks.averaging(Cosine(), outputs, people(), range(PEOPLE))
    assert together.value > alone.value + 0.2


def test_replay_and_linkage_find_equal_outputs() -> None:
    outputs = people(3)
    assert attacks.replay(Cosine(), outputs, [people(4), outputs], range(PEOPLE)).value == 1
    assert attacks.replay(Cosine(), outputs, [people(4)], range(PEOPLE)).value < 0.05
    assert attacks.linkage(Cosine(), outputs, outputs + 0.01).value == 1
