"""What lies on a face is told from the face: odd brows and moles do not, frames of glasses do, to their upper rims."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from reverse_personalization.engines.compact.engine import CompactEngine
from reverse_personalization.engines.compact.frame import SIZE
from reverse_personalization.engines.compact.occlusion import explained_by
from reverse_personalization.faces import topology

SEEN = np.ones((SIZE, SIZE), np.float32)
DARK = -3.0


@pytest.fixture(scope="module")
def frame(compact_engine: CompactEngine) -> Any:
    return compact_engine._codec.frame


def at(frame: Any, *parts: tuple[int, ...]) -> Any:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for part in parts:
        cv2.fillConvexPoly(mask, cv2.convexHull(np.round(frame.vertices[list(part)]).astype(np.int32)), 1)
    return mask > 0


def explained(frame: Any, *, unexplained: Any, luma: Any = None) -> Any:
    residual = np.random.default_rng(0).standard_normal((SIZE, SIZE, 3)).astype(np.float32) * 0.1
    residual[unexplained, 0] = DARK
    shown = np.where(unexplained, DARK, 0).astype(np.float32) if luma is None else luma
    return explained_by(residual, shown, SEEN, frame)


@pytest.mark.parametrize("parts", [(topology.LEFT_BROW,), (topology.LEFT_BROW, topology.RIGHT_BROW)])
def test_brows_that_codes_do_not_hold_are_no_obstacle(parts: Any, frame: Any) -> None:
    brows = at(frame, *parts)
    assert explained(frame, unexplained=brows)[brows].mean() > 0.9


def test_what_lies_on_both_brows_and_below_the_eyes_is_one(frame: Any) -> None:
    brows = at(frame, topology.LEFT_BROW, topology.RIGHT_BROW)
    worn = brows | (frame.below_eyes & frame.modelled)
    assert explained(frame, unexplained=worn)[brows].mean() < 0.5


def test_a_rim_stays_with_its_other_half(frame: Any) -> None:
    half = at(frame, topology.LEFT_BROW)
    other = cv2.dilate(at(frame, topology.RIGHT_BROW).astype(np.uint8), np.ones((17, 17))) > 0
    assert explained(frame, unexplained=half)[half].mean() > 0.9
    assert explained(frame, unexplained=half | other)[half].mean() < 0.3


def spot(frame: Any, radius: int) -> Any:
    """A disc on a cheek."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    x, y = (int(v) for v in frame.vertices[list(topology.LEFT_EYE)].mean(0))
    cv2.circle(mask, (x, y + 26), radius, 1, -1)
    return mask > 0


def test_a_mole_goes_and_something_large_stays(frame: Any) -> None:
    mole, patch = spot(frame, 3), spot(frame, 9)
    assert not (mole & frame.around_eyes).any()
    assert explained(frame, unexplained=mole)[mole].mean() > 0.9
    assert explained(frame, unexplained=patch)[patch].mean() < 0.3


def test_what_lies_beside_a_brow_as_well_is_one(frame: Any) -> None:
    hair = at(frame, topology.LEFT_BROW)
    hair[:, SIZE // 2 :] |= cv2.dilate(hair.astype(np.uint8), np.ones((25, 25)))[:, SIZE // 2 :] > 0
    assert explained(frame, unexplained=hair)[hair].mean() < 0.3


def test_glasses_are_whole_though_their_upper_rims_pass_for_brows(frame: Any) -> None:
    rings = np.zeros((SIZE, SIZE), np.uint8)
    for eye in (topology.RIGHT_EYE, topology.LEFT_EYE):
        centre = tuple(int(v) for v in frame.vertices[list(eye)].mean(0))
        cv2.ellipse(rings, centre, (15, 11), 0, 0, 360, 1, 2)
    rims = (rings > 0) & frame.modelled
    upper = rims.copy()
    upper[int(frame.vertices[list(topology.RIGHT_EYE), 1].mean()) :] = False
    luma = np.where(rims, DARK, 0).astype(np.float32)
    seen = explained(frame, unexplained=rims & ~upper, luma=luma)
    assert seen[upper].mean() < 0.2
    assert (
        explained(frame, unexplained=rims & ~upper, luma=np.where(upper, 0, luma).astype(np.float32))[upper].mean()
        > seen[upper].mean() + 0.3
    )
