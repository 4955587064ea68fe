"""Obscured faces are hidden from recognisers, and nothing else of the picture is touched."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from reverse_personalization.faces.compositing import paste
from reverse_personalization.faces.face import ByteArray, Face
from reverse_personalization.identity.dlib_resnet import DlibResNet
from reverse_personalization.identity.thresholds import threshold
from reverse_personalization.obscuring import MARGIN, obscure
from reverse_personalization.settings import Fallback

KINDS: tuple[Fallback, ...] = ("fill", "pixelate", "blur", "solid")


def in_ellipse(image_rgb: ByteArray, face: Face, slack: float, margin: float = MARGIN) -> Any:
    """Which pixels lie in the face's ellipse, `slack` pixels wider."""
    x, y, w, h = face.box
    rows, columns = np.mgrid[: image_rgb.shape[0], : image_rgb.shape[1]]
    across = (columns - x - w / 2) / ((0.5 + margin) * w + slack)
    down = (rows - y - h / 2) / ((0.5 + margin) * h + slack)
    return across**2 + down**2 <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_verifier_does_not_match(kind: Fallback, portrait: Any, dlib_resnet: DlibResNet) -> None:
    hidden = paste(portrait.image_rgb, obscure(portrait.image_rgb, portrait.face, kind=kind))
    before = dlib_resnet.embed(portrait.image_rgb, portrait.face)
    after = dlib_resnet.embed(hidden, portrait.face)
    assert dlib_resnet.similarity(before, after).item() <= threshold("dlib-resnet").similarity


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_ellipse_is_touched(kind: Fallback, portrait: Any) -> None:
    image_rgb = portrait.image_rgb.copy()
    rendering = obscure(image_rgb, portrait.face, kind=kind)
    np.testing.assert_array_equal(image_rgb, portrait.image_rgb)
    changed = (paste(image_rgb, rendering) != image_rgb).any(2)
    assert not changed[~in_ellipse(image_rgb, portrait.face, 2)].any()
    np.testing.assert_array_equal(changed[rendering.rows, rendering.columns], rendering.changed)
    inside = in_ellipse(image_rgb, portrait.face, -2)
    assert changed[inside].mean() > 0.9


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("corner", [(0, 0), (512, 0), (0, 512), (512, 512)])
def test_a_face_at_the_border_is_hidden(kind: Fallback, corner: tuple[int, int], astronaut: Any) -> None:
    size = 120.0
    face = Face(
        (corner[0] - size / 2, corner[1] - size / 2, size, size),
        astronaut.face.keypoints,
        astronaut.face.score,
    )
    changed = (paste(astronaut.image_rgb, obscure(astronaut.image_rgb, face, kind=kind)) != astronaut.image_rgb).any(2)
    inside = in_ellipse(astronaut.image_rgb, face, -2)
    assert changed[inside].mean() > 0.5
    assert not changed[~in_ellipse(astronaut.image_rgb, face, 2)].any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_face_outside_the_picture_changes_nothing(kind: Fallback, astronaut: Any) -> None:
    face = Face((900, 900, 60, 60), astronaut.face.keypoints, 0.9)
    rendering = obscure(astronaut.image_rgb, face, kind=kind)
    np.testing.assert_array_equal(paste(astronaut.image_rgb, rendering), astronaut.image_rgb)


@pytest.mark.parametrize("kind", ["pixelate", "blur"])
def test_stronger_is_coarser(kind: Fallback, portrait: Any) -> None:
    details = []
    for strength in (1.0, 2.0, 4.0):
        hidden = obscure(portrait.image_rgb, portrait.face, kind=kind, strength=strength).image_rgb
        details.append(np.abs(np.diff(hidden.astype(float), axis=1)).mean())
    assert details == sorted(details, reverse=True)
    assert details[2] < 0.8 * details[0]


def test_pixelate_makes_a_few_blocks(astronaut: Any) -> None:
    hidden = obscure(astronaut.image_rgb, astronaut.face, kind="pixelate").image_rgb
    assert len(np.unique(hidden.reshape(-1, 3), axis=0)) <= 100


def test_solid_leaves_one_colour(astronaut: Any) -> None:
    rendering = obscure(astronaut.image_rgb, astronaut.face, kind="solid")
    assert len(np.unique(rendering.image_rgb[rendering.changed], axis=0)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_face_beside_it_is_not_covered(kind: Fallback, astronaut: Any) -> None:
    x, y, w, h = astronaut.face.box
    below = Face((x, y + 0.8 * h, w, h), astronaut.face.keypoints, 0.7)
    rendering = obscure(astronaut.image_rgb, below, kind=kind, spared=[astronaut.face])
    changed = (paste(astronaut.image_rgb, rendering) != astronaut.image_rgb).any(2)
    assert not changed[in_ellipse(astronaut.image_rgb, astronaut.face, -2, margin=0)].any()
    alone = (paste(astronaut.image_rgb, obscure(astronaut.image_rgb, below, kind=kind)) != astronaut.image_rgb).any(2)
    elsewhere = ~in_ellipse(astronaut.image_rgb, astronaut.face, 2, margin=0)
    nearer = np.arange(len(changed))[:, None] > y + 0.9 * h + 1  # the middle between both faces
    np.testing.assert_array_equal(changed[elsewhere & nearer], alone[elsewhere & nearer])
    assert not changed[: int(y + 0.75 * h)].any()  # hair beside a face is left to it


def test_what_hides_a_face_fades_on_its_neighbours_hair(astronaut: Any) -> None:
    x, y, w, h = astronaut.face.box
    beside = Face((x + 0.75 * w, y + 0.3 * h, w, h), astronaut.face.keypoints, 0.7)
    stripes = np.zeros_like(astronaut.image_rgb)
    stripes[:, ::2] = 255  # so that what is solid differs from all of them
    alone, both = (
        np.abs(paste(stripes, obscure(stripes, beside, kind="solid", spared=spared)) - stripes.astype(float)).max(2)
        for spared in ([], [astronaut.face])
    )
    shares = both[alone > 0] / alone[alone > 0]
    assert shares.min() == 0
    assert shares.max() == 1
    assert ((shares > 0.1) & (shares < 0.9)).sum() > 100


@pytest.mark.parametrize("kind", KINDS)
def test_a_face_within_another_is_hidden_all_the_same(kind: Fallback, astronaut: Any) -> None:
    x, y, w, h = astronaut.face.box
    within = Face((x + w / 4, y + h / 4, w / 2, h / 2), astronaut.face.keypoints, 0.7)
    spared = obscure(astronaut.image_rgb, within, kind=kind, spared=[astronaut.face])
    np.testing.assert_array_equal(spared.changed, obscure(astronaut.image_rgb, within, kind=kind).changed)


def test_beside_a_neighbour_there_is_no_jagged_edge() -> None:
    """Where the hidden face is nearer than the neighbour whose box is left out."""
    white, keypoints = np.full((300, 300, 3), 255, np.uint8), np.zeros((5, 2), np.float32)
    white[:, 150:] = 0
    hidden, other = Face((20, 50, 160, 200), keypoints, 0.9), Face((165, 50, 100, 200), keypoints, 0.9)
    after = paste(white, obscure(white, hidden, kind="solid", spared=[other]))[150].mean(1)
    reached = np.abs(np.diff(after[155:180].astype(float)))
    assert after[155] > 50 > after[170]
    assert reached.max() < 0.8 * after[155]


@pytest.mark.parametrize("scale", [1, 5])
def test_fill_knows_nothing_of_what_it_hides(scale: int, portrait: Any) -> None:
    """Whatever stood in the ellipse, the same stands there afterwards."""
    image_rgb = cv2.resize(portrait.image_rgb, None, fx=scale, fy=scale)
    face = Face(tuple(scale * each for each in portrait.face.box), scale * portrait.face.keypoints, 0.9)
    hidden = obscure(image_rgb, face, kind="fill")
    covered = in_ellipse(image_rgb, face, -2)
    other = image_rgb.copy()
    other[covered] = np.random.default_rng(0).integers(0, 256, (covered.sum(), 3))
    there = covered[hidden.rows, hidden.columns]
    rewritten = obscure(other, face, kind="fill")
    np.testing.assert_array_equal(rewritten.image_rgb[there], hidden.image_rgb[there])


def test_fill_runs_into_its_surroundings(astronaut: Any) -> None:
    """No step at the rim: there, what is new differs from what lies beside it hardly more than neighbours do."""
    rendering = obscure(astronaut.image_rgb, astronaut.face, kind="fill")
    done = paste(astronaut.image_rgb, rendering).astype(float)
    steps = np.abs(np.diff(done, axis=1)).mean(2)
    before = np.abs(np.diff(astronaut.image_rgb.astype(float), axis=1)).mean(2)
    changed = (done != astronaut.image_rgb).any(2)
    rim = changed[:, 1:] != changed[:, :-1]
    assert steps[rim].mean() < 2 * before[rim].mean()


def test_fill_of_a_whole_picture_is_grey(astronaut: Any) -> None:
    face = Face((-600, -600, 1700, 1700), astronaut.face.keypoints, 0.9)
    assert (paste(astronaut.image_rgb, obscure(astronaut.image_rgb, face, kind="fill")) == 128).all()
