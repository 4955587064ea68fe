"""The grain of a photo's skin is taken over, its wrinkles are not."""

from __future__ import annotations

from typing import Any

import numpy as np

from reverse_personalization.engines.compact.grain import MOST, Grained, grain

SIDE, TEXEL = 120, 1.0
SKIN = np.ones((SIDE, SIDE), np.float32)
BARE = 0 * SKIN
SIGNS = np.random.default_rng(1).choice(np.array([-1, 1], np.float32), (SIDE, SIDE))
PLAIN = Grained(SKIN, BARE, BARE, SIGNS)
BELOW = np.repeat(np.arange(SIDE)[:, None] > SIDE // 2, SIDE, 1).astype(np.float32)


def noisy(strength: float) -> Any:
    noise = np.random.default_rng(0).normal(0, strength, (SIDE, SIDE, 1))
    return np.repeat(150 + noise, 3, 2).astype(np.float32)


def test_grain_is_about_as_strong_as_it_was() -> None:
    assert 2 < grain(noisy(4), PLAIN, TEXEL).std() < 4


def test_a_wrinkle_is_no_grain() -> None:
    wrinkled = noisy(2)
    wrinkled[SIDE // 2 : SIDE // 2 + 2] -= 60
    assert np.abs(grain(wrinkled, PLAIN, TEXEL)).max() < 4 < MOST


def test_lines_as_fine_as_grain_are_not_drawn_beside_where_they_were() -> None:
    lined = noisy(0)
    lined[:, ::2] -= 4
    signs = SIGNS.repeat(4, 0).repeat(4, 1)[:SIDE, :SIDE]
    drawn = grain(lined, PLAIN._replace(signs=signs), 4.0)[30:110, 30:110]
    assert drawn.std() > 1
    assert drawn.mean(0).std() < 0.4 * drawn.std()


def test_smooth_photos_have_no_grain_and_what_is_no_skin_gives_none() -> None:
    assert np.abs(grain(noisy(0), PLAIN, TEXEL)).max() < 1e-3
    assert not grain(noisy(4), Grained(BARE, BARE, BARE, SIGNS), TEXEL).any()


def test_brows_have_hairs_and_lashes_are_not_drawn_beside_eyes(compact_engine: Any) -> None:
    frame = compact_engine._codec.frame
    *parts, lips = (feature > 0.9 for feature in frame.features)
    brows, eyes = parts[0] | parts[1], parts[2] | parts[3]
    assert frame.grained[brows & ~eyes].mean() > 0.6
    assert frame.grained[lips].min() > 0.9
    assert frame.grained[eyes].max() < 0.2


def test_beards_have_hairs() -> None:
    bearded = noisy(2)
    bearded[SIDE // 2 :] = noisy(16)[SIDE // 2 :]
    of_beard, of_wrinkles = (
        grain(bearded, Grained(SKIN, below, BARE, SIGNS), TEXEL)[-40:].std() for below in (BELOW, BARE)
    )
    assert of_beard > 8 > 1.4 * of_wrinkles


def test_brows_have_hairs_of_their_own_and_no_others() -> None:
    brows = np.zeros_like(SKIN)
    brows[40:60, 20:100] = 1
    hairy = noisy(2)
    hairy[40:60, 20:100] = noisy(16)[40:60, 20:100]
    of_brows, of_skin = (grain(hairy, Grained(SKIN, BARE, where, SIGNS), TEXEL) for where in (brows, BARE))
    within = np.s_[42:58, 30:95]
    assert of_brows[within].std() > 2 * of_skin[within].std()
    outside = brows == 0
    assert np.array_equal(of_brows[outside], of_skin[outside])


def test_what_is_coarser_than_hairs_draws_no_brow_anew() -> None:
    lined = noisy(0)
    lined[45:55] -= 60
    brows = np.zeros_like(SKIN)
    brows[40:60] = 1
    assert np.abs(grain(lined, Grained(SKIN, BARE, brows, SIGNS), TEXEL)[48:52]).max() < 1


def test_folds_beside_a_mouth_are_no_beard() -> None:
    folded = noisy(2)
    folded[80:, 20:24] -= 60
    folded[80:, 90:94] -= 60
    assert np.abs(grain(folded, Grained(SKIN, BELOW, BARE, SIGNS), TEXEL)).max() < 4
