"""The grain of a photo's skin is taken over, its wrinkles are not."""

from __future__ import annotations

from typing import Any

import numpy as np

from reverse_personalization.engines.compact.rendering import GRAIN_LIMIT, _grain

SIDE, TEXEL = 120, 1.0
SKIN = np.ones((SIDE, SIDE), np.float32)


def noisy(strength: float) -> Any:
    noise = np.random.default_rng(0).normal(0, strength, (SIDE, SIDE, 1))
    return np.repeat(150 + noise, 3, 2).astype(np.float32)


def test_grain_is_about_as_strong_as_it_was() -> None:
    assert 2 < _grain(noisy(4), SKIN, TEXEL).std() < 4


def test_a_wrinkle_is_no_grain() -> None:
    wrinkled = noisy(2)
    wrinkled[SIDE // 2 : SIDE // 2 + 2] -= 60
    assert np.abs(_grain(wrinkled, SKIN, TEXEL)).max() < 4 < GRAIN_LIMIT


def test_smooth_photos_have_no_grain_and_what_is_no_skin_gives_none() -> None:
    assert np.abs(_grain(noisy(0), SKIN, TEXEL)).max() < 1e-3
    assert not _grain(noisy(4), 0 * SKIN, TEXEL).any()


def test_brows_have_hairs_and_lashes_are_not_drawn_beside_eyes(compact_engine: Any) -> None:
    frame = compact_engine._codec.frame
    *parts, lips = (feature > 0.9 for feature in frame.features)
    brows, eyes = parts[0] | parts[1], parts[2] | parts[3]
    assert frame.grained[brows & ~eyes].mean() > 0.6
    assert frame.grained[lips].min() > 0.9
    assert frame.grained[eyes].max() < 0.2
