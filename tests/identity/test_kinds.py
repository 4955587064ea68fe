"""Children are judged by what different children are to recognisers, grown-ups as before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reverse_personalization import weights
from reverse_personalization.faces.face import Face, FloatArray
from reverse_personalization.identity.kinds import CHILD, GROWN, fitted, kinds, youth
from reverse_personalization.identity.people import People
from reverse_personalization.identity.thresholds import threshold, threshold_of
from reverse_personalization.identity.verification import Source, Verifier

RECOGNISERS = "sface", "dlib-resnet"


def of_age(years: float) -> FloatArray:
    """A unit vector that SFace would give a face of such years, by what was fitted."""
    found = fitted()
    direction = np.asarray(found.growth, np.float64)
    along = direction / np.linalg.norm(direction)
    share = (years - found.intercept) / np.linalg.norm(direction)
    across = np.roll(along, 1) - (np.roll(along, 1) @ along) * along
    across *= np.sqrt(1 - share**2) / np.linalg.norm(across)
    return np.asarray(share * along + across, np.float32)


@pytest.mark.parametrize(("years", "expected"), [(2, 1), (CHILD, 1), ((CHILD + GROWN) / 2, 0.5), (GROWN, 0), (19, 0)])
def test_youth_falls_from_childhood_on(years: float, expected: float) -> None:
    embedding = of_age(years)
    assert youth({"sface": embedding}) == pytest.approx(expected, abs=0.01)
    assert youth({"sface": 9 * embedding}) == pytest.approx(expected, abs=0.01)


def test_nobody_is_a_child_by_a_guess() -> None:
    assert youth({}) == youth({"dlib-resnet": of_age(2)}) == 0
    assert youth({"sface": np.full(128, np.nan, np.float32)}) == 0


def test_grown_ups_are_grown_up(astronaut: Any, hopper: Any, verifier: Verifier) -> None:
    for person in (astronaut, hopper):
        assert youth(verifier.source(person.image_rgb, person.face).embeddings) == 0


def test_what_was_fitted_states_where_it_comes_from() -> None:
    found = fitted()
    assert found.weights_sha256 == weights.entry("sface").sha256
    assert found.command.startswith("revpers bench kinds")
    assert found.error < 4
    assert tuple(of.recogniser for of in found.kinds) == RECOGNISERS
    for of in found.kinds:
        assert of.pairs == found.children * (found.children - 1) / 2
        assert of.pairs * of.strict_false_match_rate >= 10
        # Why children need thresholds of their own.
        assert of.unadjusted_false_match_rate > 10 * of.grown_up_false_match_rate
        assert threshold(of.recogniser).similarity < of.similarity < of.strict_similarity < 1


@pytest.mark.parametrize("name", RECOGNISERS)
@pytest.mark.parametrize("strict", [False, True])
def test_thresholds_rise_with_youth(name: str, strict: bool) -> None:
    class Named:
        """Only a name, which is all that is asked for."""

    named: Any = Named()
    named.name = name
    limit, of = threshold_of(named, strict=strict), kinds(name)
    assert of is not None
    grown, child = threshold(name, strict=strict), of.strict_similarity if strict else of.similarity
    for size in (16, 100):
        assert limit(size, 0) == grown.at(size)
        assert limit(size, 0) <= limit(size, 0.5) <= limit(size, 1)
    assert limit(np.inf, 1) == pytest.approx(max(child, grown.similarity))
    assert limit(np.inf, 0.5) == pytest.approx((max(child, grown.similarity) + grown.similarity) / 2)


class Knows:
    """A recogniser that is SFace by name, and told what it sees."""

    name = "sface"

    def __init__(self, sees: FloatArray) -> None:
        self.sees = sees

    def embed(self, image_rgb: Any, face: Face) -> FloatArray:
        return self.sees

    def similarity(self, a: FloatArray, b: FloatArray) -> FloatArray:
        return np.atleast_2d(np.atleast_2d(a) @ np.atleast_2d(b).T)


def turned(embedding: FloatArray, cosine: float) -> FloatArray:
    """A unit vector at such a cosine from another one."""
    other = np.random.default_rng(0).standard_normal(len(embedding)).astype(np.float32)
    other -= (other @ embedding) * embedding
    return np.asarray(cosine * embedding + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other), np.float32)


@pytest.mark.parametrize(("years", "cosine", "matches"), [(30, 0.4, True), (5, 0.4, False), (5, 0.6, True)])
def test_a_child_is_verified_among_children(years: float, cosine: float, matches: bool) -> None:
    embedding = of_age(min(years, 19))
    face = Face((0, 0, 100, 100), np.zeros((5, 2), np.float32), 0.9)

    class Finds:
        def find_again(self, image_rgb: Any, face: Face) -> Face:
            return face

    finds: Any = Finds()
    verifier = Verifier(finds, [(Knows(turned(embedding, cosine)), "verifier")])
    source = Source(face, {"sface": embedding}, {"sface": 0.9})
    picture = np.zeros((120, 120, 3), np.uint8)
    assert verifier.check(picture, source).matches is matches
    assert verifier.still_matches(picture, face, source.embeddings) is matches
    assert verifier.all_match(picture, face, source.embeddings) is matches
    assert (verifier.agree(source.embeddings, {"sface": turned(embedding, cosine)}) is not None) is matches


@pytest.mark.parametrize(("years", "stays"), [(19, True), (5, False)])
def test_another_child_does_not_stay_visible(years: float, stays: bool) -> None:
    embedding = of_age(years)
    people = People("keep", {"sface": turned(embedding, 0.6)[None]}, [Knows(embedding)])
    assert bool(people.leaves({"sface": embedding}, 100)) is stays


@pytest.mark.parametrize("years", [5, 19])
def test_who_is_like_somebody_to_replace_is_replaced(years: float) -> None:
    embedding = of_age(years)
    people = People("only", {"sface": turned(embedding, 0.4)[None]}, [Knows(embedding)])
    assert not people.leaves({"sface": embedding}, 100)
