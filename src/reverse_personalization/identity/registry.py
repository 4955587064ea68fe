"""Who was met before in a run, so that one person gets one stranger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.verification import Verifier


@dataclass(eq=False)
class Person:
    """Somebody who was met.

    Attributes:
        number: in the order of meeting, from 0.
        embeddings: per recogniser, the mean of the photos met so far.
        photos: how many these are.
        change: of an engine's latents, which made a stranger of the person; None until one verified.
    """

    number: int
    embeddings: dict[str, FloatArray]
    photos: int = 1
    change: Any = None


class Registry:
    """The people of a run. It lives in memory only."""

    def __init__(self, verifier: Verifier) -> None:
        """Begin with nobody."""
        self._verifier = verifier
        self.people: list[Person] = []

    def meet(self, embeddings: Mapping[str, FloatArray]) -> Person:
        """The person with such embeddings: somebody whom every recogniser takes for the same, or somebody new."""
        alike = [(p, self._verifier.agree(embeddings, p.embeddings)) for p in self.people]
        known = [(score, person.number) for person, score in alike if score is not None]
        if not known:
            self.people.append(Person(len(self.people), dict(embeddings)))
            return self.people[-1]
        person = self.people[max(known)[1]]
        for name, embedding in embeddings.items():
            mean = person.embeddings[name]
            person.embeddings[name] = mean + (embedding - mean) / np.float32(person.photos + 1)
        person.photos += 1
        return person
