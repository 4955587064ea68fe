"""Faces that overlap: each keeps to what is nearer to it; and eyes at rest."""

from __future__ import annotations

from typing import Any

import numpy as np

from reverse_personalization.faces.compositing import Rendering, eyes_rested, kept_apart, paste, remoteness
from reverse_personalization.faces.face import Face

PICTURE = np.full((100, 160, 3), 100, np.uint8)
KEYPOINTS = np.zeros((5, 2), np.float32)
LEFT, RIGHT = Face((20, 20, 60, 60), KEYPOINTS, 0.9), Face((65, 20, 60, 60), KEYPOINTS, 0.8)
AWAY = Face((130, 70, 20, 20), KEYPOINTS, 0.7)


def white(face: Face) -> Rendering:
    """All that is not far from a face is white."""
    rows, columns = slice(0, 100), slice(0, 160)
    near = remoteness(rows, columns, face) < 1.2
    return Rendering(rows, columns, np.full_like(PICTURE, 255), near)


def drawn(face: Face, *others: Face) -> Any:
    return paste(PICTURE, kept_apart(white(face), PICTURE, face, others))


def test_faces_far_apart_are_drawn_whole() -> None:
    np.testing.assert_array_equal(drawn(LEFT, AWAY), paste(PICTURE, white(LEFT)))


def test_faces_that_overlap_do_not_draw_over_each_other() -> None:
    left, right = (drawn(*faces) != PICTURE for faces in ((LEFT, RIGHT), (RIGHT, LEFT)))
    assert left.any()
    assert right.any()
    assert not (left & right).any()


def test_a_face_fades_toward_its_neighbour() -> None:
    row = drawn(LEFT, RIGHT)[50, 50:80, 0].astype(int)
    assert row[0] == 255
    assert row[-1] == 100
    assert (np.diff(row) <= 0).all()
    assert ((row > 100) & (row < 255)).sum() >= 3


def test_what_a_face_did_not_change_stays() -> None:
    rendering = white(LEFT)
    rendering.changed[:50] = False
    pasted = paste(PICTURE, kept_apart(rendering, PICTURE, LEFT, [RIGHT]))
    np.testing.assert_array_equal(pasted[:50], PICTURE[:50])


def test_around_eyes_at_rest_a_face_changes_less() -> None:
    square = np.array([[-6, -3], [6, -3], [6, 3], [-6, 3]], np.float32)
    eyes = tuple(square + np.array(middle, np.float32) for middle in ((38, 45), (62, 45)))
    rested = paste(PICTURE, eyes_rested(white(LEFT), PICTURE, eyes))
    of_row = rested[45, 38:62, 0].astype(int)
    np.testing.assert_array_equal(rested[44:47, 34:42], PICTURE[44:47, 34:42])
    assert (np.diff(of_row[:13]) >= 0).all()
    assert (np.diff(of_row[12:]) <= 0).all()
    np.testing.assert_array_equal(rested[60:], paste(PICTURE, white(LEFT))[60:])
