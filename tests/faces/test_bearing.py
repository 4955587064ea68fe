"""Where a face looks is told where it can be read."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from reverse_personalization.faces.bearing import READABLE, Onlooker
from reverse_personalization.faces.detection import YuNetDetector


@pytest.mark.parametrize(("size", "reads"), [(READABLE - 8, False), (READABLE + 12, True)])
def test_eyes_of_a_few_pixels_look_nowhere(portrait: Any, size: float, reads: bool) -> None:
    share = size / portrait.face.size
    small = cv2.resize(portrait.image_rgb, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    face = YuNetDetector(turned=False).detect(small)[0]
    look = Onlooker().look(small, face)
    assert np.isfinite(look.gaze).all() == reads
    assert all(np.isfinite(ring).all() for ring in look.eyes)
