"""The codec replaces textures: unchanged codes change nothing, and a known change comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from reverse_personalization.engines.compact.codec import (
    MOST_SHAPE,
    SPARSE,
    TEXEL_NOISE,
    Decoding,
    Encoding,
    FaceCodec,
    _most_probable,
)
from reverse_personalization.engines.compact.engine import CompactEngine
from reverse_personalization.engines.compact.finishing import DARKEST, OVEREXPOSED
from reverse_personalization.engines.compact.frame import SIZE
from reverse_personalization.engines.compact.textures import denormalise, mirrored, normalise, pack, pack_mask, unpack
from reverse_personalization.faces import topology
from reverse_personalization.faces.compositing import paste
from reverse_personalization.faces.mesh import FaceMesher

CHEEK, CHIN = 205, 17


@pytest.fixture(scope="module")
def codec(compact_engine: CompactEngine) -> FaceCodec:
    return compact_engine._codec


def test_unchanged_codes_change_nothing(portrait: Any, compact_engine: CompactEngine) -> None:
    encoded = compact_engine.encode(portrait.image_rgb, portrait.face)
    codec, encoding = compact_engine._codec, encoded.context.encoding
    same = codec.decode(encoding, encoding.codes)
    assert same.renewal == 0
    assert not same.offset.any()
    rendering = compact_engine.decode(portrait.image_rgb, encoded, encoded.x0.copy())
    assert not rendering.changed.any()
    assert rendering.image_rgb.size > 0
    np.testing.assert_array_equal(rendering.image_rgb, portrait.image_rgb[rendering.rows, rendering.columns])


def moved(codec: FaceCodec, encoding: Encoding, distance: float) -> Decoding:
    direction = np.random.default_rng(0).standard_normal(codec.dimensions, np.float32)
    return codec.decode(encoding, encoding.codes + distance * direction)


def test_the_farther_codes_move_the_more_is_replaced(
    portrait: Any, compact_engine: CompactEngine, codec: FaceCodec
) -> None:
    encoding = compact_engine.encode(portrait.image_rgb, portrait.face).context.encoding
    near, far, farther = (moved(codec, encoding, distance) for distance in (0.1, 0.5, 1.0))
    assert 0 < near.renewal < far.renewal < farther.renewal < 1
    assert farther.renewal > 0.95
    np.testing.assert_allclose(10 * near.offset, farther.offset, rtol=1e-2, atol=1e-3)


def test_nothing_of_the_sources_detail_is_left(portrait: Any, compact_engine: CompactEngine, codec: FaceCodec) -> None:
    encoding = compact_engine.encode(portrait.image_rgb, portrait.face).context.encoding
    nothing = np.zeros_like(encoding.detail)
    without = replace(encoding, texture=encoding.texture - encoding.detail, detail=nothing)
    seen = encoding.coverage * codec.frame.modelled > 0.9
    left = moved(codec, encoding, 0.7).texture - moved(codec, without, 0.7).texture
    assert np.abs(encoding.detail[seen]).mean() > 0.01
    assert np.abs(left[seen]).max() < 1e-5


def test_how_much_brows_stand_out_follows_codes(codec: FaceCodec) -> None:
    change = np.random.default_rng(0).standard_normal(codec.dimensions, np.float32) * (codec.kept == 0)
    luma = codec.drawn(change)[..., 0]
    frame = codec.frame
    brows, near = (float(np.average(luma, weights=weights)) for weights in (frame.brows, frame.near_brows))
    assert change @ codec.brows == pytest.approx(brows - near, rel=1e-3)
    assert not codec.brows[codec.kept == 1].any()


def test_darker_brows_have_codes_of_darker_brows(portrait: Any, compact_engine: CompactEngine) -> None:
    def stand_out(image_rgb: Any, *rings: tuple[int, ...]) -> float:
        darker = np.zeros(image_rgb.shape[:2], np.uint8)
        for ring in rings:
            cv2.fillConvexPoly(darker, cv2.convexHull(np.round(mesh.points[list(ring)]).astype(np.int32)), 1)
        changed = np.clip(image_rgb - 30.0 * darker[..., None], 0, 255).astype(np.uint8)
        return float(codec.encode(changed, mesh).codes @ codec.brows)

    codec, mesh = compact_engine._codec, compact_engine._mesher.fitted(portrait.image_rgb, portrait.face)
    before = stand_out(portrait.image_rgb)
    brows = stand_out(portrait.image_rgb, topology.RIGHT_BROW, topology.LEFT_BROW)
    lips = stand_out(portrait.image_rgb, topology.OUTER_LIPS)
    assert brows < before - 3 * abs(lips - before)


def test_what_is_not_modelled_stays(portrait: Any, compact_engine: CompactEngine, codec: FaceCodec) -> None:
    encoding = compact_engine.encode(portrait.image_rgb, portrait.face).context.encoding
    elsewhere = ~codec.frame.modelled
    np.testing.assert_array_equal(moved(codec, encoding, 1.0).texture[elsewhere], encoding.texture[elsewhere])


def test_the_photos_exposure_holds_for_the_stranger(
    portrait: Any, compact_engine: CompactEngine, codec: FaceCodec
) -> None:
    encoding = compact_engine.encode(portrait.image_rgb, portrait.face).context.encoding
    seen = encoding.coverage * codec.frame.modelled > 0.5
    to_luma = np.array([0.299, 0.587, 0.114], np.float32)
    low, high = np.quantile((encoding.texture @ to_luma)[seen], (DARKEST, 0.99))
    beyond = []
    for distance in (1.0, 8.0):
        luma = (moved(codec, encoding, distance).texture @ to_luma)[seen]
        beyond.append(max(float(luma.max() - high), float(low - luma.min()), 0.0))
    # Absurd codes would leave the range by more than all of it, were they not held.
    assert beyond[1] < 1.5 * (high - low)
    assert beyond[0] < 3 * OVEREXPOSED * (high - low)


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
    codec: FaceCodec = compact_engine._codec
    changed = [mirrored(codec.drawn(codes * (encoded.keep == 0)), np.ones((SIZE, SIZE))) for codes in (wanted, came)]
    # Skin is held to what the photo's is like.
    features = codec.frame.modelled & (codec.frame.skin < 0.5)
    assert np.corrcoef(*(change[features].ravel() for change in changed))[0, 1] > 0.5


def test_both_halves_of_a_face_change_alike_each_in_its_own_light() -> None:
    generator = np.random.default_rng(0)
    light = np.where(np.arange(SIZE) < SIZE / 2, 1.5, 0.5) * np.ones((SIZE, 1), np.float32)
    drawn, other = generator.standard_normal((2, SIZE, SIZE, 3))
    changed = mirrored(drawn, light)
    np.testing.assert_allclose(changed[:, :64], 3 * changed[:, :63:-1], rtol=1e-5)
    # How something follows what is drawn, given how it follows what is changed.
    assert (other * changed).sum() == pytest.approx((mirrored(other, 1 / light) * drawn).sum(), rel=1e-3)


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


def test_nobody_has_light_expression_and_kind_of_a_face_and_nothing_else(
    portrait: Any, compact_engine: CompactEngine, codec: FaceCodec
) -> None:
    encoding = compact_engine.encode(portrait.image_rgb, portrait.face).context.encoding
    seen = pack_mask(encoding.coverage, codec.frame)

    def codes_of(texture: Any) -> Any:
        texture = normalise(texture, encoding.coverage * codec.frame.modelled)[0]
        there = codec._tensors["texture_basis"] @ (seen * (pack(texture, codec.frame) - codec._tensors["mean_texture"]))
        components = _most_probable(codec._seen_gram(seen[::SPARSE]), there, TEXEL_NOISE, np.inf)
        return codec._tensors["rotation"][:, : len(components)] @ components

    source, nobody = codes_of(encoding.texture), codes_of(encoding.nobody)
    kept, attributes = codec.kept > 0, compact_engine._population._attributes
    assert np.linalg.norm((nobody - source)[kept]) < 0.55 * np.linalg.norm(source[kept])
    own = codec.own(source)
    assert np.linalg.norm(codec.own(nobody)) < 0.45 * np.linalg.norm(own)
    assert np.abs(np.where(kept, 0, attributes) @ own).max() < 1e-3
    assert np.abs(own[kept]).max() < 1e-6


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


def test_a_mesh_that_is_told_badly_is_no_face_far_from_all_others(portrait: Any, codec: FaceCodec) -> None:
    mesh = FaceMesher().mesh(portrait.image_rgb, portrait.face)
    noise = np.random.default_rng(0).normal(0, 0.02, mesh.vertices.shape) * np.ptp(mesh.points[:, 0])
    noisy = replace(mesh, vertices=(mesh.vertices + noise).astype(np.float32))
    of_shape = (codec._tensors["rotation"].T @ codec.encode(portrait.image_rgb, noisy).codes)[len(codec._gram) :]
    assert 0.5 * MOST_SHAPE < np.sqrt((of_shape**2).mean()) < 1.001 * MOST_SHAPE


def test_components_are_as_told_unless_they_are_farther_than_faces_are() -> None:
    gram, there = np.diag([4.0, 1.0]).astype(np.float32), np.array([4.0, 1.0], np.float32)
    np.testing.assert_allclose(_most_probable(gram, there, 0.0, 1.01), [1, 1])
    near = _most_probable(gram, there, 1e-3, 0.5)
    assert 0.4 < np.sqrt((near**2).mean()) <= 0.5
    assert near[0] > near[1] > 0  # what has less variance is told less


def test_what_lies_on_a_face_lies_there_in_the_next_frame(portrait: Any, codec: FaceCodec) -> None:
    image = portrait.image_rgb.copy()
    mesh = FaceMesher().mesh(image, portrait.face)
    x, y = mesh.points[205].astype(int)  # a cheek
    image[y - 12 : y + 12, x - 12 : x + 12] = (0, 255, 0)
    first = codec.encode(image, mesh)
    again = codec.encode(image, mesh, last=first)
    assert (first.explained < 0.5).sum() > 20
    assert (((again.explained < 0.5) & (first.explained < 0.5)).sum()) > 0.8 * (first.explained < 0.5).sum()
    np.testing.assert_allclose(again.codes, first.codes, atol=0.35)


# A dark one before the chin passes for a beard.
@pytest.mark.parametrize(
    ("radius", "before", "colour"),
    [
        (0.15, CHEEK, (220, 230, 60)),
        (0.15, CHEEK, (200, 30, 40)),
        (0.15, CHEEK, (40, 40, 45)),
        (0.3, CHIN, (220, 230, 60)),
        (0.3, CHIN, (200, 30, 40)),
    ],
)
def test_a_ball_on_a_face_is_told_from_the_face(
    portrait: Any, codec: FaceCodec, colour: tuple[int, int, int], radius: float, before: int
) -> None:
    mesh = FaceMesher().mesh(portrait.image_rgb, portrait.face)
    radius *= np.ptp(mesh.points[:, 0])
    y, x = np.mgrid[: portrait.image_rgb.shape[0], : portrait.image_rgb.shape[1]]
    ball = np.hypot(x - mesh.points[before, 0], y - mesh.points[before, 1]) < radius
    shade = np.clip(np.array(colour) * (1 + 0.2 * (mesh.points[before, 1] - y) / radius)[..., None], 0, 255)
    image = np.where(ball[..., None], shade, portrait.image_rgb).astype(np.uint8)
    explained = codec.encode(image, mesh).explained
    there = codec.frame.sample(np.repeat(255 * ball[..., None], 3, 2).astype(np.uint8), mesh.points)[..., 0] > 0.5
    assert explained[there & codec.frame.modelled].mean() < 0.3
    assert explained[~there & codec.frame.modelled].mean() > 0.6  # Hopper wears glasses, too


def test_frames_of_glasses_are_told_from_the_face_where_they_are_faint(astronaut: Any, codec: FaceCodec) -> None:
    mesh = FaceMesher().mesh(astronaut.image_rgb, astronaut.face)
    width = float(np.ptp(mesh.points[:, 0]))
    rims = np.zeros(astronaut.image_rgb.shape[:2], np.float32)
    for eye in (topology.RIGHT_EYE, topology.LEFT_EYE):
        x, y = mesh.points[list(eye)].mean(0)
        rim = np.zeros_like(rims)
        cv2.circle(rim, (round(x), round(y)), round(0.17 * width), 1.0, max(1, round(0.02 * width)), cv2.LINE_AA)
        dark = 0.85 if eye == topology.RIGHT_EYE else 0.5
        rims = np.maximum(rims, dark * rim)
    image = (astronaut.image_rgb * (1 - rims[..., None])).astype(np.uint8)
    explained = codec.encode(image, mesh).explained
    shown = codec.frame.sample(np.repeat((255 * rims)[..., None], 3, 2).astype(np.uint8), mesh.points)[..., 0]
    assert explained[(shown > 0.4) & codec.frame.modelled].mean() < 0.4
    assert explained[(shown == 0) & codec.frame.modelled].mean() > 0.8
