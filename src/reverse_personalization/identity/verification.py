"""Whether a face could still be taken for the person it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from reverse_personalization.faces.detection import Detector, surroundings
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.identity.kinds import youth
from reverse_personalization.identity.thresholds import threshold_of

Role = Literal["guide", "verifier"]
# By how much a guide's similarity should stay below its threshold, two thirds of different people's spread: what it led
# down may rise on another photo.
GUIDE_MARGINS: Final = {"sface": 0.07, "dlib-resnet": 0.037}
OTHER_MARGIN: Final = 0.07
"""Of guides that plugins bring."""
# A result whose face the detector sees less well than this, and than the source's, is no believable face.
BELIEVABLE = 0.8
# By how much similarities differ with where a detector takes a frame's face to lie.
FRAME_MARGIN = 0.02


@dataclass(frozen=True)
class Similarity:
    """How alike one recogniser finds a face before and after.

    Attributes:
        recogniser: its name.
        role: "guide" led the engine, so that its word proves less than that of a "verifier", which did not.
        before: similarity of the source face to its own mirror image: what the same person scores.
        after: similarity of the source face to the result.
        threshold: above which two faces match.
        margin: by how much it lies below the fitted one, see `GUIDE_MARGINS`.
    """

    recogniser: str
    role: Role
    before: float
    after: float
    threshold: float
    margin: float = 0.0

    @property
    def matches(self) -> bool:
        """Whether the result is taken for the source person. A similarity that is no number matches."""
        return not self.after <= self.threshold

    def leniently(self) -> Similarity:
        """The same by the fitted threshold."""
        return replace(self, threshold=self.threshold + self.margin, margin=0.0)


@dataclass(frozen=True, eq=False)
class Source:
    """A face as the recognisers know it, before anything was done.

    Attributes:
        face: where it is.
        embeddings: per recogniser, of the face.
        before: per recogniser, the similarity to its mirror image.
    """

    face: Face
    embeddings: dict[str, FloatArray]
    before: dict[str, float]


@dataclass(frozen=True, eq=False)
class Check:
    """What a verifier says of a result.

    Attributes:
        similarities: one per recogniser, up to the first that matches beyond any margin.
        face: the face that was found in the result's place, or None.
    """

    similarities: tuple[Similarity, ...]
    face: Face | None

    @property
    def matches(self) -> bool:
        """Whether any recogniser takes the result for the source person."""
        return any(similarity.matches for similarity in self.similarities)

    @property
    def closeness(self) -> float:
        """Of all recognisers the highest similarity above its threshold; not above 0 where none matches."""
        return max(similarity.after - similarity.threshold for similarity in self.similarities)

    def is_safe(self, source: Face) -> bool:
        """Whether nobody is recognised in a result, and it shows a believable face."""
        return not self.matches and self.face is not None and self.face.score >= min(BELIEVABLE, source.score)

    def leniently(self) -> Check:
        """The same by the fitted thresholds."""
        return Check(tuple(similarity.leniently() for similarity in self.similarities), self.face)


class Verifier:
    """Compares results with sources, by recognisers that guided and by those that did not."""

    def __init__(self, detector: Detector, recognisers: Sequence[tuple[Recogniser, Role]]) -> None:
        """Take a detector, which finds the results' faces anew, and recognisers, whoever matches most often first."""
        self._detector = detector
        self._recognisers = tuple(recognisers)
        self._matches_above = {recogniser.name: threshold_of(recogniser) for recogniser, _ in recognisers}
        self._margins = {
            r.name: GUIDE_MARGINS.get(r.name, OTHER_MARGIN) if role == "guide" else 0.0 for r, role in recognisers
        }

    @property
    def recognisers(self) -> tuple[Recogniser, ...]:
        """All of them, in the order in which they are asked."""
        return tuple(recogniser for recogniser, _ in self._recognisers)

    def source(self, image_rgb: ByteArray, face: Face) -> Source:
        """Embed a face before anything is done to it."""
        mirror_rgb, mirrored = _mirror(image_rgb, face)
        embeddings, before = {}, {}
        for recogniser, _ in self._recognisers:
            embedding = recogniser.embed(image_rgb, face)
            reflected = recogniser.embed(mirror_rgb, mirrored)
            embeddings[recogniser.name] = embedding
            before[recogniser.name] = float(recogniser.similarity(embedding, reflected).item())
        return Source(face, embeddings, before)

    def recognises(self, source: Source) -> bool:
        """Whether the recognisers know the source person; only then does a low similarity say anything."""
        above = self._limits(source.face.size, source.embeddings)
        return all(value > above[name] for name, value in source.before.items())

    def knows(self, source: Source) -> bool:
        """Whether any recogniser knows the source person."""
        above = self._limits(source.face.size, source.embeddings)
        return any(value > above[name] for name, value in source.before.items())

    def agree(self, one: Mapping[str, FloatArray], other: Mapping[str, FloatArray]) -> float | None:
        """How far embeddings by all recognisers lie above the thresholds, summed; None where one says no match."""
        limits = self._limits(np.inf, one)
        above = [r.similarity(one[r.name], other[r.name]).item() - limits[r.name] for r, _ in self._recognisers]
        return sum(above) if min(above) > 0 else None

    def check(self, image_rgb: ByteArray, source: Source) -> Check:
        """Compare what is now in a face's place with the face that was there.

        The place is searched anew, as somebody who has only the result would; where no face is found, the
        source's own place is embedded, as somebody who knows it could. The first recogniser that matches beyond
        any margin settles it, so the others are not asked any more.
        """
        found = self._detector.find_again(image_rgb, source.face)
        roles = {recogniser.name: role for recogniser, role in self._recognisers}
        limits, similarities = self._limits(source.face.size, source.embeddings), list[Similarity]()
        place = found or source.face
        for name, after in self._similarities(image_rgb, place, source.embeddings):
            margin = self._margins[name]
            threshold = limits[name] - margin
            similarities.append(Similarity(name, roles[name], source.before[name], after, threshold, margin))
            if similarities[-1].leniently().matches:
                break
        return Check(tuple(similarities), found)

    def still_matches(self, image_rgb: ByteArray, face: Face, embeddings: dict[str, FloatArray]) -> bool:
        """Whether a recogniser takes what is in a face's place for somebody whose embeddings are given.

        Hardly any margin is asked for: what was chosen with one is to hold from frame to frame.

        Args:
            image_rgb: uint8 H x W x 3.
            face: the place; it is searched anew, as in `check`.
            embeddings: by recogniser.
        """
        place, limits = self._detector.find_again(image_rgb, face) or face, self._limits(face.size, embeddings)
        return any(
            not value <= limits[name] - FRAME_MARGIN for name, value in self._similarities(image_rgb, place, embeddings)
        )

    def all_match(self, image_rgb: ByteArray, face: Face, embeddings: dict[str, FloatArray]) -> bool:
        """Whether every recogniser takes a face for somebody whose embeddings, by recogniser, are given."""
        limits = self._limits(face.size, embeddings)
        return all(value > limits[name] for name, value in self._similarities(image_rgb, face, embeddings))

    def _limits(self, size: float, embeddings: Mapping[str, FloatArray]) -> dict[str, float]:
        """Above which similarity each recogniser takes faces for somebody of such a size with such embeddings."""
        young = youth(embeddings)
        return {name: above(size, young) for name, above in self._matches_above.items()}

    def _similarities(
        self, image_rgb: ByteArray, face: Face, embeddings: Mapping[str, FloatArray]
    ) -> Iterator[tuple[str, float]]:
        """What a face's similarity to somebody is, recogniser by recogniser, as far as the caller asks on."""
        for recogniser, _ in self._recognisers:
            value = recogniser.similarity(recogniser.embed(image_rgb, face), embeddings[recogniser.name])
            yield recogniser.name, float(value.item())


def _mirror(image_rgb: ByteArray, face: Face) -> tuple[ByteArray, Face]:
    """The mirror image of a face with its surroundings."""
    crop, (left, top) = surroundings(image_rgb, face)
    return np.ascontiguousarray(crop[:, ::-1]), face.moved(left, top).mirrored(crop.shape[1])
