"""What a recogniser is to this project."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from reverse_personalization.faces.face import ByteArray, Face, FloatArray


class Recogniser(Protocol):
    """Turns a face into an embedding whose cosine tells people apart."""

    @property
    def name(self) -> str:
        """Short name, as in the weights table and in records."""
        ...

    def embed(self, image_rgb: ByteArray, face: Face) -> FloatArray:
        """Embed one face.

        Args:
            image_rgb: uint8 H x W x 3, upright.
            face: where the face is in that picture.

        Returns:
            float32 d, as the network gives it. Compare with `similarity`.
        """
        ...

    def similarity(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """Similarity of every row of `a` (n x d) with every row of `b` (m x d); higher is more alike."""
        ...


def cosine(a: FloatArray, b: FloatArray) -> FloatArray:
    """Cosine of every row of `a` (n x d) with every row of `b` (m x d), float32 n x m."""
    a = np.atleast_2d(a) / np.linalg.norm(np.atleast_2d(a), axis=1, keepdims=True)
    b = np.atleast_2d(b) / np.linalg.norm(np.atleast_2d(b), axis=1, keepdims=True)
    return (a @ b.T).astype(np.float32)


def unit(embedding: FloatArray) -> FloatArray:
    """An embedding (d) of length 1."""
    return np.asarray(embedding / max(float(np.linalg.norm(embedding)), 1e-6), np.float32)
