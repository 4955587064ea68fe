"""Finding faces: YuNet over several scales and quarter turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Protocol

import cv2
import numpy as np

from reverse_personalization import weights
from reverse_personalization.faces.face import ByteArray, Face, FloatArray

# Long sides, in pixels, at which a picture is searched: the small ones find faces that fill it, the large
# ones small faces. One search misses both ends: YuNet finds faces of about 12 to 300 pixels.
SCALES = (320, 640, 1280, 2560)
TURNED_SCALES = (320, 640)
# A head that lies is rarer than an upright one, and what a turn finds upside down is often no face.
TURNED_THRESHOLD = 0.75
OVERLAP = 0.35
# Of inputs of 32 pixels and less, OpenCV's network makes boxes of uninitialised numbers.
LEAST_INPUT = 64
# In units of a face's size: how far its surroundings reach, and how far it may have moved when found again.
SURROUNDINGS = 0.8
AGAIN = 0.35


class Detector(Protocol):
    """Finds faces in a picture."""

    def detect(self, image_rgb: ByteArray) -> list[Face]:
        """Faces of an upright uint8 H x W x 3 picture, largest first."""
        ...

    def find_again(self, image_rgb: ByteArray, face: Face) -> Face | None:
        """The face that now lies where `face` lay in the picture's former state, or None."""
        ...


class YuNetDetector:
    """YuNet (OpenCV zoo), over scales and quarter turns, merged."""

    def __init__(self, *, threshold: float = 0.6, turned: bool = True, scales: Sequence[int] = SCALES) -> None:
        """Load the network.

        Args:
            threshold: least score of a face, 0 to 1.
            turned: search for lying and upside-down faces too.
            scales: long sides, in pixels, at which a picture is searched.
        """
        self._threshold, self._scales = threshold, tuple(scales)
        self._turned = (1, 2, 3) if turned else ()
        least = min(threshold, TURNED_THRESHOLD)
        self._net, self._lying_net = (
            cv2.FaceDetectorYN.create(str(weights.path("yunet")), "", (320, 320), least, 0.3, 5000) for _ in range(2)
        )

    def detect(self, image_rgb: ByteArray) -> list[Face]:
        """Faces of an upright uint8 H x W x 3 picture, largest first."""
        found = [face for face in self._search(image_rgb) if face.score >= self._threshold]
        return sorted(_suppress(found), key=lambda face: -face.size)

    def find_again(self, image_rgb: ByteArray, face: Face) -> Face | None:
        """The face that now lies where `face` lay in the picture's former state, or None."""
        crop, (left, top) = surroundings(image_rgb, face)
        found = [
            f.moved(-left, -top)
            for f in _search_at(self._net, crop, SCALES[0] / max(crop.shape[:2]), turns=_turns_of(face))
            if f.score >= self._threshold
        ]
        near = [f for f in found if is_near(f, face)]
        return max(near, key=lambda f: f.score, default=None)

    def _search(self, image_rgb: ByteArray) -> Iterator[Face]:
        long_side = max(image_rgb.shape[:2])
        searches = [(scale, 0) for scale in _useful(self._scales, long_side)]
        searches += [(scale, turns) for turns in self._turned for scale in _useful(TURNED_SCALES, long_side)]
        # In this order an input seldom has another size than the one before, which would cost as much as a search, and
        # networks, which keep their last input's memory, end with little.
        upright, lying = (sorted((one for one in searches if one[1] % 2 == odd), reverse=True) for odd in (0, 1))
        with ThreadPoolExecutor(1) as aside:
            beside = aside.submit(_search_all, self._lying_net, image_rgb, lying) if lying else None
            yield from _search_all(self._net, image_rgb, upright)
            yield from beside.result() if beside else ()


def _search_all(net: cv2.FaceDetectorYN, image_rgb: ByteArray, searches: Sequence[tuple[int, int]]) -> list[Face]:
    """What is found at long sides of so many pixels, after so many quarter turns."""
    found = []
    for scale, turns in searches:
        for face in _search_at(net, image_rgb, scale / max(image_rgb.shape[:2]), turns=turns):
            # A net that is shown a face upside down may invent an upright one.
            if turns == 0 or (face.score >= TURNED_THRESHOLD and _turns_of(face) == turns):
                found.append(face)
    return found


def _search_at(net: cv2.FaceDetectorYN, image_rgb: ByteArray, scale: float, *, turns: int) -> Iterator[Face]:
    height, width = image_rgb.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    searched = np.rot90(cv2.resize(image_rgb, size, interpolation=interpolation), turns)
    below, beside = (max(0, LEAST_INPUT - side) for side in searched.shape[:2])
    bgr = cv2.cvtColor(np.ascontiguousarray(searched), cv2.COLOR_RGB2BGR)
    bgr = cv2.copyMakeBorder(bgr, 0, below, 0, beside, cv2.BORDER_CONSTANT)
    net.setInputSize((bgr.shape[1], bgr.shape[0]))
    _, rows = net.detect(bgr)
    stretch = np.array([width / size[0], height / size[1]], np.float32)
    for row in rows if rows is not None else ():
        yield _face_from_row(row, size, stretch, turns)


def surroundings(image_rgb: ByteArray, face: Face) -> tuple[ByteArray, tuple[int, int]]:
    """The part of a picture around a face, as a view, and its left and top in the picture."""
    x, y, w, h = face.box
    reach = SURROUNDINGS * face.size
    height, width = image_rgb.shape[:2]
    left, right = (int(v) for v in np.clip([x - reach, x + w + reach], 0, width))
    top, bottom = (int(v) for v in np.clip([y - reach, y + h + reach], 0, height))
    return image_rgb[top:bottom, left:right], (left, top)


def is_near(found: Face, face: Face) -> bool:
    """Whether a face lies where another one lay."""
    return bool(np.abs(found.keypoints - face.keypoints).max() < AGAIN * face.size)


def _turns_of(face: Face) -> int:
    """How many counter-clockwise quarter turns of the picture set the face upright, 0 to 3."""
    x, y = face.keypoints[3:].mean(0) - face.keypoints[:2].mean(0)
    if abs(y) >= abs(x):
        return 0 if y > 0 else 2
    return 1 if x < 0 else 3


def _useful(scales: Sequence[int], long_side: int) -> list[int]:
    """The scales up to the first that shows every pixel; even a tiny picture is searched enlarged."""
    enough = [low for low, high in pairwise((0, *scales)) if low < long_side]
    return list(scales[: max(len(enough), 2)])


def _face_from_row(row: FloatArray, size: tuple[int, int], stretch: FloatArray, turns: int) -> Face:
    x, y, w, h = row[:4]
    corners = np.array([[x, y], [x + w, y + h]], np.float32)
    corners = _turn_back(corners, size, turns) * stretch
    low, high = corners.min(0), corners.max(0)
    keypoints = _turn_back(row[4:14].reshape(5, 2), size, turns) * stretch
    box = (float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))
    return Face(box=box, keypoints=keypoints.astype(np.float32), score=float(row[14]))


def _turn_back(points: FloatArray, size: tuple[int, int], turns: int) -> FloatArray:
    """Undo `turns` counter-clockwise quarter turns of a picture of `size` (width, height)."""
    width, height = size
    x, y = points[:, 0], points[:, 1]
    if turns == 1:
        return np.stack([width - y, x], 1)
    if turns == 2:
        return np.stack([width - x, height - y], 1)
    if turns == 3:
        return np.stack([y, height - x], 1)
    return points


def _suppress(faces: list[Face]) -> list[Face]:
    """Non-maximum suppression, by overlap over the smaller box: one head at two scales is one face."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(_overlap(face.box, other.box) < OVERLAP for other in kept):
            kept.append(face)
    return kept


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    smaller = min(a[2] * a[3], b[2] * b[3])
    return max(width, 0.0) * max(height, 0.0) / max(smaller, 1e-6)
