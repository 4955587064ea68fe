"""Beards that are wished for: hair of the colour of brows where beards grow, and skin where one is to go."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reverse_personalization.engines.compact.beards import BARE, BRIGHTEST, KINDS, SHAVED, Beards, grown
from reverse_personalization.engines.compact.engine import CompactEngine
from reverse_personalization.engines.compact.frame import SIZE, CanonicalFrame
from reverse_personalization.engines.compact.parts import read_parts
from reverse_personalization.engines.compact.textures import Blurring, luma_of
from reverse_personalization.faces import topology
from reverse_personalization.identity.sface import SFace

FLAT = np.ones((SIZE, SIZE), np.float32)
SKIN = np.array([0.8, 0.6, 0.5], np.float32)
CHIN, CHEEK, UPPER_LIP = 199, 117, 165


@pytest.fixture(scope="module")
def frame(compact_engine: CompactEngine) -> CanonicalFrame:
    return compact_engine._codec.frame


@pytest.fixture(scope="module")
def beards() -> Beards:
    return Beards(read_parts()["hair"])


def at(frame: CanonicalFrame, texture: Any, vertex: int) -> Any:
    """The mean of the texels around a vertex."""
    x, y = np.round(frame.vertices[vertex]).astype(int)
    return texture[y - 2 : y + 3, x - 2 : x + 3].mean((0, 1))


def painted(frame: CanonicalFrame, brows: Any) -> Any:
    return np.where((frame.brows > 0.5)[..., None], brows, SKIN).astype(np.float32)


def test_moustaches_grow_above_the_mouth_and_beards_below_too(beards: Beards, frame: CanonicalFrame) -> None:
    moustache, beard = (beards(np.array(amounts, np.float32)) for amounts in ((1, 0), (0, 1)))
    assert at(frame, moustache, UPPER_LIP) > 0.25
    assert at(frame, beard, CHIN) > 0.35
    assert at(frame, moustache, CHIN) < at(frame, beard, CHIN) / 2
    above = np.arange(SIZE) < frame.vertices[topology.RIGHT_EYE[0], 1]
    for hair in (moustache, beard):
        assert not hair[above].any()
        assert 0 <= hair.min() <= hair.max() <= 1
        assert hair[frame.lips > 0.999].mean() < 0.05


def test_hairs_are_added_one_by_one_and_taken_away_as_a_whole(beards: Beards, frame: CanonicalFrame) -> None:
    more, less = beards(np.array([0, 1], np.float32)), beards(np.array([0, -1], np.float32))
    assert not beards(np.zeros(len(KINDS), np.float32)).any()
    y = int(frame.vertices[CHIN, 1])
    of_more, of_less = (np.abs(np.diff(hair[y - 3 : y + 3, 50:78], axis=1)).mean() for hair in (more, less))
    assert of_more > 2 * of_less
    assert less.max() <= 0


@pytest.mark.parametrize("brows", [np.array([0.2, 0.1, 0.05]), np.array([0.75, 0.58, 0.5])])
def test_hair_has_the_colour_of_brows_and_is_always_seen(frame: CanonicalFrame, brows: Any) -> None:
    texture = painted(frame, brows)
    covered = texture + grown(texture, Blurring(FLAT), FLAT, FLAT, frame)
    there = at(frame, covered, CHIN)
    assert there == pytest.approx(brows * min(1, BRIGHTEST * luma_of(SKIN) / luma_of(brows)), abs=0.02)
    assert luma_of(there) <= BRIGHTEST * luma_of(SKIN) + 0.01


def test_what_is_dark_already_gets_no_darker_than_hair(frame: CanonicalFrame) -> None:
    texture = painted(frame, np.array([0.3, 0.2, 0.15]))
    texture[frame.vertices[CHIN, 1].astype(int) - 12 :] = [0.3, 0.2, 0.15]
    change = grown(texture, Blurring(FLAT), FLAT, FLAT, frame)
    assert np.abs(at(frame, change, CHIN)).max() < 0.02


def test_where_a_beard_goes_skin_comes(frame: CanonicalFrame) -> None:
    texture = painted(frame, np.array([0.2, 0.1, 0.05]))
    texture[frame.vertices[CHIN, 1].astype(int) - 12 :] = [0.2, 0.1, 0.05]
    shaved = texture + grown(texture, Blurring(FLAT), FLAT, -FLAT, frame)
    before, after, bare = (
        float(luma_of(of)) for of in (at(frame, texture, CHIN), at(frame, shaved, CHIN), BARE * SKIN)
    )
    assert after == pytest.approx(before + SHAVED * (bare - before), abs=0.02)


def test_hidden_brows_tell_no_colour_and_a_hidden_face_changes_nothing(frame: CanonicalFrame) -> None:
    texture = painted(frame, np.array([0.9, 0.1, 0.9]))
    hidden = (frame.brows == 0).astype(np.float32)
    change = grown(texture, Blurring(hidden), FLAT, FLAT, frame)
    assert luma_of(at(frame, texture + change, CHIN)) < 0.5 * luma_of(SKIN)
    assert not grown(texture, Blurring(np.zeros_like(FLAT)), FLAT, FLAT, frame).any()


def test_a_beard_that_is_asked_for_is_drawn(astronaut: Any, compact_engine: CompactEngine, sface: SFace) -> None:
    bearded = CompactEngine(guide=sface, attributes="a man with a beard")
    before = compact_engine.encode(astronaut.image_rgb, astronaut.face).context.encoding
    encoding = bearded.encode(astronaut.image_rgb, astronaut.face).context.encoding
    frame, codec = bearded._codec.frame, bearded._codec
    assert encoding.wished is not None
    assert before.wished is None
    codes = encoding.codes + encoding.wished.change
    now, plain = codec.decode(encoding, codes).texture, codec.decode(before, before.codes).texture
    by_codes = codec.decode(before, codes).texture
    assert np.isfinite(now).all()
    darker, by_codes_darker = (luma_of(plain) - luma_of(texture) for texture in (now, by_codes))
    for vertex in (CHIN, UPPER_LIP):
        assert at(frame, darker, vertex) > max(0.12, 3 * at(frame, by_codes_darker, vertex))
    assert abs(at(frame, darker, CHEEK)) < 0.04


def test_in_a_video_the_wish_is_that_of_the_first_frame(hopper: Any, sface: SFace) -> None:
    engine = CompactEngine(guide=sface, attributes="a beard")
    first = engine.encode(hopper.image_rgb, hopper.face)
    darker = (hopper.image_rgb * 0.9).astype(np.uint8)
    second = engine.encode(darker, hopper.face, last=first)
    assert second.context.encoding.wished is first.context.encoding.wished
