"""What counts as a match, and where the thresholds come from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from reverse_personalization import weights
from reverse_personalization.faces.compositing import paste
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity import thresholds
from reverse_personalization.identity.sface import SFace
from reverse_personalization.identity.verification import Check, Similarity, Source, Verifier
from reverse_personalization.obscuring import obscure


@pytest.mark.parametrize("name", ["sface", "dlib-resnet"])
def test_thresholds_state_where_they_come_from(name: str) -> None:
    fitted = thresholds.threshold(name)
    assert fitted.recogniser == name
    assert 0 < fitted.similarity < 1
    assert 0 < fitted.false_match_rate <= 0.01
    assert 0.5 < fitted.true_match_rate <= 1
    # The stated rate must be measurable on the stated pairs.
    assert fitted.impostor_pairs * fitted.false_match_rate >= 10
    assert fitted.impostor_pairs <= fitted.people * (fitted.people - 1) / 2
    assert fitted.genuine_pairs > 0
    assert len(fitted.dataset) > 1
    assert re.match(r"revpers bench calibrate\b", fitted.command)
    assert fitted.weights_sha256 == weights.entry(name).sha256


@pytest.mark.parametrize("name", ["sface", "dlib-resnet"])
@pytest.mark.parametrize("strict", [False, True])
def test_the_smaller_faces_are_the_more_alike_they_must_be(name: str, strict: bool) -> None:
    fitted = thresholds.threshold(name, strict=strict)
    sizes = [small.size for small in fitted.smaller]
    assert sizes == sorted(sizes)
    assert fitted.at(sizes[0]) > fitted.at(sizes[1]) > fitted.similarity
    assert fitted.smaller[0].true_match_rate < fitted.true_match_rate


def test_a_size_between_two_fitted_ones_has_a_threshold_between_theirs() -> None:
    fitted = thresholds.threshold("dlib-resnet")
    smallest, next_one = fitted.smaller[:2]
    assert fitted.at(smallest.size) == pytest.approx(smallest.similarity)
    between = fitted.at((smallest.size * next_one.size) ** 0.5)
    assert between == pytest.approx((smallest.similarity + next_one.similarity) / 2)
    # Beyond what was fitted, the nearest of it.
    assert fitted.at(1) == fitted.at(0) == pytest.approx(smallest.similarity)
    assert fitted.at(fitted.smaller[-1].size) == fitted.at(float("inf")) == fitted.similarity


def test_thresholds_survive_the_disk(tmp_path: Path) -> None:
    both = tuple(thresholds.threshold(name) for name in ("sface", "dlib-resnet"))
    thresholds.dump(both, tmp_path / "thresholds.json")
    assert thresholds._Thresholds.validate_json((tmp_path / "thresholds.json").read_bytes()) == both


def test_a_threshold_without_provenance_is_refused() -> None:
    with pytest.raises(ValidationError):
        thresholds.Threshold.model_validate({"recogniser": "sface", "similarity": 0.3})


def test_no_threshold_is_made_up() -> None:
    with pytest.raises(KeyError):
        thresholds.threshold("unheard-of")


def test_an_unchanged_picture_matches(portrait: Any, verifier: Verifier) -> None:
    source = verifier.source(portrait.image_rgb, portrait.face)
    assert verifier.recognises(source)
    check = verifier.check(portrait.image_rgb, source)
    assert check.face is not None
    assert check.matches
    # The first that matches settles it.
    assert len(check.similarities) == 1


def test_a_solid_face_does_not_match(portrait: Any, verifier: Verifier) -> None:
    source = verifier.source(portrait.image_rgb, portrait.face)
    hidden = paste(portrait.image_rgb, obscure(portrait.image_rgb, portrait.face, kind="solid"))
    check = verifier.check(hidden, source)
    assert check.face is None
    assert not check.matches
    assert [(s.recogniser, s.role) for s in check.similarities] == [
        ("sface", "guide"),
        ("dlib-resnet", "guide"),
    ]
    assert all(s.after <= s.threshold < s.before for s in check.similarities)


def test_another_person_in_the_same_place_does_not_match(astronaut: Any, hopper: Any, verifier: Verifier) -> None:
    source = verifier.source(astronaut.image_rgb, astronaut.face)
    other = verifier.source(hopper.image_rgb, hopper.face)
    moved = type(source)(hopper.face, source.embeddings, source.before)
    # A guide's margin, which is for what it led down itself, is more than some strangers keep.
    assert not verifier.check(hopper.image_rgb, moved).leniently().matches
    assert verifier.check(hopper.image_rgb, other).leniently().matches


def test_what_cannot_be_recognised_at_all_cannot_be_verified(astronaut: Any, verifier: Verifier) -> None:
    flat = np.full_like(astronaut.image_rgb, 128)
    flat[::2] = np.random.default_rng(0).integers(0, 256, flat[::2].shape, np.uint8)
    source = verifier.source(flat, astronaut.face)
    blind = type(source)(source.face, source.embeddings, dict.fromkeys(source.before, 0.0))
    assert not verifier.recognises(blind)


@pytest.mark.parametrize(
    ("after", "matches"), [(0.31, True), (0.3, False), (-1.0, False), (float("nan"), True), (1.0, True)]
)
def test_only_a_number_at_or_below_the_threshold_is_no_match(after: float, matches: bool) -> None:
    assert Similarity("sface", "guide", 0.9, after, 0.3).matches is matches


@pytest.mark.parametrize(("after", "matches"), [(0.29, False), (0.31, False), (0.37, False), (0.38, True)])
def test_a_guide_that_comes_close_matches_only_by_its_margin(after: float, matches: bool) -> None:
    close = Similarity("sface", "guide", 0.9, after, 0.3, margin=0.07)
    assert close.matches is (after > 0.3)
    lenient = Check((close, Similarity("dlib-resnet", "verifier", 0.9, 0.5, 0.7)), None).leniently()
    assert lenient.matches is matches
    assert lenient.closeness == pytest.approx(max(after - 0.37, -0.2))


class BrokenSFace(SFace):
    """Gives no numbers once it is told to break."""

    broken = False

    def embed(self, image_rgb: ByteArray, face: Face) -> FloatArray:
        embedding = super().embed(image_rgb, face)
        return embedding * np.float32(np.nan) if self.broken else embedding


def test_a_recogniser_that_gives_no_number_matches(astronaut: Any, detector: Any) -> None:
    recogniser = BrokenSFace()
    verifier = Verifier(detector, [(recogniser, "verifier")])
    source = verifier.source(astronaut.image_rgb, astronaut.face)
    recogniser.broken = True
    hidden = paste(astronaut.image_rgb, obscure(astronaut.image_rgb, astronaut.face, kind="solid"))
    assert verifier.check(hidden, source).matches
    assert not verifier.recognises(verifier.source(astronaut.image_rgb, astronaut.face))


class PluggedSFace(SFace):
    """SFace as a plugin might bring it, under a name of its own."""

    name = "plugged"
    threshold = 0.3


def test_a_guide_of_a_plugin_has_a_margin_too(astronaut: Any, detector: Any) -> None:
    verifier = Verifier(detector, [(PluggedSFace(), "guide")])
    check = verifier.check(astronaut.image_rgb, verifier.source(astronaut.image_rgb, astronaut.face))
    assert [(s.margin, s.threshold) for s in check.similarities] == [(0.07, pytest.approx(0.3 - 0.07))]


class OfPlace:
    """Knows a face by where it lies: its embedding is the left edge of its box."""

    name = "of-place"

    def embed(self, image_rgb: ByteArray, face: Face) -> FloatArray:
        return np.array([face.box[0]], np.float32)

    def similarity(self, a: FloatArray, b: FloatArray) -> FloatArray:
        return 1 - np.abs(a - b)[None]


class Finding:
    """Finds the same face again and again."""

    def __init__(self, found: Face | None) -> None:
        self.found = found

    def find_again(self, image_rgb: ByteArray, face: Face) -> Face | None:
        return self.found


def _at(left: float, size: float = 10) -> Face:
    return Face((left, 0, size, size), np.zeros((5, 2), np.float32), 0.9)


@pytest.mark.parametrize(
    ("known", "found", "matches"),
    [(5, None, False), (0, None, True), (0, _at(0), True), (0, _at(5), False), (5, _at(5), True)],
)
def test_a_frame_is_judged_where_its_own_face_lies(
    monkeypatch: pytest.MonkeyPatch, known: float, found: Face | None, matches: bool
) -> None:
    monkeypatch.setattr(
        "reverse_personalization.identity.verification.threshold_of", lambda recogniser: lambda size, youth: 0.5
    )
    detector: Any = Finding(found)
    verifier = Verifier(detector, [(OfPlace(), "verifier")])
    embeddings = {"of-place": np.array([known], np.float32)}
    assert verifier.still_matches(np.zeros((20, 20, 3), np.uint8), _at(0), embeddings) is matches


@pytest.mark.parametrize(("size", "matches"), [(10, False), (100, True)])
def test_faces_are_judged_by_the_threshold_of_their_size(
    monkeypatch: pytest.MonkeyPatch, size: float, matches: bool
) -> None:
    def by_size(recogniser: Any) -> Any:
        return lambda size, youth: 0.9 if size < 50 else 0.5

    monkeypatch.setattr("reverse_personalization.identity.verification.threshold_of", by_size)
    face = _at(0, size)
    detector: Any = Finding(_at(0.3, size))  # so that it is .7 alike
    verifier = Verifier(detector, [(OfPlace(), "verifier")])
    source = Source(face, {"of-place": np.zeros(1, np.float32)}, {"of-place": 0.95})
    check = verifier.check(np.zeros((200, 200, 3), np.uint8), source)
    assert check.matches is matches
    assert check.similarities[0].threshold == (0.9 if size < 50 else 0.5)
    assert verifier.still_matches(np.zeros((200, 200, 3), np.uint8), face, source.embeddings) is matches
    assert verifier.all_match(np.zeros((200, 200, 3), np.uint8), detector.found, source.embeddings) is matches
    known = Source(face, source.embeddings, {"of-place": 0.7})
    assert verifier.knows(known) is verifier.recognises(known) is matches
