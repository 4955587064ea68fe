"""What lies on a face is told from the face: frames, however thin or light, strands, hands; marks in skin are not."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from reverse_personalization.engines.compact.codec import FaceCodec
from reverse_personalization.engines.compact.engine import CompactEngine
from reverse_personalization.engines.compact.frame import SIZE
from reverse_personalization.engines.compact.obstacles import _softened
from reverse_personalization.faces import topology
from reverse_personalization.faces.mesh import FaceMesher

CHEEK, FOREHEAD, CHIN = 205, 10, 152


@pytest.fixture(scope="module")
def codec(compact_engine: CompactEngine) -> FaceCodec:
    return compact_engine._codec


@pytest.fixture(scope="module")
def mesh(astronaut: Any) -> Any:
    return FaceMesher().mesh(astronaut.image_rgb, astronaut.face)


def hidden(codec: FaceCodec, astronaut: Any, mesh: Any, drawn: Any, colour: tuple[int, int, int]) -> tuple[Any, Any]:
    """Where something is taken to be hidden once a mask is drawn over the portrait, and where it is."""
    there = drawn[..., None]
    image = np.rint(astronaut.image_rgb * (1 - there) + np.array(colour) * there).astype(np.uint8)
    found = 1 - codec.encode(image, mesh).explained
    drawn_there = codec.frame.sample(np.repeat(np.rint(255 * there), 3, 2).astype(np.uint8), mesh.points)[..., 0]
    return found, np.where(codec.frame.modelled, drawn_there, 0)


def found_on(codec: FaceCodec, texture: Any, missed: Any = None) -> Any:
    finder = codec._obstacles
    return finder.hidden(finder.look(texture, np.ones((SIZE, SIZE), np.float32)), missed=missed)


def rims(astronaut: Any, mesh: Any, share: float) -> Any:
    """Two rounds and a bridge, of a width that is a share of the face's."""
    drawn = np.zeros(astronaut.image_rgb.shape[:2], np.float32)
    width = float(np.ptp(mesh.points[:, 0]))
    centres = [mesh.points[list(eye)].mean(0) for eye in (topology.RIGHT_EYE, topology.LEFT_EYE)]
    line = max(1, round(share * width))
    for centre in centres:
        cv2.ellipse(
            drawn, tuple(map(round, centre)), (round(0.17 * width), round(0.12 * width)), 0, 0, 360, 1, line, 16
        )
    inner = [(round(x + side * 0.17 * width), round(y)) for (x, y), side in zip(centres, (1, -1), strict=True)]
    cv2.line(drawn, *inner, 1, line, 16)
    return drawn


@pytest.mark.parametrize("share", [0.012, 0.03])
@pytest.mark.parametrize("colour", [(20, 20, 25), (235, 235, 240), (190, 150, 80), (120, 60, 40)])
def test_frames_are_found(
    share: float, colour: tuple[int, int, int], codec: FaceCodec, astronaut: Any, mesh: Any
) -> None:
    found, there = hidden(codec, astronaut, mesh, rims(astronaut, mesh, share), colour)
    assert found[there > 0.6].mean() > 0.5
    before, _ = hidden(codec, astronaut, mesh, np.zeros(astronaut.image_rgb.shape[:2], np.float32), colour)
    elsewhere = codec.frame.modelled & (cv2.dilate(there, np.ones((7, 7))) == 0)
    assert (found - before)[elsewhere].mean() < 0.04  # her fringe lies on her forehead anyhow


def test_strands_are_found(codec: FaceCodec, astronaut: Any, mesh: Any) -> None:
    drawn = np.zeros(astronaut.image_rgb.shape[:2], np.float32)
    x, y = mesh.points[FOREHEAD]
    width = float(np.ptp(mesh.points[:, 0]))
    for place in np.linspace(-0.25, 0.25, 14):
        start, end = (x + place * width, y - 0.1 * width), (x + (place + 0.06) * width, y + 0.3 * width)
        cv2.line(drawn, tuple(map(round, start)), tuple(map(round, end)), 1, max(1, round(0.015 * width)), 16)
    found, there = hidden(codec, astronaut, mesh, drawn, (30, 22, 18))
    assert found[there > 0.6].mean() > 0.6


def test_a_hand_before_the_mouth_is_found(codec: FaceCodec, astronaut: Any, mesh: Any) -> None:
    drawn = np.zeros(astronaut.image_rgb.shape[:2], np.float32)
    x, y = mesh.points[CHIN]
    width = float(np.ptp(mesh.points[:, 0]))
    for place in (-0.18, -0.06, 0.06, 0.18):
        ends = (x + place * width, y + 0.2 * width), (x + place * width, y - 0.35 * width)
        cv2.line(drawn, *(tuple(map(round, end)) for end in ends), 1, round(0.1 * width), 16)
    found, there = hidden(codec, astronaut, mesh, drawn, (196, 140, 115))
    assert found[there > 0.6].mean() > 0.6


def test_moles_and_the_face_itself_are_no_obstacles(codec: FaceCodec, astronaut: Any, mesh: Any) -> None:
    nothing = np.zeros(astronaut.image_rgb.shape[:2], np.float32)
    mole = nothing.copy()
    cv2.circle(mole, tuple(map(round, mesh.points[CHEEK])), round(0.02 * float(np.ptp(mesh.points[:, 0]))), 1, -1, 16)
    for drawn in (nothing, mole):
        found, _ = hidden(codec, astronaut, mesh, drawn, (60, 35, 30))
        inside = codec.frame.modelled & (codec.frame.inward > 20)
        assert found[inside].mean() < 0.03


def test_borders_are_soft_where_the_face_shows_none() -> None:
    seen, share = np.ones((SIZE, SIZE), np.float32), np.zeros((SIZE, SIZE), np.float32)
    share[40:80, 40:80] = 1
    edge = np.where(np.arange(SIZE) < 60, 0.3, 0.6).astype(np.float32)[:, None] * seen
    of_shadow, of_object = _softened(share, 0.5 * seen, seen), _softened(share, 0.5 * seen + 0.3 * share, seen)
    assert np.abs(np.diff(of_shadow[30:50, 60])).max() < 0.4 < np.abs(np.diff(of_object[30:50, 60])).max()
    assert of_object[37, 60] < 0.1
    assert of_object[41, 60] > 0.9
    assert _softened(share, edge, seen)[60, 60] == pytest.approx(1, abs=0.01)


def test_what_is_thin_is_not_softened() -> None:
    seen, share = np.ones((SIZE, SIZE), np.float32), np.zeros((SIZE, SIZE), np.float32)
    share[60:63] = 1
    np.testing.assert_allclose(_softened(share, 0.5 * seen, seen), share, atol=0.01)


EYE, OTHER_EYE = topology.RIGHT_EYE[0], topology.LEFT_EYE[0]


@pytest.mark.parametrize(
    ("marks", "kept"),
    [
        ({4: 5}, False),
        ({4: 11}, True),
        ({17: 5}, False),
        ({FOREHEAD: 5}, True),
        ({EYE: 5}, False),
        ({EYE: 9}, True),
        ({EYE: 5, OTHER_EYE: 7}, True),
    ],
)
def test_small_marks_count_only_where_glasses_and_hair_are(
    marks: dict[int, int], kept: bool, codec: FaceCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shadow of a nose's bridge or tip, or of a lip, is no obstacle, which would leave a speck of the source."""
    sure = np.zeros((SIZE, SIZE), np.float32)
    for vertex, side in marks.items():
        x, y = np.rint(codec.frame.vertices[vertex]).astype(int)
        sure[max(y - side // 2, 0) :, x - side // 2 :][:side, :side] = 1
    monkeypatch.setattr(codec._obstacles, "_surely", lambda planes, seen: sure)
    noise = np.random.default_rng(0).random((SIZE, SIZE, 3)).astype(np.float32)
    found = found_on(codec, noise) > 0.1
    assert bool(found[sure == 1].all()) == kept
    assert bool(found.any()) == kept


@pytest.mark.parametrize(
    ("sure", "faint", "wide", "kept"),
    [(1.0, 0.4, 2, True), (0.5, 0.4, 2, False), (1.0, 0.2, 2, False), (1.0, 0.4, 12, False)],
)
def test_rims_go_on_as_faint_lines(
    sure: float, faint: float, wide: int, kept: bool, codec: FaceCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a pair of glasses would stay: but the shadow of an eye is wide, and without a rim there is none to go on."""
    surely = np.zeros((SIZE, SIZE), np.float32)
    x, y = np.rint(codec.frame.vertices[EYE]).astype(int)
    surely[y - 10 : y + 4, x : x + wide] = faint
    surely[y - 12 : y - 10, x : x + 34] = sure
    monkeypatch.setattr(codec._obstacles, "_surely", lambda planes, seen: surely)
    noise = np.random.default_rng(0).random((SIZE, SIZE, 3)).astype(np.float32)
    found = found_on(codec, noise)
    assert bool((found[y - 6 : y + 2, x] > 0.8).all()) == kept


@pytest.fixture
def half_glasses(codec: FaceCodec, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A square rim of which the network is sure in one half, and hardly in the other; and where it is, in both."""
    both = np.zeros((SIZE, SIZE), np.uint8)
    x, y = map(int, np.rint(codec.frame.vertices[list(topology.LEFT_EYE)].mean(0)))
    cv2.rectangle(both, (x - 14, y - 9), (x + 14, y + 9), 1, 2)
    sure = both.copy()
    both |= both[:, ::-1]
    surely = np.where(sure > 0, 0.9, 0.2 * both).astype(np.float32)
    monkeypatch.setattr(codec._obstacles, "_surely", lambda planes, seen: surely)
    other = np.asarray(sure[:, ::-1] > 0)
    return np.full((SIZE, SIZE, 3), 0.5, np.float32), both > 0, other & (sure == 0)


def test_rims_are_found_where_those_of_the_other_half_are(codec: FaceCodec, half_glasses: Any) -> None:
    """Codes miss frames, which are no part of faces, by much."""
    texture, both, other = half_glasses
    missed = 0.01 + 0.1 * both
    assert not (found_on(codec, texture)[other] > 0.5).any()
    assert (found_on(codec, texture, missed)[other] > 0.8).mean() > 0.9
    assert not (found_on(codec, texture, missed)[codec.frame.from_eyes > 35] > 0.1).any()


def test_what_codes_let_expect_is_no_obstacle(codec: FaceCodec, half_glasses: Any) -> None:
    """The shadows of deep eyes and of the bridge between them had stayed as a bar over a bare nose."""
    texture, both, _ = half_glasses
    nothing = np.full((SIZE, SIZE), 0.01)
    assert found_on(codec, texture, nothing + 0.1 * both)[both].mean() > 0.8
    assert not (found_on(codec, texture, nothing) > 0.1).any()


@pytest.mark.parametrize("both", [True, False])
def test_codes_miss_little_of_rims_in_small_photos(
    codec: FaceCodec, half_glasses: Any, monkeypatch: pytest.MonkeyPatch, both: bool
) -> None:
    """What is seen before one eye, and is missed as little, is a socket or a brow."""
    texture, rims, _ = half_glasses
    worn = rims.copy()
    if both:
        inner = np.flatnonzero(rims.any(0))
        worn[round(codec.frame.vertices[EYE, 1]), inner[0] : inner[-1]] = True
    else:
        worn[:, : SIZE // 2] = False
    monkeypatch.setattr(codec._obstacles, "_surely", lambda planes, seen: np.where(worn, 0.9, 0).astype(np.float32))
    missed = np.where(worn, 0.017, 0.01)
    assert (found_on(codec, texture, missed)[worn].mean() > 0.8) == both
