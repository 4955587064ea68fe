"""Faces are found at every size, turn and place, and where there is none, none is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from reverse_personalization.faces import detection
from reverse_personalization.faces.compositing import paste
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.obscuring import obscure

Overlap = Callable[[tuple[float, ...], tuple[float, ...]], float]


def turn_points(points: FloatArray, size: tuple[int, int], turns: int) -> FloatArray:
    """Where points of a picture of `size` (width, height) lie after `turns` counter-clockwise turns."""
    width, height = size
    for _ in range(turns):
        points = np.stack([points[:, 1], width - points[:, 0]], 1)
        width, height = height, width
    return points


def test_one_face_is_found_once(portrait: Any, detector: YuNetDetector) -> None:
    assert len(detector.detect(portrait.image_rgb)) == 1
    assert portrait.face.score > 0.8


def test_keypoints_lie_as_on_an_upright_head(portrait: Any) -> None:
    left_eye, right_eye, nose, left_mouth, right_mouth = portrait.face.keypoints
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_faces_are_found_where_they_lie(
    turns: int, astronaut: Any, detector: YuNetDetector, overlap: Overlap
) -> None:
    # Not square, so that width and height cannot be mistaken for each other.
    image_rgb = astronaut.image_rgb[:400]
    turned = np.ascontiguousarray(np.rot90(image_rgb, turns))
    found = detector.detect(turned)
    assert len(found) == 1
    size = image_rgb.shape[1], image_rgb.shape[0]
    x, y, w, h = astronaut.face.box
    corners = turn_points(np.array([[x, y], [x + w, y + h]], np.float32), size, turns)
    low, high = corners.min(0), corners.max(0)
    assert overlap(found[0].box, (*low, *(high - low))) > 0.7
    expected = turn_points(astronaut.face.keypoints, size, turns)
    assert np.abs(found[0].keypoints - expected).max() < 0.12 * astronaut.face.size


def test_a_tiny_face_in_a_large_picture_is_found(astronaut: Any, detector: YuNetDetector, overlap: Overlap) -> None:
    scale = 18 / astronaut.face.size
    small = cv2.resize(astronaut.image_rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas = np.full((1200, 1600, 3), 120, np.uint8)
    canvas[700 : 700 + small.shape[0], 1100 : 1100 + small.shape[1]] = small
    found = detector.detect(canvas)
    x, y, w, h = (value * scale for value in astronaut.face.box)
    assert len(found) == 1
    assert overlap(found[0].box, (x + 1100, y + 700, w, h)) > 0.5


def test_a_face_that_fills_the_picture_is_found(astronaut: Any, detector: YuNetDetector) -> None:
    x, y, w, h = (round(value) for value in astronaut.face.box)
    close = cv2.resize(astronaut.image_rgb[max(y - 8, 0) : y + h + 8, x - 8 : x + w + 8], (1500, 1900))
    assert len(detector.detect(close)) == 1


def test_a_face_cut_by_the_border_is_found(astronaut: Any, detector: YuNetDetector, overlap: Overlap) -> None:
    x, y, w, h = astronaut.face.box
    cut = round(x + 0.4 * w)
    found = detector.detect(np.ascontiguousarray(astronaut.image_rgb[:, cut:]))
    assert len(found) == 1
    assert overlap(found[0].box, (x - cut, y, w, h)) > 0.3


def test_several_faces_are_found_largest_first(
    astronaut: Any, hopper: Any, detector: YuNetDetector, overlap: Overlap
) -> None:
    height = max(astronaut.image_rgb.shape[0], hopper.image_rgb.shape[0])
    pair = np.zeros((height, 1024, 3), np.uint8)
    pair[: astronaut.image_rgb.shape[0], :512] = astronaut.image_rgb
    pair[: hopper.image_rgb.shape[0], 512 : 512 + hopper.image_rgb.shape[1]] = hopper.image_rgb
    found = detector.detect(pair)
    assert len(found) == 2
    assert found[0].size >= found[1].size
    x, y, w, h = hopper.face.box
    for box in (astronaut.face.box, (x + 512, y, w, h)):
        assert max(overlap(box, face.box) for face in found) > 0.7


@pytest.mark.parametrize("kind", ["blank", "noise", "stripes"])
def test_no_face_is_found_where_there_is_none(kind: str, detector: YuNetDetector) -> None:
    pictures = {
        "blank": np.full((300, 400, 3), 200, np.uint8),
        "noise": np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8),
        "stripes": np.broadcast_to((np.arange(400) // 8 % 2 * 255).astype(np.uint8)[:, None], (300, 400, 3)),
    }
    assert detector.detect(np.ascontiguousarray(pictures[kind])) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (2, 3), (3, 900), (20, 2000)])
def test_degenerate_pictures_hold_no_face(size: tuple[int, int], detector: YuNetDetector) -> None:
    assert detector.detect(np.full((*size, 3), 90, np.uint8)) == []


def test_a_face_is_found_again(portrait: Any, detector: YuNetDetector, overlap: Overlap) -> None:
    again = detector.find_again(portrait.image_rgb, portrait.face)
    assert again is not None
    assert overlap(again.box, portrait.face.box) > 0.6


def test_a_lying_face_is_found_again(astronaut: Any, detector: YuNetDetector, overlap: Overlap) -> None:
    turned = np.ascontiguousarray(np.rot90(astronaut.image_rgb))
    face = detector.detect(turned)[0]
    again = detector.find_again(turned, face)
    assert again is not None
    assert overlap(again.box, face.box) > 0.6


def test_an_obscured_face_is_not_found_again(portrait: Any, detector: YuNetDetector) -> None:
    hidden = paste(portrait.image_rgb, obscure(portrait.image_rgb, portrait.face, kind="solid"))
    assert detector.find_again(hidden, portrait.face) is None


def test_another_place_is_not_again(astronaut: Any, detector: YuNetDetector) -> None:
    moved = np.roll(astronaut.image_rgb, round(astronaut.face.size), axis=1)
    assert detector.find_again(moved, astronaut.face) is None


def test_a_face_in_a_narrow_strip_is_found(astronaut: Any, detector: YuNetDetector) -> None:
    x, y, w, h = (round(value) for value in astronaut.face.box)
    strip = np.full((6000, w + 60, 3), 120, np.uint8)
    strip[2000 : 2000 + h + 40] = astronaut.image_rgb[y - 20 : y + h + 20, x - 30 : x + w + 30]
    found = detector.detect(strip)
    assert len(found) == 1
    assert abs(found[0].box[1] - 2020) < 0.2 * h


def test_networks_end_with_small_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """They keep the memory that their last input took: 200 MB after a search at 2,560 pixels."""
    areas: dict[int, list[int]] = {}
    search = detection._search_at

    def watched(net: Any, image_rgb: Any, scale: float, *, turns: int) -> Any:
        areas.setdefault(id(net), []).append(round(image_rgb.shape[0] * scale * image_rgb.shape[1] * scale))
        return search(net, image_rgb, scale, turns=turns)

    monkeypatch.setattr(detection, "_search_at", watched)
    YuNetDetector().detect(np.zeros((900, 1600, 3), np.uint8))
    assert len(areas) == 2
    assert all(of_net == sorted(of_net, reverse=True) for of_net in areas.values())
