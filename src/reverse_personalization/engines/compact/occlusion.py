"""What lies on a face and is no part of it: hair, glasses, hands."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reverse_personalization.engines.compact.frame import CanonicalFrame
from reverse_personalization.faces.face import FloatArray

# Residuals of this many standard deviations are something on the face, not the face.
OUTLIER = 2.5
# Errors are looked at over so many texels. From an outlier on, thin lines of so many standard deviations belong to it:
# frames of glasses go on where they are hardly seen.
AREA_SCALE, LINE_SCALE, ALONG = 2.0, 1.0, 2.2
# Something large is told by its colour as well, which counts so much more than luma, as skin has nearly one: by so many
# standard deviations, as far as there are still so many around there, and if it has so many texels.
OF_COLOUR, AROUND, CHROMA_TELLS, LARGE = 2.8, 1.8, 4.0, 300
# The standard deviation of colours is told by so many times the median error.
OF_MEDIAN = 1.5
LEAST_SPREAD, MOST_SPREAD = 0.15, 0.6
# What lies with such a share of it on a brow, and with such a share on brow and eye, is a brow that the codes do not
# hold, unless so many texels below both eyes are no part of the face either, or such a share of its mirror image is
# something else: those are frames.
ON_BROW, ON_BROW_OR_EYE, BELOW, MIRRORED = 0.3, 0.6, 80, 0.3
# What has fewer texels than this, and lies so many of them within the outline and apart from eyes, is a wrinkle, a mole
# or a shine: it is somebody's, and goes.
MARK, WITHIN = 100, 6.0
# So many texels around the eyes that are no part of the face are glasses. An upper rim looks like a brow to the codes:
# frames go on in lines no wider than so many texels, darker by so much than what is beside them, brighter by so much at
# most than what is seen of them, and dark anyhow (in standard deviations of luma).
GLASSES, RIM, RIM_DEPTH, RIM_BRIGHTER, RIM_LUMA = 80, 7, 0.6, 0.6, -0.8


def explained_by(residual: FloatArray, luma: FloatArray, visible: FloatArray, frame: CanonicalFrame) -> FloatArray:
    """Where codes explain a texture, float32 SIZE x SIZE, 0 or 1 with soft borders.

    Args:
        residual: float32 SIZE x SIZE x 3, what the codes leave of normalised luma, B - Y and R - Y.
        luma: float32 SIZE x SIZE, the texture's, normalised.
        visible: float32 SIZE x SIZE, 0 to 1.
        frame: where things are.
    """
    off = _dissimilar(residual, visible, frame) | _of_other_colour(residual, visible, frame)
    parts = _numbered(off)
    off &= ~(_odd_brows(off, *parts, frame) | _marks(off, *parts, frame))
    off |= _rims(off, luma, frame)
    outlier = cv2.dilate(off.astype(np.float32), np.ones((5, 5)))
    return np.asarray(1 - cv2.GaussianBlur(outlier, (0, 0), 1.5), np.float32)


def _dissimilar(residual: FloatArray, visible: FloatArray, frame: CanonicalFrame) -> NDArray[np.bool_]:
    """What is much brighter or darker than it should be, and the lines that go on from there."""
    luma, line = (_error(residual[..., :1], visible, scale) for scale in (AREA_SCALE, LINE_SCALE))
    off = np.asarray(luma > OUTLIER * _spread(luma, frame))
    return off | _parts(off | (line > ALONG * _spread(line, frame)), holding=off)


def _of_other_colour(residual: FloatArray, visible: FloatArray, frame: CanonicalFrame) -> NDArray[np.bool_]:
    """What is large, and of a colour that skin has not."""
    seen = frame.modelled & (visible > 0.5)
    planes = residual.copy()
    # What is large has moved the mean of colours and of errors; it has hardly moved their medians.
    planes[seen, 1:] -= np.median(planes[seen, 1:], axis=0)
    error = _error(planes * (1, CHROMA_TELLS, CHROMA_TELLS), visible * frame.modelled, AREA_SCALE)
    spread = min(max(OF_MEDIAN * float(np.median(error[seen])), LEAST_SPREAD), MOST_SPREAD)
    return _parts(error > AROUND * spread, holding=error > OF_COLOUR * spread, least=LARGE)


def _odd_brows(
    off: NDArray[np.bool_], numbers: NDArray[np.int32], areas: NDArray[np.int32], frame: CanonicalFrame
) -> NDArray[np.bool_]:
    """The parts of a mask that lie on brows only: glasses and hair do more than that."""
    if _on_both_sides(off & frame.below_eyes).sum() >= BELOW:
        return np.zeros_like(off)
    on_brow, on_either = (
        np.bincount(numbers.ravel(), of.ravel(), len(areas)) / areas
        for of in (frame.brows, np.maximum(*frame.features[:2]))
    )
    brows = off & np.isin(numbers, np.flatnonzero((on_brow > ON_BROW) & (on_either > ON_BROW_OR_EYE)))
    # A rim whose other half is plainly none stays with it.
    beside = np.bincount(numbers.ravel(), (off & ~brows)[:, ::-1].ravel(), len(areas)) / areas
    return brows & (beside < MIRRORED)[numbers]


def _marks(
    off: NDArray[np.bool_], numbers: NDArray[np.int32], areas: NDArray[np.int32], frame: CanonicalFrame
) -> NDArray[np.bool_]:
    """The parts of a mask that are marks in skin."""
    elsewhere = np.unique(numbers[frame.around_eyes | (frame.inward < WITHIN)])
    return off & np.isin(numbers, np.setdiff1d(np.flatnonzero(areas < MARK), elsewhere))


def _on_both_sides(off: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where a mask has something near the mirror image as well."""
    return off & (cv2.dilate(off[:, ::-1].astype(np.uint8), np.ones((RIM, RIM))) > 0)


def _rims(off: NDArray[np.bool_], luma: FloatArray, frame: CanonicalFrame) -> NDArray[np.bool_]:
    """Where the frames of glasses go on, as dark as what is seen of them."""
    glasses = off & frame.around_eyes
    if _on_both_sides(glasses).sum() < GLASSES:
        return np.zeros_like(off)
    thin = cv2.morphologyEx(luma, cv2.MORPH_BLACKHAT, np.ones((RIM, RIM))) > RIM_DEPTH
    dark = luma < min(float(np.median(luma[glasses])) + RIM_BRIGHTER, RIM_LUMA)
    return _parts(frame.around_eyes & thin & dark | glasses, holding=glasses)


def _error(planes: FloatArray, visible: FloatArray, scale: float) -> FloatArray:
    """How far texels are off, smoothed: of SIZE x SIZE x k planes, SIZE x SIZE."""
    return np.asarray(cv2.GaussianBlur(np.linalg.norm(planes, axis=2) * visible, (0, 0), scale), np.float32)


def _spread(error: FloatArray, frame: CanonicalFrame) -> float:
    """The standard deviation of errors."""
    return max(float(np.sqrt((error[frame.modelled] ** 2).mean())), LEAST_SPREAD)


def _parts(mask: NDArray[np.bool_], *, holding: NDArray[np.bool_], least: int = 1) -> NDArray[np.bool_]:
    """The connected parts of a mask that hold a texel of another one, and have at least so many."""
    numbers, areas = _numbered(mask)
    held = np.unique(numbers[holding])
    return np.isin(numbers, held[areas[held] >= least])


def _numbered(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The connected parts of a mask, numbered from 1 on, and the texels that each has; 0 is what is none."""
    _, numbers, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return np.asarray(numbers, np.int32), np.asarray(statistics[:, cv2.CC_STAT_AREA], np.int32)
