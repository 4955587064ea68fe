"""Similarity transforms between a picture and the frames in which networks expect a face."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from reverse_personalization.faces.face import ByteArray, FloatArray

# Where ArcFace-style recognisers expect the five keypoints in a 112 x 112 crop.
ARCFACE_TEMPLATE: FloatArray = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    dtype=np.float32,
)


def similarity_transform(source: FloatArray, target: FloatArray) -> FloatArray:
    """Least-squares similarity from `source` to `target` points (Umeyama 1991).

    Args:
        source: n x d points.
        target: n x d points.

    Returns:
        float32 d x (d + 1): scaled rotation, then translation; `x @ M[:, :d].T + M[:, d]`.
    """
    d = source.shape[1]
    source_mean, target_mean = source.mean(0), target.mean(0)
    centred = (source - source_mean).astype(np.float64)
    u, singular, vt = np.linalg.svd((target - target_mean).T @ centred / len(source))
    sign = np.ones(d)
    if np.linalg.det(u) * np.linalg.det(vt) < 0:
        sign[-1] = -1
    rotation = (u * sign) @ vt
    scale = (singular * sign).sum() / centred.var(0).sum()
    matrix = scale * rotation
    return np.column_stack([matrix, target_mean - matrix @ source_mean]).astype(np.float32)


def transform_points(matrix: FloatArray, points: FloatArray) -> FloatArray:
    """Apply a d x (d + 1) affine transform to n x d points."""
    d = points.shape[1]
    return (points @ matrix[:, :d].T + matrix[:, d]).astype(np.float32)


def invert_transform(matrix: FloatArray) -> FloatArray:
    """Inverse of a 2 x 3 affine transform."""
    return cast(FloatArray, cv2.invertAffineTransform(matrix).astype(np.float32))


def warp_square(image_rgb: ByteArray, matrix: FloatArray, size: int) -> ByteArray:
    """Cut a `size` x `size` crop, antialiased when it shrinks the picture.

    Args:
        image_rgb: uint8 H x W x 3.
        matrix: 2 x 3, from picture to crop pixels.
        size: side of the crop, pixels.
    """
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    shrink = int(np.floor(1 / max(scale, 1e-6)))
    if shrink < 2:
        return cast(ByteArray, cv2.warpAffine(image_rgb, matrix, (size, size), flags=cv2.INTER_LINEAR))
    # A larger crop averaged down: an area filter that cv2.warpAffine itself does not have.
    enlarged = (matrix * shrink).astype(np.float32)
    enlarged[:, 2] += (shrink - 1) / 2
    large = cv2.warpAffine(image_rgb, enlarged, (size * shrink, size * shrink), flags=cv2.INTER_LINEAR)
    return cast(ByteArray, cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA))


def arcface_crop(image_rgb: ByteArray, keypoints: FloatArray) -> tuple[ByteArray, FloatArray]:
    """The 112 x 112 crop on ArcFace's template, and the 2 x 3 transform that made it."""
    matrix = similarity_transform(keypoints, ARCFACE_TEMPLATE)
    return warp_square(image_rgb, matrix, 112), matrix
