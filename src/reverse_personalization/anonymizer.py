"""The story of a photo: every face is replaced by a stranger's and verified, or it is obscured."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
from PIL import Image

from reverse_personalization import inversion
from reverse_personalization.blas import one_blas_thread
from reverse_personalization.canvas import (
    AnonymizedPhoto,
    Box,
    Candidate,
    Canvas,
    Choice,
    FaceAtWork,
    batches,
    by_rung,
    check_choices,
)
from reverse_personalization.engines import Engine, load_engine
from reverse_personalization.engines.base import Conditions, Encoded, Labels
from reverse_personalization.errors import EngineError, UsageError
from reverse_personalization.escalation import Strength, escalation
from reverse_personalization.faces.bearing import Onlooker
from reverse_personalization.faces.compositing import Rendering, eyes_rested, paste
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.faces.plugged import load_detector
from reverse_personalization.hiding import hide
from reverse_personalization.identity.registry import Registry
from reverse_personalization.identity.verification import Check, Source
from reverse_personalization.loading import ModelCard, load_people, load_verifier, model_cards, read_settings
from reverse_personalization.media.images import Photo, read_photo
from reverse_personalization.memory import freed_memory_given_back
from reverse_personalization.noise import KeyedNoise
from reverse_personalization.settings import Settings
from reverse_personalization.threads import in_turn, side_by_side

logger = logging.getLogger(__name__)

Picture = str | Path | bytes | Image.Image | ByteArray | Photo
# So many tries a face has before one is taken that no recogniser matches but by a guide's margin; and if none of them
# came as near as that to hiding who it was, no more.
LENIENT_AFTER, FAR = 8, 0.1
BARELY = "Replaced; no recogniser matches it, but one that guides comes close."
# Pictures at a time: what is not in a network's hands shares one interpreter.
THREADS = 2
# Degrees by which a gaze may turn.
GAZE_KEPT = 3.0


class Anonymizer:
    """Replaces faces. Models load once, in the constructor; use one instance for many photos.

    Threads may share an instance, but wait for each other; `anonymize_batch` works on two pictures at a time.

    Example:
        >>> anonymizer = Anonymizer(seed=1)
        >>> result = anonymizer.anonymize("photo.jpg")
        >>> result.save("out.png")
    """

    def __init__(self, *, settings: Settings | None = None, **options: Any) -> None:
        """Load the models.

        Args:
            settings: all settings at once.
            options: or single ones, as `Settings` names them, e.g. `engine="compact"`, `seed=1`.

        Raises:
            UsageError: an unknown option, or a value out of range.
            WeightsError: a model file is missing or damaged, and cannot be fetched.
            InputError: a photo of `keep_people` or `only` is unreadable, or does not show exactly one face.
        """
        self.turn = RLock()  # the networks serve one thread at a time
        self.settings = read_settings(settings, options)
        for strength in escalation(self.settings):  # an impossible schedule is an error now, not with every face
            inversion.timesteps(strength.steps, strength.skip)
        self.noise = KeyedNoise(self.settings.seed)
        self.engine: Engine[Any] = load_engine(self.settings)
        self.detector = load_detector(self.settings.detector, self.settings.detection_threshold)
        self.verifier = load_verifier(self.detector, self.engine, self.settings.verifiers)
        self.registry = Registry(self.verifier)
        self._onlooker = Onlooker() if self.settings.gaze_tries else None
        self.people = load_people(self.settings, self.detector, self.verifier.recognisers)

    @property
    def models(self) -> tuple[ModelCard, ...]:
        """The models in use."""
        return model_cards(self.engine, self.settings)

    @in_turn
    def find(self, image: Picture) -> list[Face]:
        """The faces that `anonymize` would find, in the order of its results.

        Raises:
            InputError: the picture cannot be read.
        """
        return self.detector.detect(self._read(image).image_rgb)

    @in_turn
    @freed_memory_given_back()
    @one_blas_thread()
    def anonymize(
        self,
        image: Picture,
        *,
        choices: Mapping[int, Choice] | None = None,
        boxes: Sequence[Box] = (),
    ) -> AnonymizedPhoto:
        """Replace every face of a picture.

        Args:
            image: a path, a file's content, a Pillow image, or uint8 H x W x 3 RGB, which is copied.
            choices: what becomes of single faces, by their number in `find`; others are replaced.
            boxes: x, y, width, height in pixels of places that are obscured as well: faces that were missed.

        Raises:
            InputError: the picture cannot be read.
            UsageError: a choice that there is not or for a face that there is not, or a box outside the picture.
        """
        canvas = Canvas(self._read(image))
        missed = [canvas.within(box) for box in boxes]
        self._finish(list(self._prepare(canvas, choices or {})))
        for box in missed:
            canvas.hide_box(box)
        return canvas.finished()

    @in_turn
    @freed_memory_given_back()
    @one_blas_thread()
    def anonymize_batch(self, images: Sequence[Picture]) -> tuple[AnonymizedPhoto, ...]:
        """Replace every face of several pictures; the results are those of `anonymize`, one by one.

        The compact engine works on two pictures at a time, in threads, for which the models are loaded once more; with
        others, faces go through the network together.

        Raises:
            InputError: a picture cannot be read; then none is processed.
        """
        if isinstance(images, str | bytes):
            raise UsageError("anonymize_batch takes a sequence of pictures; give a list, or one to anonymize.")
        canvases = [Canvas(self._read(image)) for image in images]
        if len(canvases) > 1 and self.settings.engine == "compact" and not self.settings.consistent:
            side_by_side(Anonymizer._replace, self._crew, canvases)
        else:
            self._replace(*canvases)
        return tuple(canvas.finished() for canvas in canvases)

    @cached_property
    def _crew(self) -> tuple[Anonymizer, ...]:
        """As many of the same as have cores to work on: a network serves one thread at a time."""
        others = [Anonymizer(settings=self.settings) for _ in range(min(THREADS, os.cpu_count() or 1) - 1)]
        for other in others:
            other.noise = self.noise
        return self, *others

    def _replace(self, *canvases: Canvas) -> None:
        self._finish([face for canvas in canvases for face in self._prepare(canvas, {})])

    def _finish(self, pending: Sequence[FaceAtWork]) -> None:
        """Try faces until each has its verdict."""
        if not self.settings.consistent:
            self._escalate(pending)
            return
        for face in pending:  # one after the other, so that each knows what became of those before
            if not self._met_before(face):
                self._escalate([face])

    def _met_before(self, work: FaceAtWork) -> bool:
        """Make of a person what the last photos made of it; whether that holds here."""
        if work.person is None or work.person.change is None:
            return False
        work.spare = 0  # the same stranger matters more than a gaze
        self._judge(work, work.encoded.x0 + work.person.change, last=False)
        work.rung, work.spare = 0, self.settings.gaze_tries
        return work.settled

    def _escalate(self, pending: Sequence[FaceAtWork]) -> None:
        """Push harder until each face has its verdict."""
        ladder = tuple(escalation(self.settings))
        while pending:
            for rung, faces in by_rung(pending):
                for face, x in self._regenerate(faces, ladder[rung]):
                    self._judge(face, x, last=rung + 1 >= len(ladder))
            pending = [face for face in pending if not face.settled]

    def _read(self, image: Picture) -> Photo:
        if isinstance(image, Photo):
            return image
        if isinstance(image, np.ndarray):  # whose next frame may come into the same memory
            image = image.copy()
        if not isinstance(image, str | Path | bytes | Image.Image | np.ndarray):
            raise UsageError(f"{type(image).__name__}: no picture; give a path, a Pillow image or a uint8 RGB array.")
        return read_photo(image, max_pixels=self.settings.max_pixels)

    def _prepare(self, canvas: Canvas, choices: Mapping[int, Choice]) -> Iterator[FaceAtWork]:
        """Encode the faces of a picture that are to be replaced; whatever goes wrong with one, it does not stay."""
        picture = canvas.photo.image_rgb
        # The noise hangs on the picture, not on its turn in a batch.
        digest = hashlib.blake2b(np.ascontiguousarray(picture).data, digest_size=16).hexdigest()
        found = self.detector.detect(picture)
        check_choices(choices, len(found))
        # Who is surer a face comes first: what hides another one does not cover it.
        for index, face in sorted(enumerate(found), key=lambda one: -one[1].score):
            work = FaceAtWork(canvas, index, face, (digest, index), spare=self.settings.gaze_tries)
            if choices.get(index) == "keep":
                work.keep("Left on request.")
                continue
            with self._failing_closed(work):
                work.source = self.verifier.source(picture, face)
                if choices.get(index) == "obscure":
                    self._obscure(work, "Obscured on request.")
                    continue
                if not self.verifier.recognises(work.source):
                    self._obscure(work, "Too unclear to be recognised, so nothing could be verified.")
                    continue
                likenesses = self.people.leaves(work.source.embeddings, face.size) if self.people else ()
                if self.people and likenesses:
                    work.keep(self.people.reason, likenesses)
                    continue
                work.embedding = self._embedding(picture, work.source)
                work.encoded = self.engine.encode(picture, face)
                canvas.replacing.append(face)
                if self.settings.consistent:
                    work.person = self.registry.meet(work.source.embeddings)
                    work.labels = "person", work.person.number
                yield work

    def _embedding(self, picture: ByteArray, source: Source) -> FloatArray:
        guide = self.engine.guide
        known = source.embeddings.get(guide.name)
        return guide.embed(picture, source.face) if known is None else known

    def _regenerate(
        self, faces: Sequence[FaceAtWork], strength: Strength
    ) -> Iterator[tuple[FaceAtWork, inversion.Array]]:
        """The latents of faces that are tried at the same strength, as many at once as the engine takes."""
        for batch in batches(faces, self.engine.batch):
            try:
                latents = self._invert(
                    [face.encoded for face in batch],
                    [face.embedding for face in batch],
                    [(*face.labels, face.tries) for face in batch],
                    strength,
                )
                yield from zip(batch, latents, strict=True)
            except Exception:
                if len(batch) > 1:  # one that fails does not drag the others along
                    for face in batch:
                        yield from self._regenerate([face], strength)
                    continue
                with self._failing_closed(batch[0]):
                    raise

    def regenerations(self, encoded: Encoded, embedding: FloatArray, label: Labels) -> Iterator[inversion.Array]:
        """A face's latents, from one try to the next, each pushed harder, with another stranger."""
        for rung, strength in enumerate(escalation(self.settings)):
            yield self._invert([encoded], [embedding], [(*label, rung)], strength)[0]

    def _invert(
        self,
        encoded: Sequence[Encoded],
        embeddings: Sequence[FloatArray],
        labels: Sequence[Labels],
        strength: Strength,
    ) -> inversion.Array:
        """The method: invert under the null identity, regenerate away from the faces' own."""
        engine = self.engine
        known = engine.conditions(encoded, embeddings, self.noise, labels, attributes_kept=strength.attributes_kept)
        fields = self._fields(known, strength)
        keeps = [one.keep for one in encoded]
        is_nullface = self.settings.method == "nullface"
        return inversion.regenerate(
            engine.stack([one.x0 for one in encoded]),
            noise=engine.noise(encoded, strength.steps, self.noise, labels),
            timesteps=inversion.timesteps(strength.steps, strength.skip),
            predict=engine.predict,
            inversion=fields.inversion,
            generation=fields.generation,
            schedule=engine.schedule,
            order=1 if is_nullface else 2,
            inversion_batch=engine.inversion_batch(len(encoded), strength.steps),
            keep=None if keeps[0] is None else engine.stack(keeps),
            # NullFace keeps a part only from a third of the way on, so that it blends with what is new.
            keep_from=strength.steps // 3 if is_nullface else 0,
        )

    def _fields(self, known: Conditions[Any], strength: Strength) -> inversion.Fields[Any]:
        w, null = strength.guidance, known.null
        if self.settings.method == "nullface":
            fields = inversion.nullface(w, null=null, opposite=known.opposite)
        else:
            fields = inversion.decoupled(
                w,
                g_id=-w if strength.identity is None else strength.identity,
                g_attr=1 - w if strength.attribute is None else strength.attribute,
                null=null,
                identity=known.identity,
                blank=known.blank,
                attribute=known.attribute,
            )
        if known.surrogate is not None and strength.surrogate > 0:
            fields = inversion.toward(fields, strength.surrogate, surrogate=known.surrogate, null=null)
        return fields

    def _judge(self, work: FaceAtWork, x: inversion.Array, *, last: bool) -> None:
        """Take a try for the result, or send the face up the ladder, or obscure it at its end."""
        with self._failing_closed(work):
            work.tries += 1
            if work.best is not None:
                work.spare -= 1
            rendering = work.kept_apart(self.engine.decode(work.canvas.image, work.encoded, x))
            candidate = self._assessed(work, x, rendering)
            if candidate.check.is_safe(work.face):
                self._offer(work, candidate)
            elif work.best is None:
                lenient = candidate.check.leniently()
                if lenient.is_safe(work.face):
                    work.offer_resort(replace(candidate, check=lenient, lenient=True))
                self._climb(work, candidate.check, last=last)
            if work.best is not None and work.spare <= 0:
                self._take(work, work.best, last=last)

    def _assessed(self, work: FaceAtWork, x: inversion.Array, rendering: Rendering) -> Candidate:
        """What recognisers, and whoever looks at its gaze, say of a try; gaze matters only where it is safe."""
        result = work.canvas.with_pasted(rendering)
        check = self.verifier.check(result, work.source)
        averted = self._averted(work, result) if check.is_safe(work.face) else np.inf
        return Candidate(x, rendering, check, averted, work.canvas.settled)

    def _offer(self, work: FaceAtWork, candidate: Candidate) -> None:
        """Offer a safe try; if its gaze turned, also with what is around the eyes as it was, if that is safe."""
        work.offer(candidate)
        if candidate.averted > GAZE_KEPT and work.look is not None:
            rested = eyes_rested(candidate.rendering, work.canvas.image, work.look.eyes)
            again = self._assessed(work, candidate.x, rested)
            if again.check.is_safe(work.face):
                work.offer(again)
        if work.best is not None and work.best.averted <= GAZE_KEPT:
            work.spare = 0

    def _climb(self, work: FaceAtWork, check: Check, *, last: bool) -> None:
        work.closest = min(work.closest, check.closeness)
        last |= work.tries >= LENIENT_AFTER and work.closest > FAR
        if last and work.resort is not None and work.tries >= LENIENT_AFTER:
            resort, work.resort = work.resort, None
            self._take(work, resort, last=last)
        elif last:
            why = "A recogniser still matched the result" if check.matches else "No believable face came out"
            self._obscure(work, f"{why} after {work.tries} {'try' if work.tries == 1 else 'tries'}.")
        else:
            work.rung += 1

    def _take(self, work: FaceAtWork, best: Candidate, *, last: bool) -> None:
        """Make a candidate the result; it is checked again where other faces have changed since."""
        result, check = work.canvas.with_pasted(best.rendering), best.check
        if best.settled != work.canvas.settled:
            check = self.verifier.check(result, work.source)
            check = check.leniently() if best.lenient else check
        if check.matches:
            work.best = None
            self._climb(work, check, last=last)
            return
        work.canvas.image = result
        reason = BARELY if best.lenient else "Replaced; no recogniser matches it."
        work.settle(work.result("anonymized", reason, check), best.rendering)
        if work.person is not None and work.person.change is None:
            work.person.change = best.x - work.encoded.x0

    def _averted(self, work: FaceAtWork, result: ByteArray) -> float:
        """Degrees by which a face's gaze turned; none where that is not asked for, all where it shows no more."""
        if self._onlooker is None:
            return 0.0
        if work.look is None:
            work.look = self._onlooker.look(work.canvas.photo.image_rgb, work.face)
        if np.isnan(work.look.gaze).any():
            return 0.0
        turned = np.linalg.norm(self._onlooker.look(result, work.face).gaze - work.look.gaze)
        return float(np.nan_to_num(turned, nan=np.inf))

    @contextmanager
    def _failing_closed(self, work: FaceAtWork) -> Iterator[None]:
        """Whatever goes wrong with a face, it ends obscured."""
        try:
            try:
                yield
            except EngineError as error:
                obscure = self._obscure if hasattr(work, "source") else FaceAtWork.hide
                obscure(work, str(error))
        except Exception as error:
            logger.exception("face %s could not be processed", work.index)
            work.hide(f"Internal error ({type(error).__name__}).")

    def _obscure(self, work: FaceAtWork, reason: str) -> None:
        """Obscure a face so that it cannot be matched either."""
        kind, spared = self.settings.fallback, work.surer
        rendering, check = hide(work.canvas.image, work.source, self.verifier, kind=kind, spared=spared)
        work.canvas.image = paste(work.canvas.image, rendering)
        work.settle(work.result("obscured", reason, check), rendering)
