"""What is kept of a photo besides identity: expression, gaze, head pose, light, and everything outside the face."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reverse_personalization.bench.embedding import MAX_PIXELS
from reverse_personalization.bench.observing import Observation
from reverse_personalization.errors import ReversePersonalizationError
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.media.images import read_photo

# Least score of the detector at which a face counts as found again.
FOUND = 0.8
# Pixels, as a share of the face's width, that the mask of the face is widened by.
MASK_MARGIN = 0.02
DRAWS = 2000


@dataclass(frozen=True)
class Spread:
    """A quantity over photos.

    Attributes:
        median, low, high: the median and its 95 % bootstrap interval.
        p95: 95th percentile.
        mean: arithmetic mean.
        count: photos that it is known of.
    """

    median: float
    low: float
    high: float
    p95: float
    mean: float
    count: int


def spread(values: NDArray[np.floating], seed: int = 0) -> Spread:
    """Median with a bootstrap interval, of the values that are finite."""
    known = values[np.isfinite(values)]
    if not len(known):
        nan = float("nan")
        return Spread(nan, nan, nan, nan, nan, 0)
    drawn = np.random.default_rng(seed).choice(known, (DRAWS, len(known)))
    low, high = np.quantile(np.median(drawn, 1), [0.025, 0.975])
    return Spread(
        float(np.median(known)),
        float(low),
        float(high),
        float(np.quantile(known, 0.95)),
        float(known.mean()),
        len(known),
    )


def pose_change(before: Sequence[Observation], after: Sequence[Observation]) -> FloatArray:
    """Angle between head rotations, degrees."""
    turns = [b.pose.T @ a.pose for b, a in zip(before, after, strict=True)]
    traces = np.array([np.trace(turn) for turn in turns])
    return np.degrees(np.arccos(np.clip((traces - 1) / 2, -1, 1))).astype(np.float32)


def gaze_change(before: Sequence[Observation], after: Sequence[Observation]) -> FloatArray:
    """Angle between gazes, degrees."""
    pairs = zip(before, after, strict=True)
    return np.array([np.linalg.norm(b.gaze - a.gaze) for b, a in pairs], np.float32)


def expression_change(before: Sequence[Observation], after: Sequence[Observation]) -> FloatArray:
    """Distance of expressions, as a share of the mean distance between different photos' expressions."""
    one, other = (np.stack([o.expression for o in of]) for of in (before, after))
    known = one[~np.isnan(one).any(1)]
    if len(known) < 2:
        return np.full(len(one), np.nan, np.float32)
    scale = known.std(0) + 1e-6
    one, other, known = one / scale, other / scale, known / scale
    apart = np.linalg.norm(known[:, None] - known[None], axis=2)
    usual = apart[np.triu_indices(len(known), 1)].mean()
    return np.asarray(np.linalg.norm(one - other, axis=1) / usual, np.float32)


def landmark_change(before: Sequence[Observation], after: Sequence[Observation]) -> FloatArray:
    """Mean distance of the mesh's points, as a share of the distance between the eyes' outer corners."""
    changes = []
    for b, a in zip(before, after, strict=True):
        eyes = np.linalg.norm(b.points[33] - b.points[263])
        changes.append(np.linalg.norm(b.points - a.points, axis=1).mean() / eyes)
    return np.array(changes, np.float32)


def colour_change(before: Sequence[Observation], after: Sequence[Observation]) -> FloatArray:
    """Difference of the face's mean colour (CIE 1976)."""
    pairs = zip(before, after, strict=True)
    return np.array([np.linalg.norm(b.colour - a.colour) for b, a in pairs], np.float32)


def quality_lost(before: Sequence[Observation], after: Sequence[Observation]) -> FloatArray:
    """Share by which the length of SFace's features falls; negative where it grows.

    A recogniser's features shorten where a face is blurred, dark or no good face (Ranjan et al. 2017; Meng et al.
    2021, MagFace), so that their length is a measure of face quality that needs no other network.
    """
    one, other = (np.array([np.linalg.norm(o.embeddings["sface"]) for o in of]) for of in (before, after))
    return np.asarray(1 - other / one, np.float32)


def score_lost(name: str, before: Sequence[Observation], after: Sequence[Observation]) -> FloatArray:
    """By how much the one number falls that a network of face quality gives."""
    pairs = zip(before, after, strict=True)
    return np.array([b.embeddings[name][0] - a.embeddings[name][0] for b, a in pairs], np.float32)


def found_again(after: Sequence[Observation]) -> NDArray[np.bool_]:
    """Whether the detector finds a face with a score above `FOUND`."""
    return np.array([o.score > FOUND for o in after])


def changed_outside(
    sources: Sequence[Path],
    outputs: Sequence[Path | None],
    before: Sequence[Observation],
    progress: Callable[[int, int], None],
) -> FloatArray:
    """Share of pixels outside the face's outline that changed; NaN where there is no output or no mesh."""
    shares = []
    for done, (source, output, seen) in enumerate(zip(sources, outputs, before, strict=True), 1):
        shares.append(_outside(source, output, seen))
        progress(done, len(sources))
    return np.array(shares, np.float32)


def _outside(source: Path, output: Path | None, seen: Observation) -> float:
    if output is None or np.isnan(seen.points).any():
        return float("nan")
    try:
        one = read_photo(source, max_pixels=MAX_PIXELS).image_rgb
        other = read_photo(output, max_pixels=MAX_PIXELS).image_rgb
    except ReversePersonalizationError:
        return float("nan")
    if one.shape != other.shape:
        return float("nan")
    face = np.zeros(one.shape[:2], np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(np.round(seen.points).astype(np.int32)), 1)
    reach = 2 * round(MASK_MARGIN * float(np.ptp(seen.points[:, 0]))) + 3
    outside = cv2.dilate(face, np.ones((reach, reach), np.uint8)) == 0
    return float((one != other).any(2)[outside].mean()) if outside.any() else 0.0
