"""Guidance goes where the guide notices it: farther than the average of faces would, and past nothing that stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reverse_personalization.engines.compact.attributes import NAMES, Wish
from reverse_personalization.engines.compact.engine import FARTHER_CHILDREN, MILDEST, USUALLY_SHOWN, CompactEngine
from reverse_personalization.engines.compact.frame import SIZE
from reverse_personalization.engines.compact.sight import BY_DLIB, FARTHEST, SHORTEST, Kind, Known
from reverse_personalization.engines.compact.textures import Tone, denormalise, pack_gradient, unpack
from reverse_personalization.faces.compositing import paste
from reverse_personalization.identity.base import Recogniser, unit
from reverse_personalization.identity.dlib_resnet import DlibResNet
from reverse_personalization.identity.kinds import kinds
from reverse_personalization.identity.sface import SFace


@pytest.fixture(scope="module")
def of_portrait(portrait: Any, compact_engine: CompactEngine, sface: SFace) -> tuple[Any, Any, Any]:
    encoded = compact_engine.encode(portrait.image_rgb, portrait.face)
    own = unit(sface.embed(portrait.image_rgb, portrait.face))
    stranger = compact_engine._population.stranger(encoded.x0, own, Wish(), np.random.default_rng(0))
    return encoded, own, stranger


@pytest.fixture
def way(of_portrait: Any, compact_engine: CompactEngine) -> Any:
    encoded, own, stranger = of_portrait
    return -MILDEST * compact_engine._owns([encoded], [own], [stranger])[0]


def likeness(engine: CompactEngine, portrait: Any, encoded: Any, own: Any, codes: Any) -> float:
    result = paste(portrait.image_rgb, engine.decode(portrait.image_rgb, encoded, codes, drift=np.zeros((468, 2))))
    return float(unit(engine.guide.embed(result, portrait.face)) @ own)


def test_it_leads_away_farther_than_what_faces_have_in_common(
    portrait: Any, compact_engine: CompactEngine, of_portrait: Any, way: Any
) -> None:
    encoded, own, stranger = of_portrait
    average = -compact_engine._population.expected(own[None])[0]
    average *= np.linalg.norm(way) / np.linalg.norm(average)
    before, along, common = (
        likeness(compact_engine, portrait, encoded, own, stranger + step) for step in (0 * way, way, average)
    )
    assert along < before - 0.1
    assert along < common


def test_it_leads_until_the_guide_hardly_knows_the_face(
    portrait: Any, compact_engine: CompactEngine, of_portrait: Any, way: Any
) -> None:
    encoded, own, stranger = of_portrait
    assert likeness(compact_engine, portrait, encoded, own, stranger + way) < 0.25
    halfway = likeness(compact_engine, portrait, encoded, own, stranger + way / 2)
    assert likeness(compact_engine, portrait, encoded, own, stranger + way) < halfway


def test_it_leads_until_dlib_hardly_knows_the_face(
    portrait: Any, compact_engine: CompactEngine, dlib_resnet: DlibResNet, of_portrait: Any, way: Any
) -> None:
    """Farther than where SFace alone would be led away from."""
    encoded, own, stranger = of_portrait

    def similarity(codes: Any) -> float:
        drawn = compact_engine.decode(portrait.image_rgb, encoded, codes, drift=np.zeros((468, 2)))
        seen = dlib_resnet.embed(paste(portrait.image_rgb, drawn), portrait.face)
        return float(dlib_resnet.similarity(seen, dlib_resnet.embed(portrait.image_rgb, portrait.face)).item())

    common = -compact_engine._population.expected(own[None])[0]
    common *= np.linalg.norm(way) / np.linalg.norm(common)
    assert similarity(stranger + way) < min(similarity(stranger) - 0.08, similarity(stranger + common))
    assert similarity(stranger + way) < BY_DLIB.mean + BY_DLIB.spread


def test_it_is_no_longer_than_its_strides(way: Any) -> None:
    assert 0.5 * SHORTEST < np.linalg.norm(way) <= FARTHEST * (1 + 1e-4)


def test_who_is_no_longer_known_is_pushed_as_far_as_strides_ask_at_least(
    compact_engine: CompactEngine, of_portrait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded, own, stranger = of_portrait
    monkeypatch.setattr("reverse_personalization.engines.compact.sight.UNLIKE", 10.0)
    way = compact_engine._owns([encoded], [own], [stranger])[0]
    assert 0.9 * SHORTEST < MILDEST * np.linalg.norm(way) < 1.5 * SHORTEST


def test_of_what_little_shows_more_changes(compact_engine: CompactEngine, of_portrait: Any, way: Any) -> None:
    encoded, own, stranger = of_portrait
    face = encoded.context
    hidden = replace(face, encoding=replace(face.encoding, shown=USUALLY_SHOWN / 4))
    farther = -MILDEST * compact_engine._owns([replace(encoded, context=hidden)], [own], [stranger])[0]
    usual = min(face.encoding.shown / USUALLY_SHOWN, 1)
    np.testing.assert_allclose(farther, 4 * usual * way, rtol=1e-5, atol=1e-6)


def shared(recogniser: str) -> tuple[Any, Any]:
    """What children, and women, have in common to a recogniser."""
    fitted = kinds(recogniser)
    assert fitted is not None
    return np.asarray(fitted.child, np.float32), np.asarray(fitted.woman, np.float32)


def test_what_a_kind_has_in_common_is_nobodys_own(portrait: Any, sface: SFace, dlib_resnet: DlibResNet) -> None:
    known = Known(
        unit(sface.embed(portrait.image_rgb, portrait.face)), dlib_resnet.embed(portrait.image_rgb, portrait.face)
    )
    for one, other in zip(known, known.apart_from(Kind(0, 0)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    for row, kind in enumerate((Kind(1, 0), Kind(0, 1))):
        apart = known.apart_from(kind)
        assert np.linalg.norm(apart.sface) == pytest.approx(1, abs=1e-5)
        for recogniser, before, after in zip(("sface", "dlib-resnet"), known, apart, strict=True):
            assert after @ shared(recogniser)[row] < before @ shared(recogniser)[row]


def test_the_way_leads_to_who_is_of_the_same_kind(
    portrait: Any, compact_engine: CompactEngine, of_portrait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded, own, stranger = of_portrait

    def ends(kind: Kind, seeing: Recogniser) -> Any:
        """What a guide sees at the end of the way."""
        monkeypatch.setattr(compact_engine, "_kind", lambda codes, embedding: kind)
        codes = compact_engine.away(encoded, stranger, own)
        drawn = compact_engine.decode(portrait.image_rgb, encoded, codes, drift=np.zeros((468, 2)))
        return unit(seeing.embed(paste(portrait.image_rgb, drawn), portrait.face))

    sface, dlib = compact_engine.guides
    (child, _), (_, woman) = shared("sface"), shared("dlib-resnet")
    assert ends(Kind(1, 0), sface) @ child > ends(Kind(0, 0), sface) @ child
    assert ends(Kind(0, 1), dlib) @ woman > ends(Kind(0, 0), dlib) @ woman


@pytest.mark.parametrize(
    ("wish", "young", "feminine"),
    [(Wish(), 1, 1), (Wish(woman=0), 1, 0), (Wish(age=75, woman=0), 0, 0), (Wish(age=5), 1, 1)],
)
def test_a_kind_stays_unless_it_is_wished_otherwise(
    wish: Wish, young: float, feminine: float, compact_engine: CompactEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    girl = np.zeros(len(NAMES), np.float32)
    girl[NAMES.index("woman")] = 1
    monkeypatch.setattr(compact_engine, "_wish", wish)
    monkeypatch.setattr(compact_engine._population, "attributes", lambda codes, embedding: girl)
    embedding = unit(shared("sface")[0])
    assert compact_engine._kind(np.zeros(1, np.float32), embedding) == Kind(young, feminine)


def test_children_are_led_farther(compact_engine: CompactEngine, of_portrait: Any) -> None:
    encoded, own, stranger = of_portrait
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reverse_personalization.engines.compact.engine.youth", lambda embeddings: 1.0)
        patch.setattr(compact_engine, "_kind", lambda codes, embedding: Kind(0, 0))
        child = -MILDEST * compact_engine._owns([encoded], [own], [stranger])[0]
        patch.setattr("reverse_personalization.engines.compact.engine.youth", lambda embeddings: 0.0)
        grown = -MILDEST * compact_engine._owns([encoded], [own], [stranger])[0]
    np.testing.assert_allclose(child, (1 + FARTHER_CHILDREN) * grown, rtol=1e-5, atol=1e-6)


def test_what_shows_of_a_face_is_told(portrait: Any, compact_engine: CompactEngine) -> None:
    mesh, picture = compact_engine.encode(portrait.image_rgb, portrait.face).context.mesh, portrait.image_rgb
    left = int(mesh.points[:, 0].mean())
    whole, half = (compact_engine._codec.encode(part, mesh).shown for part in (picture, picture[:, :left].copy()))
    assert 0.35 < half / whole < 0.6
    assert 0.7 < whole <= 1


def test_what_is_kept_and_what_is_told_apart_stays(
    compact_engine: CompactEngine, dlib_resnet: DlibResNet, of_portrait: Any, way: Any
) -> None:
    """But for what is cut off where faces have no more of a code."""
    assert np.abs(way[compact_engine._codec.kept == 1]).max() < 1e-6
    encoded, own, stranger = of_portrait
    face, never = encoded.context, compact_engine._population.told
    known = Known(own, dlib_resnet.embed_chip(face.views.dlib.crop_rgb))
    uncut = compact_engine._sight.away(face.views, face.encoding, stranger, known, never=never, within=lambda x: x)
    assert np.linalg.norm((uncut - stranger) @ never) < 1e-4 * np.linalg.norm(uncut - stranger)


def test_packing_a_gradient_transposes_unpacking(compact_engine: CompactEngine) -> None:
    frame, generator = compact_engine._codec.frame, np.random.default_rng(0)
    tone = Tone(0.5, 0.2, np.zeros(2, np.float32))
    size = int(frame.modelled.sum() + 2 * frame.modelled[::2, ::2].sum())
    gradient = generator.standard_normal((SIZE, SIZE, 3)).astype(np.float32)
    # Chroma of half the resolution is spread by interpolation, and gathered by averages: alike for what is smooth.
    luma = np.zeros(size, np.float32)
    luma[: frame.modelled.sum()] = generator.standard_normal(int(frame.modelled.sum()))
    spread = (denormalise(unpack(luma, frame), tone) * gradient).sum()
    assert spread == pytest.approx(float(luma @ pack_gradient(gradient, tone, frame)), rel=1e-3)


def test_gathering_transposes_drawing_on_the_mesh(
    portrait: Any, compact_engine: CompactEngine, of_portrait: Any
) -> None:
    frame, mesh = compact_engine._codec.frame, of_portrait[0].context.mesh
    height, width = portrait.image_rgb.shape[:2]
    _, x = np.mgrid[:height, :width].astype(np.float32)
    values = np.repeat((x - mesh.points[:, 0].mean())[..., None] / np.ptp(mesh.points[:, 0]), 3, 2).astype(np.float32)
    gather = frame.gathering(mesh.points)
    gathered = gather(values)[..., 0]
    total = gathered[frame.spread(np.ones((468, 1), np.float32))[..., 0] > 0].sum()
    covered = gather(np.ones_like(values))[..., 0].sum()
    hull = np.ptp(mesh.points, axis=0).prod()
    assert 0.6 * hull < covered < hull
    assert abs(total) < 0.1 * covered


def test_faces_that_are_looked_at_together_go_where_each_goes_alone(
    compact_engine: CompactEngine, of_portrait: Any
) -> None:
    encoded, own, stranger = of_portrait
    known = [own, -own, unit(own[::-1])]
    together = compact_engine._owns([encoded] * 3, known, [stranger] * 3)
    for way, one in zip(together, known, strict=True):
        np.testing.assert_array_equal(way, compact_engine._owns([encoded], [one], [stranger])[0])
