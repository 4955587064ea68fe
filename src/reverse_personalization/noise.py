"""Noise that hangs on a run's key and on what it is for, never on the order in which it is drawn."""

from __future__ import annotations

import json
import secrets
from hashlib import blake2b

import numpy as np


class KeyedNoise:
    """The source of all random numbers of a run.

    Without a seed the key is a fresh secret of 256 bits, so that nobody can anonymize a gallery of known
    faces with the same noise and compare. A seed makes the run repeatable, by whoever knows or guesses it.
    """

    __slots__ = ("_key", "repeatable")

    def __init__(self, seed: int | None = None) -> None:
        """Draw the run's key, or derive it from a seed."""
        self._key = secrets.token_bytes(32) if seed is None else _digest(b"seed", seed)
        self.repeatable = seed is not None

    def generator(self, *labels: str | int) -> np.random.Generator:
        """A generator of its own for each sequence of labels, say a face's index and a purpose.

        The same key and labels always begin the same stream; those of other labels are independent of it.
        """
        return np.random.Generator(np.random.PCG64(int.from_bytes(_digest(self._key, *labels), "big")))

    def __repr__(self) -> str:
        """Everything but the key."""
        return f"{type(self).__name__}(repeatable={self.repeatable})"


def _digest(key: bytes, *labels: str | int) -> bytes:
    # JSON tells ("a", "b") from ("ab",) and 1 from "1".
    return blake2b(json.dumps(labels).encode(), digest_size=32, key=key, person=b"revpers.noise").digest()
