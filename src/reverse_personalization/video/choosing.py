"""Choosing who somebody becomes in a video: the stranger that holds best on several of their frames."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from reverse_personalization.anonymizer import BARELY, LENIENT_AFTER, Anonymizer
from reverse_personalization.engines.base import Encoded
from reverse_personalization.engines.compact.engine import CompactEngine
from reverse_personalization.faces.compositing import paste
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.registry import Person
from reverse_personalization.identity.verification import FRAME_MARGIN, Source
from reverse_personalization.video.meeting import Sample, mean_embeddings

# Share of the frames of a person on which the stranger is found that need not verify: in the video, such are led
# farther away.
MAY_FAIL = 0.25
# So far below all thresholds on all of them, a stranger can be expected to hold in the frames between.
SURE = 0.04
# How often a better stranger is looked for where one that holds is not sure to.
SPARE = 3
UNCLEAR = "Never seen clearly enough to be verified."
MATCHED = "A recogniser still matched the result after every try."


@dataclass(frozen=True, eq=False)
class Stranger:
    """What becomes of a person.

    Attributes:
        change: float32 d, of codes; None: the person is obscured.
        known: who it was, by recogniser: the mean embedding of the frames that were looked at.
        tries: how often a change was tried.
        reason: why it is obscured, or barely not, in a sentence.
        drift: by how much that change draws the mesh along, see `CompactEngine.settle`.
    """

    change: FloatArray | None
    known: dict[str, FloatArray]
    tries: int
    reason: str = ""
    drift: FloatArray | None = None


@dataclass
class Surest:
    """Of strangers the one that fails on the fewest frames, and of such the one farthest from a match.

    Attributes:
        may_fail: on how many frames it may fail at most.
        stranger: that one, if any.
        rank: frames on which it fails, and how close recognisers come to a match in the middle.
    """

    may_fail: int
    stranger: Stranger | None = None
    rank: tuple[int, float] = (0, math.inf)

    def offer(self, stranger: Stranger, failing: int, closeness: float) -> None:
        """Take a stranger if it is better."""
        if failing <= self.may_fail and (self.stranger is None or (failing, closeness) < self.rank):
            self.stranger, self.rank = stranger, (failing, closeness)


class Chooser:
    """Tries strangers on frames of a person."""

    def __init__(self, anonymizer: Anonymizer) -> None:
        """Take loaded models."""
        self._anonymizer = anonymizer
        self._engine = cast(CompactEngine, anonymizer.engine)

    def stranger(self, person: int, samples: Sequence[Sample], *, spare: int = SPARE) -> Stranger:
        """Escalate until a change verifies on nearly all samples; look for a better one while that is not sure.

        Args:
            person: a number, which the stranger hangs on.
            samples: clear frames of them.
            spare: how often a better one is looked for.
        """
        if not samples:
            return Stranger(None, {}, 0, UNCLEAR)
        known = mean_embeddings(samples)
        met = self._anonymizer.registry.meet(known) if self._anonymizer.settings.consistent else None
        best, resort = (Surest(int(MAY_FAIL * len(samples))) for _ in range(2))
        tries = 0
        for tries, (one, is_met) in enumerate(self._strangers(samples, known, met, person), 1):
            tried = replace(one, tries=tries)
            closeness = np.array([self._closeness(sample, tried) for sample in samples])
            middle = float(np.median(closeness))
            spare -= best.stranger is not None
            best.offer(tried, int((closeness > -FRAME_MARGIN).sum()), middle)
            resort.offer(replace(tried, reason=BARELY), int(np.isinf(closeness).sum()), middle)
            if best.stranger is not None and (is_met or spare <= 0 or (closeness <= -SURE).all()):
                break
        chosen = best.stranger or (resort.stranger if tries >= LENIENT_AFTER else None)
        if chosen is None:
            return Stranger(None, known, tries, MATCHED)
        if met is not None:
            met.change = chosen.change
        return chosen

    def _strangers(
        self, samples: Sequence[Sample], known: dict[str, FloatArray], met: Person | None, person: int
    ) -> Iterator[tuple[Stranger, bool]]:
        """What may become of a person, and whether that is what became of them earlier in the run."""
        if met is not None and met.change is not None:  # to the letter, so that the clips show one stranger
            yield Stranger(met.change, known, 0, drift=self._settled(samples, met.change)[1]), True
        mean = self._mean(samples)
        label = "person", met.number if met else person
        for x in self._anonymizer.regenerations(mean, known[self._engine.guide.name], label):
            change, drift = self._settled(samples, np.asarray(x - mean.x0, np.float32))
            yield Stranger(change, known, 0, drift=drift), False

    def _settled(self, samples: Sequence[Sample], change: FloatArray) -> tuple[FloatArray, FloatArray]:
        """A change of codes that keeps expressions on the whole, and by how much it draws the mesh along."""
        settled = [self._engine.settle(s.image_rgb, s.encoded, s.encoded.x0 + change) for s in samples]
        changes = [one.codes - sample.encoded.x0 for one, sample in zip(settled, samples, strict=True)]
        return np.mean(changes, 0), np.mean([one.drift for one in settled], 0)

    def _mean(self, samples: Sequence[Sample]) -> Encoded:
        """A face with the samples' mean codes."""
        codes = np.mean([sample.encoded.x0 for sample in samples], 0).astype(np.float32)
        return replace(samples[0].encoded, x0=codes)

    def _closeness(self, sample: Sample, stranger: Stranger) -> float:
        """How close a recogniser comes to a match on a frame; above 0 it is one by the guide's margin.

        It is infinite where the recogniser needs no margin for that, and where no face is found any more.
        """
        image, codes = sample.image_rgb, sample.encoded.x0 + stranger.change
        rendering = self._engine.decode(image, sample.encoded, codes, drift=stranger.drift)
        known = Source(sample.face, stranger.known, sample.source.before)
        check = self._anonymizer.verifier.check(paste(image, rendering), known)
        return math.inf if check.face is None or check.leniently().matches else check.closeness
