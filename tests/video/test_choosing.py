"""Which stranger a person of a video gets: the one that holds, or one that barely does, or none."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan
from typing import Any

import numpy as np
import pytest

from reverse_personalization.anonymizer import BARELY, LENIENT_AFTER, Anonymizer
from reverse_personalization.engines.compact.attributes import Wish
from reverse_personalization.identity.base import unit
from reverse_personalization.identity.verification import GUIDE_MARGINS, Check, Similarity, Verifier
from reverse_personalization.settings import Settings
from reverse_personalization.video.analysis import TrackEntry
from reverse_personalization.video.atwork import TrackAtWork
from reverse_personalization.video.choosing import SPARE, SURE, Chooser, Stranger
from reverse_personalization.video.meeting import Sample, mean_embeddings, sample_of
from reverse_personalization.video.rendering import FADING, VideoAnonymizer

FITTED = 0.3
GUIDE_MARGIN = GUIDE_MARGINS["sface"]
SURELY, HARDLY, BY_A_MARGIN = -2 * SURE, -0.9 * SURE, 0.5 * GUIDE_MARGIN


@pytest.fixture(scope="module")
def anonymizer() -> Anonymizer:
    return Anonymizer(settings=Settings(seed=1, steps=4))


@pytest.fixture(scope="module")
def samples(anonymizer: Anonymizer, astronaut: Any) -> list[Sample]:
    sample = sample_of(astronaut.image_rgb, astronaut.face, anonymizer)
    assert sample is not None
    return [sample] * 4


def chosen(
    anonymizer: Anonymizer,
    samples: list[Sample],
    monkeypatch: pytest.MonkeyPatch,
    *rounds: Sequence[float],
    spare: int = SPARE,
) -> Stranger:
    """The stranger that is chosen when frames are so close to a match, round after round, the last for ever."""
    answers = iter([answer for one in rounds for answer in one])
    monkeypatch.setattr(Chooser, "_closeness", lambda self, sample, stranger: next(answers, rounds[-1][0]))
    return Chooser(anonymizer).stranger(0, samples, spare=spare)


def test_the_first_that_surely_holds_on_every_frame_is_taken(
    anonymizer: Anonymizer, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = chosen(anonymizer, samples, monkeypatch, [inf] * 4, [SURELY] * 4)
    assert stranger.change is not None
    assert (stranger.tries, stranger.reason) == (2, "")


@pytest.mark.parametrize("others", [[inf] * 4, [HARDLY] * 4])
def test_one_that_holds_on_most_frames_is_taken_where_no_better_one_is_found(
    anonymizer: Anonymizer, samples: list[Sample], monkeypatch: pytest.MonkeyPatch, others: list[float]
) -> None:
    first = [HARDLY, HARDLY - 0.01, HARDLY, inf if inf in others else HARDLY - 0.01]
    stranger = chosen(anonymizer, samples, monkeypatch, first, *[others] * SPARE)
    assert stranger.change is not None
    assert (stranger.tries, stranger.reason) == (1, "")


@pytest.mark.parametrize(("spare", "tries"), [(SPARE, 2), (0, 1)])
def test_a_better_one_is_looked_for_as_long_as_somebody_waits(
    anonymizer: Anonymizer, samples: list[Sample], monkeypatch: pytest.MonkeyPatch, spare: int, tries: int
) -> None:
    stranger = chosen(anonymizer, samples, monkeypatch, [HARDLY] * 4, [SURELY] * 4, spare=spare)
    assert stranger.tries == tries


def test_one_that_only_the_guides_margin_speaks_against_is_taken_in_the_end(
    anonymizer: Anonymizer, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = chosen(anonymizer, samples, monkeypatch, [inf] * 4, [BY_A_MARGIN] * 4, [inf] * 4)
    assert stranger.change is not None
    assert (stranger.tries, stranger.reason) == (2, BARELY)


def test_nobody_is_taken_whom_recognisers_match(
    anonymizer: Anonymizer, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = chosen(anonymizer, samples, monkeypatch, [inf] * 4)
    assert stranger.change is None
    assert stranger.tries > LENIENT_AFTER
    assert stranger.reason


@pytest.mark.parametrize(
    ("after", "is_found", "closeness"),
    [
        (0.1, True, 0.1 - FITTED + GUIDE_MARGIN),
        (0.28, True, GUIDE_MARGIN - 0.02),
        (0.4, True, inf),
        (nan, True, inf),
        (0.1, False, inf),
    ],
)
def test_whoever_is_matched_or_seen_no_more_is_no_stranger(
    anonymizer: Anonymizer,
    samples: list[Sample],
    monkeypatch: pytest.MonkeyPatch,
    after: float,
    is_found: bool,
    closeness: float,
) -> None:
    told = Similarity("sface", "guide", 0.9, after, FITTED - GUIDE_MARGIN, GUIDE_MARGIN)
    said = Check((told,), samples[0].face if is_found else None)
    monkeypatch.setattr(Verifier, "check", lambda self, image_rgb, source: said)
    change = np.zeros_like(samples[0].encoded.x0)
    nobody = Stranger(change, mean_embeddings(samples), 1, drift=np.zeros((468, 2), np.float32))
    assert Chooser(anonymizer)._closeness(samples[0], nobody) == pytest.approx(closeness)


def test_a_frame_that_does_not_verify_is_led_on_and_the_next_ones_hardly_less(
    anonymizer: Anonymizer, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample, renderer = samples[0], VideoAnonymizer(anonymizer.settings, anonymizer)
    codes, known = sample.encoded.x0, mean_embeddings(samples)
    drawn = renderer._engine._population.stranger(codes, unit(known["sface"]), Wish(), np.random.default_rng(0))
    halfway = Stranger((drawn - codes) / 2, known, 1, drift=np.zeros((468, 2), np.float32))
    work = TrackAtWork(TrackEntry(id=0, person=0, faces=[]), halfway)
    sface = anonymizer.engine.guide

    def replaced() -> Any:
        return renderer._replaced(sample.image_rgb, sample.image_rgb, sample.face, work)

    monkeypatch.setattr(renderer._engine, "away", lambda encoded, x, embedding: x)
    assert replaced() is None
    assert not work.farther.any()
    monkeypatch.undo()
    monkeypatch.setattr(anonymizer.verifier, "_recognisers", ((sface, "guide"),))
    result = replaced()
    assert result is not None
    assert sface.similarity(sface.embed(result, sample.face), known["sface"]) < FITTED
    led = np.linalg.norm(work.farther)
    assert led > 1
    assert replaced() is not None
    assert np.linalg.norm(work.farther) == pytest.approx(FADING * led, rel=0.1)
