"""A photo at work: its faces on their way to verdicts, and what comes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reverse_personalization.engines.base import Encoded, Labels
from reverse_personalization.errors import NoFaceError, UsageError
from reverse_personalization.faces.bearing import Look
from reverse_personalization.faces.compositing import Rendering, kept_apart, paste
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.people import Likeness
from reverse_personalization.identity.registry import Person
from reverse_personalization.identity.verification import Check, Similarity, Source
from reverse_personalization.inversion import Array
from reverse_personalization.media.credentials import Credentials
from reverse_personalization.media.images import Photo, write_photo
from reverse_personalization.obscuring import obscure

Verdict = Literal["anonymized", "obscured", "kept"]
Choice = Literal["replace", "obscure", "keep"]
Box = tuple[float, float, float, float]
"""x, y, width, height in pixels."""


@dataclass(frozen=True)
class FaceResult:
    """What became of a face.

    Attributes:
        box: x, y, width, height in pixels of the upright picture.
        score: the detector's confidence, 0 to 1.
        verdict: "anonymized": replaced and verified; "obscured": hidden; "kept": left on request.
        reason: why, in a sentence.
        tries: how often it was regenerated.
        similarities: of the source to what is there now, per recogniser; empty where none could embed it.
        likenesses: to the people of a folder, per recogniser, where they decided that the face stays visible.
    """

    box: Box
    score: float
    verdict: Verdict
    reason: str
    tries: int
    similarities: tuple[Similarity, ...] = ()
    likenesses: tuple[Likeness, ...] = ()
    failed: bool = False
    """Whether an error, not a judgement, ended in obscuring."""


@dataclass(frozen=True, eq=False)
class AnonymizedPhoto:
    """A photo after the run.

    Attributes:
        image: uint8 H x W x 3 RGB, upright.
        changed: bool H x W, the pixels that differ from the source's.
        faces: one result per face found, largest first.
        photo: what was read.
    """

    image: ByteArray
    changed: NDArray[np.bool_]
    faces: tuple[FaceResult, ...]
    photo: Photo

    @property
    def has_strangers(self) -> bool:
        """Whether a face was replaced."""
        return any(face.verdict == "anonymized" for face in self.faces)

    def to_pil(self) -> Image.Image:
        """The picture as a Pillow image: 8 bits of RGB, and nothing that says that it was made with AI."""
        return Image.fromarray(self.image)

    def save(
        self,
        path: str | Path,
        *,
        keep_metadata: Sequence[str] = (),
        mark: bool = True,
        watermark: bool = False,
        credentials: Credentials | None = None,
        allow_no_faces: bool = False,
    ) -> tuple[str, ...]:
        """Write the picture as the command does, whole or not at all: depth and transparency stay, metadata goes.

        Args:
            path: where to; its suffix chooses the format, and an existing file is replaced.
            keep_metadata: names of metadata to keep, see `Settings.keep_metadata`.
            mark: say in the file that AI was used, where a face was replaced.
            watermark: say it in the pixels, too, see `Settings.watermark`.
            credentials: sign that, where the format can carry it.
            allow_no_faces: write a picture in which no face was found.

        Returns:
            What the format could not hold, a sentence each.

        Raises:
            NoFaceError: no face was found: one may have been missed.
            OutputError: the format cannot hold the picture, it cannot be signed, or the place cannot be written.
            UsageError: an unknown name of metadata.
        """
        if not self.faces and not allow_no_faces:
            raise NoFaceError(f"{path}: not written, as no face was found; allow_no_faces=True writes it.")
        return write_photo(
            self.photo,
            path,
            image_rgb=self.image,
            changed=self.changed,
            keep_metadata=keep_metadata,
            mark=mark and self.has_strangers,
            watermark=watermark and self.has_strangers,
            credentials=credentials,
        )


class Canvas:
    """A picture at work.

    Attributes:
        photo: what was read.
        image: uint8 H x W x 3 RGB, the picture so far.
        replacing: faces that are tried; in the end each is replaced or obscured.
    """

    def __init__(self, photo: Photo) -> None:
        """Start from the source."""
        self.photo, self.image = photo, photo.image_rgb
        self.replacing: list[Face] = []
        self._taken = np.zeros(self.image.shape[:2], bool)
        self._results: dict[int, FaceResult] = {}

    @property
    def settled(self) -> int:
        """How many faces have a result."""
        return len(self._results)

    def with_pasted(self, rendering: Rendering) -> ByteArray:
        """The picture with a face in it, that never covers the result of another."""
        free = ~self._taken[rendering.rows, rendering.columns]
        return paste(self.image, replace(rendering, changed=rendering.changed & free))

    def settle(self, index: int, result: FaceResult, rendering: Rendering) -> None:
        """Note what became of a face, and which pixels are its own from now on."""
        self._results[index] = result
        self._taken[rendering.rows, rendering.columns] |= rendering.changed

    def within(self, box: Sequence[float]) -> Box:
        """A box of which something lies within the picture.

        Raises:
            UsageError: it is no box of finite numbers, or nothing of it does.
        """
        if len(box) != 4 or not np.isfinite(box).all():
            raise UsageError(f"{tuple(box)}: no box; give x, y, width and height in pixels.")
        x, y, width, height = (float(value) for value in box)
        rows, columns = self.image.shape[:2]
        if width <= 0 or height <= 0 or x >= columns or y >= rows or x + width <= 0 or y + height <= 0:
            raise UsageError(f"{(x, y, width, height)}: nothing of this box lies within {columns} x {rows} pixels.")
        return x, y, width, height

    def hide_box(self, box: Box) -> None:
        """Obscure a place that was marked by hand: nothing is known of it, so it ends solid."""
        face = Face(box, np.zeros((5, 2), np.float32), 0.0)
        FaceAtWork(self, self.settled, face, ("box", self.settled)).hide("Marked by hand.", failed=False)

    def finished(self) -> AnonymizedPhoto:
        """The picture with every face's result."""
        changed = (self.image != self.photo.image_rgb).any(2)
        results = tuple(self._results[index] for index in sorted(self._results))
        image = self.image.copy() if self.image is self.photo.image_rgb else self.image
        return AnonymizedPhoto(image, changed, results, self.photo)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A try that nobody matches.

    Attributes:
        x: the latent.
        rendering: what came of it.
        check: what the recognisers said.
        averted: degrees by which the gaze turned.
        settled: how many faces of the picture had a result by then.
        lenient: whether it passes by the fitted thresholds only, without guides' margins.
    """

    x: Array
    rendering: Rendering
    check: Check
    averted: float
    settled: int
    lenient: bool = False


@dataclass(eq=False)
class FaceAtWork:
    """A face on its way to a verdict.

    Attributes:
        canvas: the picture that it is in.
        index: its number in that picture.
        face: where it is.
        labels: of its random numbers.
        person: whose it is, where that matters.
        rung: of the ladder, that the next try takes.
        tries: how often it was regenerated.
        spare: how often it may be tried again once a try is safe, so that it looks where it looked.
        look: where it looked, once that is known.
        best: of the tries that are safe, the one whose gaze turned least.
        resort: of those that nobody matches but by a guide's margin, the one farthest from a match.
        closest: how far above a threshold a try's highest similarity was, at least.
        settled: whether it has its verdict.
    """

    canvas: Canvas
    index: int
    face: Face
    labels: Labels
    person: Person | None = None
    source: Source = field(init=False)
    embedding: FloatArray = field(init=False)
    encoded: Encoded = field(init=False)
    rung: int = 0
    tries: int = 0
    spare: int = 0
    look: Look | None = None
    best: Candidate | None = None
    resort: Candidate | None = None
    closest: float = np.inf
    settled: bool = False

    @property
    def surer(self) -> list[Face]:
        """Other faces of the picture that are tried, and that the detector is surer of."""
        return [face for face in self.canvas.replacing if face.score > self.face.score]

    def kept_apart(self, rendering: Rendering) -> Rendering:
        """The face's rendering, without what is nearer to other faces that are tried."""
        others = [face for face in self.canvas.replacing if face is not self.face]
        return kept_apart(rendering, self.canvas.image, self.face, others)

    def offer(self, candidate: Candidate) -> None:
        """Keep a candidate if it is better than the best."""
        if self.best is None or candidate.averted < self.best.averted:
            self.best = candidate

    def offer_resort(self, candidate: Candidate) -> None:
        """Keep a candidate for the case that nothing better comes, if it is farther from a match than the last."""
        if self.resort is None or candidate.check.closeness < self.resort.check.closeness:
            self.resort = candidate

    def result(self, verdict: Verdict, reason: str, check: Check) -> FaceResult:
        """What to say of the face after a check."""
        return FaceResult(self.face.box, self.face.score, verdict, reason, self.tries, check.similarities)

    def keep(self, reason: str, likenesses: tuple[Likeness, ...] = ()) -> None:
        """Leave the face as it is."""
        nothing = Rendering(slice(0, 0), slice(0, 0), self.canvas.image[:0, :0], np.zeros((0, 0), bool))
        self.settle(FaceResult(self.face.box, self.face.score, "kept", reason, 0, likenesses=likenesses), nothing)

    def hide(self, reason: str, *, failed: bool = True) -> None:
        """Obscure the face, of which nothing can be verified: solid, which leaves nothing to match."""
        rendering = obscure(self.canvas.image, self.face, kind="solid", spared=self.surer)
        self.canvas.image = paste(self.canvas.image, rendering)
        face = self.face
        self.settle(FaceResult(face.box, face.score, "obscured", reason, self.tries, failed=failed), rendering)

    def settle(self, result: FaceResult, rendering: Rendering) -> None:
        """Give the face its verdict."""
        self.canvas.settle(self.index, result, rendering)
        self.settled = True


def check_choices(choices: Mapping[int, Choice], faces: int) -> None:
    """Choices of what becomes of so many faces.

    Raises:
        UsageError: one that there is not, or for a face that there is not.
    """
    for index, choice in choices.items():
        if choice not in get_args(Choice):
            raise UsageError(f"{choice!r}: not what can become of a face; choose {', '.join(get_args(Choice))}.")
        if index not in range(faces):
            raise UsageError(f"{index!r}: no number of a face here; there are {faces}, which begin with 0.")


def batches(faces: Sequence[FaceAtWork], size: int) -> Iterator[Sequence[FaceAtWork]]:
    """Faces in batches of at most `size`."""
    return (faces[start : start + size] for start in range(0, len(faces), size))


def by_rung(faces: Sequence[FaceAtWork]) -> list[tuple[int, list[FaceAtWork]]]:
    """Faces that stand on the same rung of the ladder, together."""
    rungs: dict[int, list[FaceAtWork]] = {}
    for face in faces:
        rungs.setdefault(face.rung, []).append(face)
    return sorted(rungs.items())
