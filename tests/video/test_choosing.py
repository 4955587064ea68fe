"""Which stranger a person of a video gets: the one that holds, or one that barely does, or none."""

from __future__ import annotations

from typing import Any

import pytest

from reverse_personalization.anonymizer import BARELY, LENIENT_AFTER, Anonymizer
from reverse_personalization.identity.verification import Check, Similarity
from reverse_personalization.settings import Settings
from reverse_personalization.video.meeting import Sample, sample_of
from reverse_personalization.video.rendering import SPARE, VideoAnonymizer

FITTED, MARGIN = 0.3, 0.07


@pytest.fixture(scope="module")
def renderer() -> VideoAnonymizer:
    settings = Settings(seed=1, steps=4)
    return VideoAnonymizer(settings, Anonymizer(settings=settings))


@pytest.fixture(scope="module")
def samples(renderer: VideoAnonymizer, astronaut: Any) -> list[Sample]:
    sample = sample_of(astronaut.image_rgb, astronaut.face, renderer._anonymizer)
    assert sample is not None
    return [sample] * 4


def chosen(
    renderer: VideoAnonymizer, samples: list[Sample], monkeypatch: pytest.MonkeyPatch, *rounds: list[float | None]
) -> Any:
    """The stranger that is chosen when frames answer with these similarities, round after round, the last for ever."""
    answers = iter([answer for one in rounds for answer in one])

    def check(self: Any, sample: Sample, *rest: Any) -> Check | None:
        after = next(answers, rounds[-1][0])
        known = Similarity("sface", "guide", 0.9, after or 0.0, FITTED - MARGIN, MARGIN)
        return None if after is None else Check((known,), sample.face)

    monkeypatch.setattr(VideoAnonymizer, "_check", check)
    return renderer.stranger(0, samples)


def test_the_first_that_holds_on_every_frame_is_taken(
    renderer: VideoAnonymizer, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = chosen(renderer, samples, monkeypatch, [0.4] * 4, [0.1] * 4)
    assert stranger.change is not None
    assert (stranger.tries, stranger.reason) == (2, "")


def test_one_that_holds_on_most_frames_is_taken_where_no_better_one_is_found(
    renderer: VideoAnonymizer, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = chosen(renderer, samples, monkeypatch, [0.1, 0.1, 0.1, None], *[[0.4] * 4] * SPARE)
    assert stranger.change is not None
    assert (stranger.tries, stranger.reason) == (1, "")


def test_one_that_only_the_guides_margin_speaks_against_is_taken_in_the_end(
    renderer: VideoAnonymizer, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = chosen(renderer, samples, monkeypatch, [0.4] * 4, [0.28] * 4, [0.4] * 4)
    assert stranger.change is not None
    assert (stranger.tries, stranger.reason) == (2, BARELY)


@pytest.mark.parametrize("after", [0.4, float("nan"), None])
def test_nobody_is_taken_whom_recognisers_match_or_nobody_sees(
    renderer: VideoAnonymizer, samples: list[Sample], monkeypatch: pytest.MonkeyPatch, after: float | None
) -> None:
    stranger = chosen(renderer, samples, monkeypatch, [after] * 4)
    assert stranger.change is None
    assert stranger.tries > LENIENT_AFTER
    assert stranger.reason
