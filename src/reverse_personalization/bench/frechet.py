"""Frechet distance between sets of features. It is an FID only in Inception's pool3 features, and these are not."""

from __future__ import annotations

import numpy as np

from reverse_personalization.faces.face import FloatArray


def frechet_distance(one: FloatArray, other: FloatArray) -> float:
    """Frechet distance of two normal distributions fitted to features n x d and m x d (Dowson and Landau 1982).

    NaN where one of them has fewer than two rows.
    """
    p, q = (x[~np.isnan(x).any(1)].astype(np.float64) for x in (one, other))
    if min(len(p), len(q)) < 2:
        return float("nan")
    means = p.mean(0) - q.mean(0)
    a, b = np.cov(p.T), np.cov(q.T)
    # The trace of the root of a b, from the eigenvalues of a matrix that is symmetric.
    values, vectors = np.linalg.eigh(a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ b @ root), 0)).sum()
    return float(means @ means + np.trace(a) + np.trace(b) - 2 * shared)
