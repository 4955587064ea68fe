"""Real faces, and the models, loaded once for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib.cbook
import numpy as np
import pytest
import skimage.data
from PIL import Image

from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.faces.face import ByteArray, Face
from reverse_personalization.faces.mesh import FaceMesher
from reverse_personalization.identity.dlib_resnet import DlibResNet
from reverse_personalization.identity.sface import SFace
from reverse_personalization.identity.verification import Verifier

Box = tuple[float, ...]


def pytest_configure() -> None:
    """Two processes test side by side: threads of theirs would wait for each other, and spin while they do."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")


@dataclass(frozen=True, eq=False)
class Portrait:
    """A photo (uint8 H x W x 3) and the one face that the detector finds in it."""

    image_rgb: ByteArray
    face: Face


@pytest.fixture(scope="session")
def detector() -> YuNetDetector:
    return YuNetDetector()


@pytest.fixture(scope="session")
def mesher() -> FaceMesher:
    return FaceMesher()


@pytest.fixture(scope="session")
def sface() -> SFace:
    return SFace()


@pytest.fixture(scope="session")
def dlib_resnet() -> DlibResNet:
    return DlibResNet()


@pytest.fixture(scope="session")
def verifier(detector: YuNetDetector, sface: SFace, dlib_resnet: DlibResNet) -> Verifier:
    return Verifier(detector, [(sface, "guide"), (dlib_resnet, "guide")])


@pytest.fixture(scope="session")
def astronaut(detector: YuNetDetector) -> Portrait:
    """Eileen Collins, from scikit-image."""
    image_rgb = np.ascontiguousarray(skimage.data.astronaut())
    return Portrait(image_rgb, detector.detect(image_rgb)[0])


@pytest.fixture(scope="session")
def hopper(detector: YuNetDetector) -> Portrait:
    """Grace Hopper, from matplotlib."""
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        image_rgb = np.array(Image.open(file).convert("RGB"))
    return Portrait(image_rgb, detector.detect(image_rgb)[0])


@pytest.fixture(scope="session", params=["astronaut", "hopper"])
def portrait(request: pytest.FixtureRequest) -> Portrait:
    given: Portrait = request.getfixturevalue(request.param)
    return given


@pytest.fixture(scope="session")
def overlap() -> Callable[[Box, Box], float]:
    """Intersection over union of two boxes (x, y, width, height)."""

    def of(a: Box, b: Box) -> float:
        width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
        height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
        shared = max(width, 0) * max(height, 0)
        return shared / (a[2] * a[3] + b[2] * b[3] - shared)

    return of
