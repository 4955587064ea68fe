"""The codec decodes differences: none changes nothing, and a known one comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from reverse_personalization.engines.compact.codec import (
    SKIN_SCALE,
    FaceCodec,
    denormalise,
    normalise,
    pack,
    pack_mask,
    smooth,
    unpack,
)
from reverse_personalization.engines.compact.engine import CompactEngine
from reverse_personalization.engines.compact.frame import SIZE
from reverse_personalization.faces.compositing import paste


@pytest.fixture(scope="module")
def codec(compact_engine: CompactEngine) -> FaceCodec:
    return compact_engine._codec


def test_unchanged_codes_change_nothing(portrait: Any, compact_engine: CompactEngine) -> None:
    encoded = compact_engine.encode(portrait.image_rgb, portrait.face)
    codec, encoding = compact_engine._codec, encoded.context.encoding
    texture, mesh = codec.decode_difference(encoding, encoding.codes)
    assert not texture.any()
    assert not mesh.any()
    rendering = compact_engine.decode(portrait.image_rgb, encoded, encoded.x0.copy())
    assert not rendering.changed.any()
    assert rendering.image_rgb.size > 0
    np.testing.assert_array_equal(rendering.image_rgb, portrait.image_rgb[rendering.rows, rendering.columns])


def test_decoding_is_linear_but_for_the_detail(portrait: Any, compact_engine: CompactEngine, codec: FaceCodec) -> None:
    encoding = compact_engine.encode(portrait.image_rgb, portrait.face).context.encoding
    encoding = replace(encoding, detail=np.zeros_like(encoding.detail))
    one, other = 0.5 * np.random.default_rng(0).standard_normal((2, codec.dimensions), np.float32)
    parts = [codec.decode_difference(encoding, encoding.codes + d) for d in (one, other, one + other)]
    for a, b, both in zip(*parts, strict=True):
        np.testing.assert_allclose(a + b, both, atol=1e-3 * np.abs(both).max() + 1e-5)


def test_the_sources_detail_fades_as_codes_move(portrait: Any, compact_engine: CompactEngine, codec: FaceCodec) -> None:
    encoding = compact_engine.encode(portrait.image_rgb, portrait.face).context.encoding
    direction = np.random.default_rng(0).standard_normal(codec.dimensions, np.float32)
    lost = []
    for distance in (0.1, 0.5, 1.0):
        there, back = (
            codec.decode_difference(encoding, encoding.codes + sign * distance * direction)[0] for sign in (1, -1)
        )
        # What the codes say is odd in the change; what is left over is the detail that went.
        gone = -(there + back) / 2
        features = codec.frame.skin < 0.05
        own = encoding.detail[features]
        lost.append(float((gone[features] * own).sum() / (own**2).sum()))
        # Between brows, eyes and lips only what is coarser goes: the skin's grain stays.
        plain = codec.frame.skin == 1
        fine = encoding.detail - smooth(encoding.detail, encoding.coverage * codec.frame.modelled, SKIN_SCALE)
        coarse = (encoding.detail - fine)[plain]
        np.testing.assert_allclose(gone[plain], lost[-1] * coarse, atol=5e-3)
        assert np.abs(fine[plain]).mean() > 0.002
    assert 0 < lost[0] < lost[1] < lost[2] < 1


def test_a_change_of_light_is_no_change(portrait: Any, compact_engine: CompactEngine, codec: FaceCodec) -> None:
    encoding = compact_engine.encode(portrait.image_rgb, portrait.face).context.encoding
    encoding = replace(encoding, detail=np.zeros_like(encoding.detail))
    far = 0.8 * np.random.default_rng(0).standard_normal(codec.dimensions, np.float32)
    assert encoding.boldness(encoding.codes + far) == 0
    change, _ = codec.decode_difference(encoding, encoding.codes + far)
    seen = encoding.coverage * codec.frame.modelled
    middle = cv2.erode((seen > 0.9).astype(np.uint8), np.ones((25, 25))) > 0
    assert np.abs(smooth(change, seen, 20.0)[middle]).mean() < 0.15 * np.abs(change[middle]).mean()


def test_what_leaves_the_range_of_the_skin_is_tempered_unless_codes_are_bold(
    portrait: Any, compact_engine: CompactEngine, codec: FaceCodec
) -> None:
    encoding = compact_engine.encode(portrait.image_rgb, portrait.face).context.encoding
    near, far = encoding.codes, encoding.codes + 3
    for value in (0.5, -0.5):
        change = np.full((SIZE, SIZE, 3), value, np.float32)
        assert 0 < codec.tempered(encoding, near, change).mean() / value < 0.5
        np.testing.assert_array_equal(codec.tempered(encoding, far, change), change)
    small = np.full((SIZE, SIZE, 3), 1e-4, np.float32)
    np.testing.assert_allclose(codec.tempered(encoding, near, small), small, atol=1e-4)


def test_a_known_change_comes_back(astronaut: Any, compact_engine: CompactEngine) -> None:
    encoded = compact_engine.encode(astronaut.image_rgb, astronaut.face)
    change = 0.7 * np.random.default_rng(1).standard_normal(len(encoded.x0), np.float32)
    change[encoded.keep == 1] = 0
    # Within what an engine allows a code, so that nothing is clipped.
    wanted = np.clip(encoded.x0 + change, -3, 3) - encoded.x0
    rendering = compact_engine.decode(astronaut.image_rgb, encoded, encoded.x0 + wanted)
    assert rendering.changed.any()
    again = compact_engine.encode(paste(astronaut.image_rgb, rendering), astronaut.face)
    came = again.x0 - encoded.x0
    free = encoded.keep == 0
    assert np.corrcoef(wanted[free], came[free])[0, 1] > 0.5


def test_codes_beyond_the_limit_are_clipped(astronaut: Any, compact_engine: CompactEngine) -> None:
    encoded = compact_engine.encode(astronaut.image_rgb, astronaut.face)
    far = compact_engine.decode(astronaut.image_rgb, encoded, np.full_like(encoded.x0, 1e4))
    farther = compact_engine.decode(astronaut.image_rgb, encoded, np.full_like(encoded.x0, 1e6))
    np.testing.assert_array_equal(far.image_rgb, farther.image_rgb)


def test_kept_codes_are_those_marked(compact_engine: CompactEngine, codec: FaceCodec, astronaut: Any) -> None:
    encoded = compact_engine.encode(astronaut.image_rgb, astronaut.face)
    np.testing.assert_array_equal(encoded.keep, codec.kept)
    assert set(np.unique(codec.kept)) == {0.0, 1.0}
    assert codec.kept.shape == encoded.x0.shape == (codec.dimensions,)


def test_the_codes_axes_are_orthonormal(codec: FaceCodec) -> None:
    rotation = codec._tensors["rotation"]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(codec.dimensions), atol=1e-3)


def test_packing_loses_only_chroma_detail(codec: FaceCodec) -> None:
    frame = codec.frame
    texture = np.random.default_rng(0).standard_normal((SIZE, SIZE, 3), np.float32)
    texture[..., 1:] = np.array([0.3, -0.2], np.float32)
    packed = pack(texture, frame)
    back = unpack(packed, frame)
    np.testing.assert_array_equal(back[frame.modelled][:, 0], texture[frame.modelled][:, 0])
    assert not back[~frame.modelled][:, 0].any()
    np.testing.assert_allclose(pack(back, frame)[: frame.modelled.sum()], packed[: frame.modelled.sum()])
    assert pack_mask(np.ones((SIZE, SIZE), np.float32), frame).shape == packed.shape
    deep = frame.modelled.copy()
    deep[:] = False
    deep[50:60, 60:68] = frame.modelled[50:60, 60:68]
    np.testing.assert_allclose(back[deep][:, 1:], texture[deep][:, 1:], atol=1e-5)


def test_tone_is_divided_out() -> None:
    generator = np.random.default_rng(0)
    texture = generator.uniform(0.3, 0.6, (SIZE, SIZE, 3)).astype(np.float32)
    seen = np.ones((SIZE, SIZE), np.float32)
    plain, tone = normalise(texture, seen)
    assert abs(plain.mean()) < 1e-3
    assert plain[..., 0].std() == pytest.approx(1, abs=1e-2)
    brighter, _ = normalise(0.1 + 1.5 * texture, seen)
    np.testing.assert_allclose(brighter[..., 0], plain[..., 0], atol=1e-3)
    # And it comes back: a change of the normalised texture is the same change of the texture.
    moved = (texture + generator.uniform(-0.05, 0.05, texture.shape)).astype(np.float32)
    luma = np.array([0.299, 0.587, 0.114], np.float32)
    planes = moved @ luma
    chroma = moved[..., [2, 0]] - planes[..., None] - tone.chroma
    change = np.stack([(planes - (texture @ luma).mean()) / tone.contrast, *np.moveaxis(chroma / tone.luma, 2, 0)], 2)
    np.testing.assert_allclose(denormalise(change - plain, tone), moved - texture, atol=1e-4)
