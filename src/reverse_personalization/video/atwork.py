"""A track while it is rendered: what is done in its frames, and its face taken apart one frame ahead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from reverse_personalization.engines.base import Encoded
from reverse_personalization.engines.compact.engine import CompactEngine
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.people import Likeness
from reverse_personalization.video.analysis import TrackEntry
from reverse_personalization.video.choosing import Stranger
from reverse_personalization.video.journal import TrackState
from reverse_personalization.video.meeting import Visible
from reverse_personalization.video.reading import Frame
from reverse_personalization.video.steadying import Steadier
from reverse_personalization.video.threads import AtOnce

# Frames for which a face stays obscured after it could not be verified, so that it does not blink.
HOLD = 6


@dataclass(frozen=True)
class Coverage:
    """What was done in how many frames of a track.

    Attributes:
        track, person: their numbers.
        frames: by what was done: "anonymized", "obscured", "kept".
        seen: by how the face was found: "detected", "interpolated", "extended".
        reason: why the person is obscured as a whole or stays visible, if so.
        likenesses: to the people of a folder, where they decided that the face stays visible.
    """

    track: int
    person: int
    frames: dict[str, int]
    seen: dict[str, int]
    reason: str
    likenesses: tuple[Likeness, ...] = ()


class TrackAtWork:
    """A track while it is rendered."""

    def __init__(
        self, entry: TrackEntry, stranger: Stranger, shown: Visible | None = None, executor: Executor | None = None
    ) -> None:
        """Begin; all of an engine's faces must be taken apart by one executor of one thread."""
        self.entry, self.stranger, self.visible = entry, stranger, shown
        self.following: tuple[ByteArray, Face] | None = None
        """The next frame and the face in it, if both are known already."""
        self.farther: FloatArray = np.zeros(1, np.float32)
        """By how much codes are led beyond the stranger's change, as frames that did not verify were; it fades."""
        self._executor = executor or AtOnce()
        self._last: Encoded | None = None
        self._steadier = Steadier()
        self._expected: tuple[Face, Future[tuple[Encoded, Steadier]]] | None = None
        self._held = 0
        self._counts: Counter[str] = Counter()

    @property
    def stays(self) -> bool:
        """Whether the face may stay visible."""
        return self.entry.action == "keep" or self.visible is not None

    def encoded(self, engine: CompactEngine, original: ByteArray, face: Face) -> Encoded:
        """The face of a frame taken apart, steadied by the frame before; that of the following frame is begun.

        Raises:
            EngineError: no mesh can be laid on the face.
        """
        expected, self._expected = self._expected, None
        of_face = expected[1] if expected and expected[0] is face else self._begun(engine, original, face)
        self._last, self._steadier = of_face.result()
        if self.following is not None and self.following[1].score > 0:
            self._expected = self.following[1], self._begun(engine, *self.following)
        return self._last

    def _begun(self, engine: CompactEngine, original: ByteArray, face: Face) -> Future[tuple[Encoded, Steadier]]:
        return self._executor.submit(_taken_apart, engine, original, face, self._last, self._steadier)

    def hold(self) -> None:
        """Keep the face obscured for a while; what lies on it is found anew after that."""
        self._held, self._last, self._expected = HOLD, None, None

    def holds(self) -> bool:
        """Whether it is being kept obscured."""
        self._held = max(0, self._held - 1)
        return self._held > 0

    def count(self, image: ByteArray, what: str) -> ByteArray:
        """Note what was done in a frame."""
        self._counts[what] += 1
        return image

    def state(self) -> TrackState:
        """Where the work stands."""
        return TrackState(counts=dict(self._counts), held=self._held)

    def restore(self, state: TrackState) -> None:
        """Go on from where the work stood; landmarks are steadied anew."""
        self._counts, self._held = Counter(state.counts), state.held

    def coverage(self) -> Coverage:
        """What was done."""
        seen = Counter(str(face.how) for face in self.entry.faces)
        why = self.visible or self.stranger
        likenesses = self.visible.likenesses if self.visible else ()
        return Coverage(self.entry.id, self.entry.person, dict(self._counts), dict(seen), why.reason, likenesses)


def _taken_apart(
    engine: CompactEngine, original: ByteArray, face: Face, last: Encoded | None, steadier: Steadier
) -> tuple[Encoded, Steadier]:
    """The face, and what steadies it in the frame after; nothing given is changed, as all may come to nothing."""
    steadier = copy(steadier)
    return engine.encode(original, face, smooth=partial(steadier.steadied, original), last=last), steadier


def with_following(items: Iterable[Frame | Any]) -> Iterator[tuple[Frame | Any, Frame | None]]:
    """Frames and packets, each with the frame that follows it."""
    waiting: list[Frame | Any] = []
    for item in items:
        if isinstance(item, Frame):
            for one in waiting:
                yield one, item
            waiting.clear()
        waiting.append(item)
    for one in waiting:
        yield one, None
