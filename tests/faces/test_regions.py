"""Parts of a face that are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reverse_personalization.faces import topology
from reverse_personalization.faces.mesh import FaceMesher
from reverse_personalization.faces.regions import REGIONS, region_mask


@pytest.mark.parametrize("name", REGIONS)
def test_a_part_is_covered_and_little_else(name: str, portrait: Any, mesher: FaceMesher) -> None:
    points = mesher.mesh(portrait.image_rgb, portrait.face).points
    mask = region_mask([name], points, portrait.image_rgb.shape[:2])
    assert mask.dtype == np.float32
    for vertex in (vertex for ring in REGIONS[name] for vertex in ring):
        x, y = np.round(points[vertex]).astype(int)
        assert mask[y, x] == 1
    outline = points[list(topology.FACE_OVAL)]
    assert 0 < mask.sum() < 0.25 * np.prod(np.ptp(outline, axis=0))


def test_parts_add_up_and_none_is_nothing(portrait: Any, mesher: FaceMesher) -> None:
    points = mesher.mesh(portrait.image_rgb, portrait.face).points
    size = portrait.image_rgb.shape[:2]
    both, eyes, mouth = (region_mask(names, points, size) for names in (["eyes", "mouth"], ["eyes"], ["mouth"]))
    np.testing.assert_array_equal(both, np.maximum(eyes, mouth))
    assert not region_mask([], points, size).any()


def test_a_part_outside_the_picture_is_cut_off(portrait: Any, mesher: FaceMesher) -> None:
    points = mesher.mesh(portrait.image_rgb, portrait.face).points
    assert not region_mask(["eyes"], points + 10_000, (50, 60)).any()
