"""What is drawn has no harder edges than a photo."""

from __future__ import annotations

import numpy as np
import pytest

from reverse_personalization.engines.compact.engine import CompactEngine
from reverse_personalization.engines.compact.frame import SIZE
from reverse_personalization.engines.compact.rendering import Laid, Renderer, _seams
from reverse_personalization.faces import topology
from reverse_personalization.faces.face import Mesh

SIDE, EDGE = 64, 30
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE].astype(np.float32)
INSIDE = np.ones((SIDE, SIDE), bool)
# A cheek behind a nose: texels go on from pixel to pixel, but for a leap.
TEXEL_X = COLUMNS + np.where(COLUMNS >= EDGE, 12, 0).astype(np.float32)
SEAMS = _seams(np.stack([TEXEL_X, ROWS], 2), INSIDE, 2.5)


def drawn(*, seams: np.ndarray, renewal: float = 1.0) -> np.ndarray:
    """A texture that is dark where the leap begins, and bright where it ends."""
    before = np.full((SIDE, SIDE, 3), 100, np.uint8)
    before[:, ::2] = 110
    everywhere, none = np.ones((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE, 3), np.float32)
    rows = slice(0, SIDE)
    laid = Laid(rows, rows, before, before.astype(np.float32), TEXEL_X, ROWS, everywhere, none, seams)
    texture = np.where(np.arange(SIZE) > EDGE + 6, 0.8, 0.2)[None, :, None] * np.ones((SIZE, 1, 3))
    return laid.drawn(texture.astype(np.float32), renewal=renewal).image_rgb.astype(int)


def test_seams_are_where_the_mesh_hides_a_part_of_itself() -> None:
    assert SEAMS[:, EDGE - 1 : EDGE + 1].min() > 0.9
    assert not SEAMS[:, : EDGE - 6].any()
    assert not SEAMS[:, EDGE + 6 :].any()


def test_the_edge_of_a_nose_is_no_harder_than_a_photo_s() -> None:
    hard, soft = (np.abs(np.diff(drawn(seams=seams)[..., 0], axis=1)).max() for seams in (0 * SEAMS, SEAMS))
    assert hard > 150
    assert soft < 0.5 * hard


def test_an_unchanged_face_is_not_blurred() -> None:
    unchanged = drawn(seams=SEAMS, renewal=0.0)
    np.testing.assert_array_equal(unchanged[:, 1::2], 100)
    np.testing.assert_array_equal(unchanged[:, ::2], 110)


def near_the_outline(engine: CompactEngine, pixels_a_texel: float) -> float:
    """How much may change, on average, where the outline is 3 to 5 texels away."""
    frame = engine._codec.frame
    vertices = np.column_stack([frame.vertices * pixels_a_texel, np.zeros(topology.VERTICES)]).astype(np.float32)
    picture = np.zeros((round(SIZE * pixels_a_texel), round(SIZE * pixels_a_texel), 3), np.uint8)
    everywhere, unmoved = np.ones((SIZE, SIZE), np.float32), np.zeros((topology.VERTICES, 2), np.float32)
    laid = Renderer(frame).laid(picture, Mesh(vertices, 1.0), everywhere, unmoved)
    rows, columns = (np.rint(texel).astype(int).clip(0, SIZE - 1) for texel in (laid.texel_y, laid.texel_x))
    inward = frame.inward[rows, columns]
    return float(laid.share[(inward >= 3) & (inward <= 5)].mean())


def test_of_a_small_face_more_changes_near_its_outline(compact_engine: CompactEngine) -> None:
    large, as_large, small, smallest = (near_the_outline(compact_engine, each) for each in (2.0, 1.0, 0.4, 0.2))
    assert large == pytest.approx(as_large, abs=0.03) == pytest.approx(0.4, abs=0.1)
    assert small > as_large + 0.2
    assert smallest > as_large + 0.2
