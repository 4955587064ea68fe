"""How much more a video flickers than its source where faces are, with motion taken out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from reverse_personalization.faces.face import ByteArray, FloatArray
from reverse_personalization.video.reading import VideoReader

Box = tuple[float, float, float, float]
# How far the part of the picture in which motion is looked for reaches beyond a box, in its longer sides.
REACH = 0.5


@dataclass(frozen=True)
class Flicker:
    """Differences between neighbouring frames within faces, the later one warped back by the source's motion.

    Attributes:
        source, result: medians over pairs of frames of the mean absolute difference, 0 to 255.
        pairs: how many pairs of a face in neighbouring frames were measured.
    """

    source: float
    result: float
    pairs: int

    @property
    def ratio(self) -> float:
        """The result's for the source's; 1 is no more flicker than before, infinity more than none at all."""
        return self.result / self.source if self.source > 0 else float("inf")


def flicker(source: Path, result: Path, boxes: Mapping[int, Sequence[Box]]) -> Flicker:
    """Measure two videos of the same frames.

    Args:
        source: the video before.
        result: the video after.
        boxes: of the faces, by frame: left, top, width, height in pixels. A face is measured where it is followed by
            the next frame; the frame after one without faces is left out.

    Raises:
        UnreadableVideoError: a video cannot be read.
    """
    differences: list[tuple[float, float]] = []
    with VideoReader(source) as one, VideoReader(result) as other:
        frames = zip(one.frames(), other.frames(), strict=False)
        for (before, done_before), (after, done_after) in pairwise(frames):
            for box in boxes.get(before.index, ()) if after.index in boxes else ():
                differences.append(
                    face_difference(
                        (before.image_rgb, after.image_rgb), (done_before.image_rgb, done_after.image_rgb), box
                    )
                )
    if not differences:
        return Flicker(0.0, 0.0, 0)
    medians = np.median(np.array(differences), 0)
    return Flicker(float(medians[0]), float(medians[1]), len(differences))


def face_difference(
    source: tuple[ByteArray, ByteArray], result: tuple[ByteArray, ByteArray], box: Box
) -> tuple[float, float]:
    """Mean absolute differences of a face in two neighbouring frames, of the source and of the result.

    The source's dense optical flow (DIS, Kroeger et al., 2016) takes the later frame back to the earlier one in both.

    Args:
        source: uint8 H x W x 3, before and after.
        result: the same frames of the result.
        box: left, top, width, height in pixels, in the earlier frame.
    """
    rows, columns, inside = _part(source[0].shape, box)
    before, after = (np.ascontiguousarray(image[rows, columns]) for image in source)
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (before, after)]
    motion = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(grey[0], grey[1], None)  # type: ignore[call-overload]
    done_before, done_after = (np.ascontiguousarray(image[rows, columns]) for image in result)
    return _difference(before, after, motion, inside), _difference(done_before, done_after, motion, inside)


def _part(shape: tuple[int, ...], box: Box) -> tuple[slice, slice, tuple[slice, slice]]:
    """Rows and columns around a box, and where the box is in them."""
    x, y, w, h = box
    reach = REACH * max(w, h)
    top, bottom = (int(np.clip(v, 0, shape[0])) for v in (y - reach, y + h + reach))
    left, right = (int(np.clip(v, 0, shape[1])) for v in (x - reach, x + w + reach))
    within = (
        slice(max(0, round(y) - top), max(0, round(y + h) - top)),
        slice(max(0, round(x) - left), max(0, round(x + w) - left)),
    )
    return slice(top, bottom), slice(left, right), within


def _difference(before: ByteArray, after: ByteArray, motion: FloatArray, inside: tuple[slice, slice]) -> float:
    height, width = motion.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), 2).astype(np.float32)
    at = cast(FloatArray, grid + motion)
    back = cv2.remap(after, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return float(np.abs(before[inside].astype(np.float32) - back[inside]).mean())
