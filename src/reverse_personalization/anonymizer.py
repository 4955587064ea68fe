"""The story of a photo: every face is replaced by a stranger's and verified, or it is obscured."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from reverse_personalization import inversion, weights
from reverse_personalization.engines import Engine, load_engine
from reverse_personalization.engines.base import Encoded
from reverse_personalization.errors import EngineError, UsageError
from reverse_personalization.faces.compositing import paste
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.dlib_resnet import DlibResNet
from reverse_personalization.identity.verification import Check, Similarity, Source, Verifier
from reverse_personalization.media.images import Photo, read_photo
from reverse_personalization.noise import KeyedNoise
from reverse_personalization.obscuring import obscure
from reverse_personalization.settings import Settings

logger = logging.getLogger(__name__)

Verdict = Literal["anonymized", "obscured", "kept"]
Labels = tuple[str | int, ...]
# A result whose face the detector sees less well than this, and than the source's, is no believable face.
BELIEVABLE = 0.8
# Factors from one try to the next, on both guidances and on the share of time left out.
HARDER, EARLIER = 1.2, 0.9
# How much coarser each try to obscure is, when the one before could still be matched.
COARSER = (1.0, 2.0, 4.0)


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
    """

    box: tuple[float, float, float, float]
    score: float
    verdict: Verdict
    reason: str
    tries: int
    similarities: tuple[Similarity, ...] = ()
    failed: bool = False
    """Whether an error, not a judgement, ended in obscuring."""


@dataclass(frozen=True, eq=False)
class AnonymizedPhoto:
    """A photo after the run.

    Attributes:
        image: uint8 H x W x 3 RGB, upright.
        changed: bool H x W, the pixels that differ from the source's.
        faces: one result per face found, largest first.
        photo: what was read, for `media.write_photo`.
    """

    image: ByteArray
    changed: NDArray[np.bool_]
    faces: tuple[FaceResult, ...]
    photo: Photo

    def to_pil(self) -> Image.Image:
        """The picture as a Pillow image."""
        return Image.fromarray(self.image)


@dataclass(frozen=True)
class Strength:
    """How hard one try pushes: what escalation raises."""

    guidance: float
    surrogate: float
    steps: int
    skip: float


@dataclass(frozen=True)
class ModelCard:
    """A model that a run uses: its name and file, what pins it, and its licence."""

    name: str
    file: str
    sha256: str
    licence: str


class Anonymizer:
    """Replaces faces. Models load once, in the constructor; use one instance for many photos.

    Example:
        >>> anonymizer = Anonymizer(seed=1)
        >>> result = anonymizer.anonymize("photo.jpg")
        >>> result.to_pil().save("out.png")
    """

    def __init__(self, *, settings: Settings | None = None, **options: Any) -> None:
        """Load the models.

        Args:
            settings: all settings at once.
            options: or single ones, as `Settings` names them, e.g. `engine="compact"`, `seed=1`.

        Raises:
            UsageError: an unknown option, or a value out of range.
            WeightsError: a model file is missing or damaged, and cannot be fetched.
        """
        self.settings = _settings(settings, options)
        for strength in self._escalation():  # an impossible schedule is an error now, not with every face
            inversion.timesteps(strength.steps, strength.skip)
        self.noise = KeyedNoise(self.settings.seed)
        self._engine: Engine[Any] = load_engine(self.settings)
        self._detector = YuNetDetector(threshold=self.settings.detection_threshold)
        self._verifier = Verifier(self._detector, [(self._engine.guide, "guide"), (DlibResNet(), "verifier")])

    @property
    def models(self) -> tuple[ModelCard, ...]:
        """The models in use."""
        names = ("yunet", "dlib-resnet", "dlib-landmarks5", *self._engine.weights)
        entries = (weights.entry(name) for name in names)
        return tuple(ModelCard(e.name, Path(e.path).name, e.sha256, e.licence) for e in entries)

    def anonymize(self, image: str | Path | Image.Image | ByteArray | Photo) -> AnonymizedPhoto:
        """Replace every face of a picture.

        Args:
            image: a path, a Pillow image, or uint8 H x W x 3 RGB.

        Raises:
            InputError: the picture cannot be read.
        """
        photo = image if isinstance(image, Photo) else read_photo(image, max_pixels=self.settings.max_pixels)
        source = photo.image_rgb
        # The noise hangs on the picture, not on its turn in a batch.
        digest = hashlib.blake2b(np.ascontiguousarray(source).data, digest_size=16).hexdigest()
        picture, results = source, []
        for index, face in enumerate(self._detector.detect(source)):
            picture, result = self._anonymize_face(picture, face, (digest, index))
            results.append(result)
        return AnonymizedPhoto(picture, (picture != source).any(2), tuple(results), photo)

    def _anonymize_face(self, picture: ByteArray, face: Face, labels: Labels) -> tuple[ByteArray, FaceResult]:
        """Replace one face, or obscure it; whatever goes wrong, it does not stay."""
        try:
            source = self._verifier.source(picture, face)
            if not self._verifier.recognises(source):
                return self._obscure(
                    picture, source, 0, "Too unclear to be recognised, so nothing could be verified."
                )
            try:
                return self._replace(picture, source, labels)
            except EngineError as error:
                return self._obscure(picture, source, 0, str(error))
        except Exception as error:
            logger.exception("face %s could not be processed", labels[-1])
            return self._hide(picture, face, f"Internal error ({type(error).__name__}).")

    def _replace(self, picture: ByteArray, source: Source, labels: Labels) -> tuple[ByteArray, FaceResult]:
        """Regenerate a face ever more strongly until nobody matches it any more."""
        encoded = self._engine.encode(picture, source.face)
        embedding = source.embeddings[self._engine.guide.name]
        check: Check | None = None
        for number, strength in enumerate(self._escalation()):
            x = self._regenerate(encoded, embedding, strength, (*labels, number))
            result = paste(picture, self._engine.decode(picture, encoded, x))
            check = self._verifier.check(result, source)
            if not check.matches and _is_believable(check, source.face):
                reason = "Replaced; no recogniser matches it."
                return result, _result(source.face, "anonymized", reason, number + 1, check)
        lost = check is not None and not check.matches
        why = "No believable face came out" if lost else "A recogniser still matched the result"
        return self._obscure(picture, source, self.settings.max_tries, f"{why} after every try.")

    def _regenerate(
        self, encoded: Encoded, embedding: FloatArray, strength: Strength, labels: Labels
    ) -> inversion.Array:
        """The method: invert under the null identity, regenerate away from the face's own."""
        known = self._engine.conditions(embedding, self.noise, *labels)
        fields = inversion.coupled(strength.guidance, null=known.null, identity=known.identity)
        if known.surrogate is not None and strength.surrogate > 0:
            fields = inversion.toward(fields, strength.surrogate, surrogate=known.surrogate, null=known.null)
        return inversion.regenerate(
            encoded.x0,
            noise=self._engine.noise(encoded, strength.steps, self.noise, *labels),
            timesteps=inversion.timesteps(strength.steps, strength.skip),
            predict=self._engine.predict,
            inversion=fields.inversion,
            generation=fields.generation,
            schedule=self._engine.schedule,
            keep=encoded.keep,
        )

    def _escalation(self) -> Iterator[Strength]:
        """Each try pushes harder, starts further back in time, and has another stranger and other noise."""
        given = self.settings
        strength = Strength(given.guidance, given.surrogate, given.steps, given.skip)
        for _ in range(given.max_tries):
            yield strength
            strength = replace(
                strength,
                guidance=strength.guidance * HARDER,
                surrogate=strength.surrogate * HARDER,
                skip=strength.skip * EARLIER,
            )

    def _obscure(
        self, picture: ByteArray, source: Source, tries: int, reason: str
    ) -> tuple[ByteArray, FaceResult]:
        """Obscure a face so that it cannot be matched either; solid if all else fails."""
        kind = self.settings.fallback
        for strength in COARSER:
            hidden = paste(picture, obscure(picture, source.face, kind=kind, strength=strength))
            check = self._verifier.check(hidden, source)
            if not check.matches:
                return hidden, _result(source.face, "obscured", reason, tries, check)
        hidden = paste(picture, obscure(picture, source.face, kind="solid"))
        return hidden, _result(source.face, "obscured", reason, tries, self._verifier.check(hidden, source))

    @staticmethod
    def _hide(picture: ByteArray, face: Face, reason: str) -> tuple[ByteArray, FaceResult]:
        """Obscure a face of which nothing can be verified: solid, which leaves nothing to match."""
        hidden = paste(picture, obscure(picture, face, kind="solid"))
        return hidden, FaceResult(face.box, face.score, "obscured", reason, 0, failed=True)


def _settings(settings: Settings | None, options: dict[str, Any]) -> Settings:
    if settings is not None and options:
        raise UsageError("Give either settings or single options, not both.")
    try:
        return settings or Settings(**options)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from None


def _is_believable(check: Check, source: Face) -> bool:
    return check.face is not None and check.face.score >= min(BELIEVABLE, source.score)


def _result(face: Face, verdict: Verdict, reason: str, tries: int, check: Check) -> FaceResult:
    return FaceResult(face.box, face.score, verdict, reason, tries, check.similarities)
