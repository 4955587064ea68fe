"""A new texture fits the photo: no rougher, no more exposed, and sharp."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from reverse_personalization.engines.compact.finishing import (
    LEAST_SLOW,
    MOST_GAIN,
    MOST_LIT,
    MOST_SHADED,
    MOST_SLOW,
    SMOOTHEST,
    Finish,
)
from reverse_personalization.engines.compact.frame import SIZE
from reverse_personalization.engines.compact.textures import luma_of

SEEN = np.ones((SIZE, SIZE), np.float32)
EVEN = np.full((SIZE, SIZE, 3), 0.5, np.float32)
FAR_INSIDE = np.full((SIZE, SIZE), 100, np.float32)
BELOW_HAIR = FAR_INSIDE * (np.arange(SIZE, dtype=np.float32) >= 16)[:, None]


def lit_by(light: Any, rgb: Any, *, white: float) -> Any:
    """Skin in more light, or in less (below 0), of which so much is white and the rest of its own colour."""
    return rgb + light * (white + (1 - white) * rgb / luma_of(rgb)[..., None])


def tinted_skin(roughness: float) -> Any:
    """Rough as skins of photos are, which neither keep all their colour as they get darker nor lose it all."""
    even = EVEN * np.array([1.3, 0.95, 0.7], np.float32)
    return np.asarray(lit_by(skin(roughness) - EVEN, even, white=0.6), np.float32)


def masks(
    *,
    skin: Any = SEEN,
    features: tuple[Any, ...] = (0 * SEEN,),
    inward: Any = FAR_INSIDE,
    nose: Any = 0 * SEEN,
    bridge: Any = 0 * SEEN,
    shaven: Any = 0 * SEEN,
    moustache: Any = 0 * SEEN,
) -> Any:
    """What finishing asks a frame for."""
    plain = np.maximum(skin, nose)
    below = {"shaven": shaven, "moustache": moustache}
    parts = {"features": features, "lips": features[-1], "nose": (nose, bridge)}
    return SimpleNamespace(skin=skin, inward=inward, plain=plain, tinted=plain, **parts, **below)


def finished(
    source: Any,
    texture: Any,
    seen: Any,
    skin: Any,
    *,
    feature: Any = None,
    inward: Any = FAR_INSIDE,
    lips: Any = 0 * SEEN,
    nose: Any = 0 * SEEN,
    nobody: Any = None,
) -> Any:
    features = (lips,) if feature is None else (feature, lips)
    frame = masks(skin=skin, features=features, inward=inward, nose=nose)
    return Finish.of(source, plain(source) if nobody is None else nobody, seen, frame).applied(texture)


def plain(source: Any) -> Any:
    """Skin of a source's colour, without structure."""
    return np.zeros_like(source) + np.median(source, (0, 1))


def skin(roughness: float, *, scale: float = 2.0, seed: int = 0) -> Any:
    noise = np.random.default_rng(seed).standard_normal((SIZE, SIZE)).astype(np.float32)
    bands = cv2.GaussianBlur(noise, (0, 0), scale)
    return np.repeat((0.5 + roughness * bands / bands.std())[..., None], 3, 2).astype(np.float32)


def detail(texture: Any) -> float:
    return float((texture - cv2.GaussianBlur(texture, (0, 0), 8)).std())


@pytest.mark.parametrize("scale", [1.0, 2.0, 4.0])
def test_smooth_skin_stays_smooth(scale: float) -> None:
    smooth, rough = skin(0.01, scale=scale), skin(0.08, scale=scale, seed=1)
    assert detail(finished(smooth, rough, SEEN, SEEN)) < 2.5 * detail(smooth) + SMOOTHEST < 0.5 * detail(rough)


def test_rough_skin_may_be_smoother() -> None:
    rough, smooth = skin(0.08), skin(0.01, seed=1)
    assert detail(finished(rough, smooth, SEEN, SEEN)) < 0.4 * detail(rough)


def test_light_that_nobody_is_stays() -> None:
    """Cheeks shine on everybody: bounded with what is somebody's, they lay dark within bright rims."""
    lit = skin(0.05, scale=8.0)
    source, stranger = (np.asarray(lit + skin(0.01, seed=seed) - 0.5, np.float32) for seed in (1, 2))
    for face in (lit, source, stranger):  # a face has hair and eyes, which say what the photo exposes
        face[:16], face[-16:] = 0.1, 0.9

    def of_light(nobody: Any) -> float:
        became = finished(source, stranger, SEEN, SEEN, nobody=nobody)[24:-24]
        light = lit[24:-24] - lit[24:-24].mean()
        return float(np.vdot(became - became.mean(), light) / np.vdot(light, light))

    assert of_light(lit) > 0.95
    assert of_light(EVEN) < 0.8


def test_shades_lose_colour_as_they_do_in_the_photo() -> None:
    nose = np.zeros_like(SEEN)
    nose[54:74, 54:74] = 1

    def paler(white: float) -> float:
        lit = np.asarray(skin(0.004) * (1.3, 0.95, 0.7), np.float32)
        lit[:16] = 0.1  # hair, which says what the photo exposes
        shaded = lit.copy()
        shaded[60:68, 60:68] *= 0.6
        lit[56:58] = lit_by(-0.3, lit[56:58], white=white)  # what sets the measure of noses, and tells of shades
        became, before = (
            finished(lit, one, SEEN, 1 - nose, nose=nose, inward=BELOW_HAIR)[62:66, 62:66].mean((0, 1))
            for one in (shaded, lit)
        )
        darker, paler = (1 - of(became) / of(before) for of in (np.mean, lambda rgb: rgb[0] - rgb[2]))
        assert darker > 0.08
        return paler / darker

    losing, usual, keeping = (paler(white) for white in (0.0, 0.45, 1.0))
    assert losing > 1.2 * usual > 1.5 * keeping > 0


def test_what_is_no_skin_may_be_strong() -> None:
    smooth, strong = skin(0.01), skin(0.1, seed=1)
    kept = finished(smooth, strong, SEEN, np.zeros_like(SEEN))
    assert detail(kept) > 1.5 * detail(finished(smooth, strong, SEEN, SEEN))


def test_skin_is_no_rougher_where_nobody_is_rougher_than_the_photo() -> None:
    smooth, blotched = skin(0.005), skin(0.05, scale=4.0, seed=1)
    became = finished(smooth, blotched, SEEN, SEEN, nobody=blotched)
    assert detail(became) < 0.35 * detail(blotched)


def test_no_shadow_falls_on_skin() -> None:
    lit = skin(0.05)
    dark = lit.copy()
    dark[: SIZE // 2] -= 0.3
    became = finished(lit, dark, SEEN, SEEN)
    assert lit[: SIZE // 4].mean() - became[: SIZE // 4].mean() < 1.05 * MOST_SLOW


def test_light_stays_where_it_goes_on_beyond_the_outline() -> None:
    lit = skin(0.05)
    bright = np.asarray(lit + 0.3, np.float32)
    inside, near = (finished(lit, bright, SEEN, SEEN, inward=inward) - lit for inward in (FAR_INSIDE, 0 * SEEN))
    assert near.mean() < 1.2 * LEAST_SLOW < 0.8 * inside.mean()


@pytest.mark.parametrize(("source", "texture", "least", "most"), [(0.01, 0.1, 0.5, 2.5), (0.04, 0.025, 0.6, 1.6)])
def test_brows_are_as_bold_as_the_source_s(source: float, texture: float, least: float, most: float) -> None:
    feature = np.zeros_like(SEEN)
    feature[40:56, 30:98] = 1
    became = finished(skin(source), skin(texture, seed=1), SEEN, 0 * SEEN, feature=feature)
    assert least < (became - 0.5)[40:56, 30:98].std() / source < most


def test_each_brow_is_as_bold_as_it_was(compact_engine: Any) -> None:
    """A stranger with one faint brow, seen where both are alike, gets none: each is measured for itself."""
    frame = compact_engine._codec.frame
    right, left = (feature > 0.9 for feature in frame.features[:2])
    hairs = skin(0.05) - 0.5
    both, uneven = (0.5 + hairs * (ours * right + theirs * left)[..., None] for ours, theirs in ((1, 1), (2, 0.7)))
    became = Finish.of(both, plain(both), SEEN, frame).applied(uneven.astype(np.float32))
    assert became[right].std() < 1.8 * became[left].std()
    assert uneven[right].std() > 2.5 * uneven[left].std()


def test_noses_have_nostrils_elsewhere_and_hardly_bolder_ones() -> None:
    nose = np.zeros_like(SEEN)
    nose[40:90, 40:88] = 1
    source, texture = skin(0.005), skin(0.005, seed=1)
    for face, spot in ((source, slice(50, 56)), (texture, slice(70, 76))):
        face[:16] = 0.1  # hair, which says what the photo exposes
        face[spot, spot] -= 0.2
    of_nose, of_skin = (
        0.5 - finished(source, dark, SEEN, 1 - part, nose=part)[70:76, 70:76].mean()
        for dark, part in ((texture, nose), (texture, 0 * nose))
    )
    assert of_nose > 0.1 > 1.5 * of_skin
    faint = np.asarray(0.5 + 0.2 * (texture - 0.5), np.float32)
    assert 0.5 - finished(source, faint, SEEN, 1 - nose, nose=nose)[70:76, 70:76].mean() < 1.1 * MOST_GAIN * 0.04


@pytest.mark.parametrize("blur", [1.5, 2.5])
def test_what_is_drawn_on_a_blurred_photo_is_blurred(blur: float) -> None:
    """As bold as the photo, by coarse structure alone: else hard edges lie on soft faces."""
    feature = np.zeros_like(SEEN)
    feature[30:90, 30:98] = 1
    sharp, source = skin(0.05, scale=0.7, seed=1), skin(0.05, scale=0.7)
    source = cv2.GaussianBlur(source, (0, 0), blur)

    def fine(texture: Any) -> float:
        return float((texture - cv2.GaussianBlur(texture, (0, 0), 1))[40:80, 40:88].std() / texture[40:80, 40:88].std())

    became = finished(source, sharp, SEEN, 1 - feature, feature=feature)
    assert fine(became) < 1.6 * fine(source) < 0.8 * fine(sharp)
    assert fine(finished(sharp, sharp, SEEN, 1 - feature, feature=feature)) > 0.9 * fine(sharp)


def test_what_is_hardly_there_is_not_blown_up() -> None:
    feature = np.zeros_like(SEEN)
    feature[40:56, 30:98] = 1
    became = finished(skin(0.1), skin(0.001, seed=1), SEEN, 0 * SEEN, feature=feature)
    assert 0.001 < (became - 0.5)[40:56, 30:98].std() < 2.5 * MOST_GAIN * 0.001


def test_pale_brows_become_no_black_blocks() -> None:
    feature = np.zeros_like(SEEN)
    feature[30:66, 20:108] = 1
    pale = skin(0.01)
    black = np.asarray(pale - 0.4 * feature[..., None], np.float32)
    became = (pale - finished(pale, black, SEEN, 1 - feature, feature=feature))[40:56, 40:88]
    assert 0.2 * MOST_SHADED < became.mean() < 1.3 * MOST_SHADED


@pytest.mark.parametrize(("bearded", "least", "most"), [("neither", 0.0, 0.1), ("source", 0.15, 0.35)])
def test_shadows_below_noses_are_no_moustaches(bearded: str, least: float, most: float) -> None:
    """But where the face has one; features may be as dark as they are bold elsewhere."""
    feature = np.zeros_like(SEEN)
    feature[30:100, 20:108] = 1
    lip = slice(50, 56), slice(40, 88)
    source, moustache = skin(0.005), skin(0.005, seed=1)
    source[80:92, 40:88] -= 0.3  # what makes the feature bold
    moustache[lip] -= 0.3
    if bearded == "source":
        source[lip] -= 0.3
    frame = masks(skin=1 - feature, features=(feature, 0 * SEEN), shaven=SEEN)
    became = Finish.of(source, plain(source), SEEN, frame).applied(moustache)
    assert least < 0.5 - became[51:55, 44:84].mean() < most


@pytest.mark.parametrize(("bearded", "least", "most"), [("nobody", 0.0, 0.1), ("source", 0.15, 0.3)])
def test_upper_lips_get_no_darker_than_the_face(bearded: str, least: float, most: float) -> None:
    """Even where nobody of its kind is as dark, or dark lips are near: they had let moustaches grow on women."""
    feature = np.zeros_like(SEEN)
    feature[30:100, 20:108] = 1
    lip, mouth = (slice(50, 56), slice(40, 88)), (slice(56, 64), slice(40, 88))
    source, moustache = skin(0.005), skin(0.005, seed=1)
    nobody = plain(source)
    for face in (source, moustache, nobody):
        face[mouth] -= 0.3
    for face in (moustache, source if bearded == "source" else nobody):
        face[lip] -= 0.3
    upper = np.zeros_like(SEEN)
    upper[46:56, 36:92] = 1
    frame = masks(skin=1 - feature, features=(feature, 0 * SEEN), shaven=SEEN, moustache=upper)
    became = Finish.of(source, nobody, SEEN, frame).applied(moustache)
    assert least < 0.5 - became[50:54, 44:84].mean() < most


def test_features_are_lit_less_than_shaded() -> None:
    feature = np.zeros_like(SEEN)
    feature[30:98, 30:98] = 1
    plain = skin(0.005)
    plain[:16], plain[-16:] = 0.9, 0.1  # what says how bright and how dark the photo gets
    inner = slice(48, 80), slice(48, 80)
    lit, shaded = (
        finished(plain, np.asarray(plain + change * feature[..., None], np.float32), SEEN, 1 - feature, feature=feature)
        for change in (0.2, -0.2)
    )
    assert 0 < (lit - plain)[inner].mean() < 1.2 * MOST_LIT
    assert 1.2 * MOST_LIT < (plain - shaded)[inner].mean() < 1.2 * MOST_SHADED


def test_bridges_of_noses_are_no_bolder_for_their_nostrils(compact_engine: Any) -> None:
    frame = compact_engine._codec.frame
    tip, bridge = (nose > 0.9 for nose in frame.nose)
    source, ridged = skin(0.004), skin(0.06, seed=1)
    source[tip] += 8 * (skin(0.01, seed=2) - 0.5)[tip]
    became = Finish.of(source, plain(source), SEEN, frame).applied(ridged)
    of_new, of_given = (one[tip].std() / one[bridge].std() for one in (became, ridged))
    assert of_new > 1.7 * of_given


def test_noses_are_redder_where_nobody_s_are(compact_engine: Any) -> None:
    """Else they have the hue of cheeks, which is often paler."""
    frame = compact_engine._codec.frame
    pale = np.asarray(skin(0.01) * (1.1, 0.98, 0.92), np.float32)
    red, nose = pale.copy(), np.max(frame.nose, 0) > 0.5
    red[nose] *= (1.1, 0.98, 0.9)
    inner = cv2.erode(nose.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0

    def redness(nobody: Any) -> float:
        became = Finish.of(pale, nobody, SEEN, frame).applied(pale)
        return float((became[..., 0] / became[..., 2])[inner].mean() - (pale[..., 0] / pale[..., 2])[inner].mean())

    assert redness(red) > 0.02 > 3 * abs(redness(pale))


def test_fine_colours_that_nobody_is_stay() -> None:
    """Nostrils are redder than the nose on everybody: bounded with what is somebody's, faces looked washed out."""
    even = np.asarray(skin(0.004) * (1.1, 0.98, 0.92), np.float32)
    red = even.copy()
    red[60:64, 60:68] += (0.1, -0.05, -0.01)

    def redness(nobody: Any) -> float:
        became = finished(even, red, SEEN, SEEN, nobody=nobody)
        return float((became[60:64, 60:68, 0] - became[60:64, 60:68, 1]).mean() - (even[..., 0] - even[..., 1]).mean())

    assert redness(red) > 1.5 * redness(even) > 0


def test_hair_over_the_outline_and_small_rims_tint_no_skin() -> None:
    lit = np.asarray(skin(0.01) * (1.1, 0.98, 0.92), np.float32)
    inward = np.tile(np.minimum(np.arange(SIZE), np.arange(SIZE)[::-1]).astype(np.float32), (SIZE, 1))
    orange = lit.copy()
    orange[:, :8] = (0.5, 0.25, 0.05)
    orange[62:66, 62:66] *= (1.4, 0.95, 0.3)
    became = finished(orange, lit, SEEN, SEEN, inward=inward)
    of_skin = lit[..., 0].mean() / lit[..., 2].mean()
    for place, most in (((slice(20, 100), slice(0, 8)), 1.3), ((slice(62, 66), slice(62, 66)), 1.04)):
        assert became[place][..., 0].mean() / became[place][..., 2].mean() < most * of_skin


def test_what_is_overexposed_has_the_hue_of_what_is_not() -> None:
    """A cut off highlight is white, and would be a grey patch where it gets darker."""
    lit = np.asarray(skin(0.01) * (1.5, 0.95, 0.6), np.float32)
    shining = lit.copy()
    shining[56:72, 56:72] = (1.0, 0.98, 0.94)
    became = finished(shining, lit, SEEN, SEEN)[58:70, 58:70]
    of_new, of_skin, of_shine = ((one[..., 0] / one[..., 2]).mean() for one in (became, lit, shining[58:70, 58:70]))
    assert of_new - of_shine > 0.55 * (of_skin - of_shine)


def test_the_same_texture_only_gets_sharper() -> None:
    texture = skin(0.04)
    became = finished(texture, texture, SEEN, SEEN)
    assert np.corrcoef(became.ravel(), texture.ravel())[0, 1] > 0.98
    assert np.isfinite(finished(texture, texture, 0 * SEEN, SEEN)).all()


def test_skin_that_was_asked_for_may_be_rough() -> None:
    smooth, rough = skin(0.01), skin(0.08, seed=1)
    for texture in (smooth, rough):  # a face has hair and eyes, which say what the photo exposes
        texture[:16], texture[-16:] = 0.1, 0.9
    frame = masks()
    smoother, bounded, rougher = (
        detail(Finish.of(smooth, plain(smooth), SEEN, frame, rougher=times).applied(rough)[24:-24])
        for times in (0.3, 1.0, 4.0)
    )
    assert detail(rough[24:-24]) > rougher > 1.5 * bounded
    assert smoother < 0.7 * bounded


def test_what_gets_darker_keeps_its_colour() -> None:
    lit = np.asarray(skin(0.01) * (1.3, 0.95, 0.7), np.float32)
    feature = np.zeros_like(SEEN)
    feature[40:56, 30:98] = 1
    grey = lit - 0.2 * feature[..., None]
    became = finished(lit, grey, SEEN, 1 - feature)[48, 64]
    assert became.mean() < lit[48, 64].mean() - 0.03
    of_grey, of_new, of_skin = (
        one[0] - one[2] * lit[48, 64, 0] / lit[48, 64, 2] for one in (grey[48, 64], became, lit[48, 64])
    )
    assert abs(of_new - of_skin) < 0.5 * abs(of_grey - of_skin)


@pytest.mark.parametrize("change", [-0.2, 0.2])
def test_skin_keeps_its_colour_as_it_gets_darker_or_shines(change: float) -> None:
    lit = tinted_skin(0.01)
    lit[:16] = 0.1  # hair, which says what the photo exposes
    grey = lit.copy()
    grey[60:68, 60:68] += change
    nose = np.zeros_like(SEEN)
    nose[54:74, 54:74] = 1
    lit[56:58, 56:58] -= 0.3  # what sets the measure of noses
    lit[70:72, 56:72] = lit_by(0.3, lit[70:72, 56:72], white=0.8)  # what shines
    became, before = (
        finished(lit, texture, SEEN, 1 - nose, nose=nose, inward=BELOW_HAIR)[62:66, 62:66].mean((0, 1))
        for texture in (grey, lit)
    )
    assert np.sign(change) * (became.mean() - before.mean()) > 0.05
    colour = (became[0] - became[2]) / (before[0] - before[2])
    assert colour > 0.85
    assert colour < 1.2 or change < 0


def test_what_skin_gets_brighter_by_is_white_in_part() -> None:
    lit = tinted_skin(0.01)
    lit[70:72, 56:72] = lit_by(0.3, lit[70:72, 56:72], white=0.8)  # what says how bright the photo gets
    lit[56:58, 56:58] -= 0.3  # what sets the measure of noses
    nose = np.zeros_like(SEEN)
    nose[54:74, 54:74] = 1
    turned = lit.copy()
    turned[60:68, 60:68] *= 1.4
    became, before = (
        finished(lit, texture, SEEN, 1 - nose, nose=nose, inward=BELOW_HAIR)[62:66, 62:66].mean((0, 1))
        for texture in (turned, lit)
    )
    brighter = became.mean() / before.mean() - 1
    coloured = (became[0] - became[2]) / (before[0] - before[2]) - 1
    assert brighter > 0.1
    assert 0 < coloured < 0.75 * brighter


def test_edges_get_no_halos() -> None:
    edge = skin(0.0)
    edge[:, : SIZE // 2] -= 0.2
    became = finished(edge, edge, SEEN, 0 * SEEN)
    assert became.max() < edge.max() + 1e-3
    assert became.min() > edge.min() - 1e-3


def test_no_light_stands_where_brows_were() -> None:
    feature = np.zeros_like(SEEN)
    feature[40:56, 30:98] = 1
    browed = np.asarray(skin(0.005) - 0.2 * feature[..., None], np.float32)
    arched = skin(0.005)
    arched[44:50, 34:94] += 0.2
    became = finished(browed, arched, SEEN, 1 - feature, feature=feature)
    assert became[44:50, 34:94].max() < 0.3 * 0.2 + browed.max()


def test_what_is_wished_may_be_as_dark_and_rough_as_it_is() -> None:
    source, rough = skin(0.002), skin(0.06, seed=1) - 0.15
    frame = masks()
    wished = Finish.of(source, plain(source), SEEN, frame, change_rgb=skin(0.06, seed=2) - 0.65).applied(rough)
    held = Finish.of(source, plain(source), SEEN, frame).applied(rough)
    assert wished.mean() < 0.4
    assert held.mean() > 0.45
    assert detail(wished) > 2 * detail(held)


def test_age_shows_in_lines_and_not_in_patches() -> None:
    source = skin(0.01)
    frame = masks()
    held, aged = (Finish.of(source, plain(source), SEEN, frame, rougher=rougher) for rougher in (1.0, 3.0))
    lines, patches = (skin(0.08, scale=scale, seed=1) for scale in (1.0, 10.0))
    assert detail(aged.applied(lines)) > 1.5 * detail(held.applied(lines))
    assert detail(aged.applied(patches)) < 1.2 * detail(held.applied(patches))


def test_masks_of_the_frame_are_shares(compact_engine: Any) -> None:
    frame = compact_engine._codec.frame
    for mask in (*frame.features, *frame.nose, frame.skin, frame.plain, frame.tinted, frame.grained, frame.bearded):
        assert mask.min() >= 0
        assert mask.max() <= 1
        assert mask.dtype == np.float32


def test_hair_that_reaches_over_the_outline_makes_no_brow_darker() -> None:
    pale = skin(0.01)
    haired = pale.copy()
    haired[:, :10] = 0.05
    inward = np.tile(np.minimum(np.arange(SIZE), np.arange(SIZE)[::-1]).astype(np.float32), (SIZE, 1))
    dark = pale.copy()
    dark[60:68, 20:108] = 0.1
    brow = np.zeros_like(SEEN)
    brow[56:72, 16:112] = 1
    with_hair, without = (
        finished(source, dark, SEEN, 1 - brow, feature=brow, inward=inward)[60:68, 40:88] for source in (haired, pale)
    )
    assert with_hair.min() > 0.9 * without.min() > 0.3
    counted = finished(haired, dark, SEEN, 1 - brow, feature=brow)[60:68, 40:88]
    assert counted.min() < with_hair.min() - 0.03
