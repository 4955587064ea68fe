"""How hard each try pushes."""

from __future__ import annotations

from itertools import pairwise

import pytest

from reverse_personalization.escalation import HELD, escalation
from reverse_personalization.settings import Settings


def test_the_first_try_is_what_was_asked_for() -> None:
    first = next(escalation(Settings(guidance=-7, identity_strength=3, steps=9, skip=0.2)))
    assert (first.guidance, first.identity, first.steps, first.skip) == (-7, 3, 9, 0.2)
    assert first.attributes_kept == 1


def test_each_try_pushes_harder_up_to_a_limit_and_starts_further_back() -> None:
    tries = list(escalation(Settings(guidance=-5, max_tries=30)))
    pushes = [-one.guidance for one in tries]
    assert len(tries) == 30
    assert pushes == sorted(pushes)
    assert pushes[1] > pushes[0]
    assert pushes[-1] == pushes[-2] == pytest.approx(24, abs=1)
    skips = [one.skip for one in tries]
    assert all(later < earlier for earlier, later in pairwise(skips))


def test_who_holds_out_longest_becomes_somebody_of_another_kind() -> None:
    kept = [one.attributes_kept for one in escalation(Settings(max_tries=30))]
    assert kept[: HELD + 1] == [1] * (HELD + 1)
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] == -1
