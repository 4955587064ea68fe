"""Rendering an analysed video: one stranger per person, the same change in every frame, checked as it goes.

A person's change of codes is found once, on several frames, and applied to every frame's own face: light,
expression and pose are the frame's, the stranger is the same, and nothing flickers that did not before.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from reverse_personalization.anonymizer import BARELY, LENIENT_AFTER, Anonymizer
from reverse_personalization.blas import one_blas_thread
from reverse_personalization.engines.base import Encoded
from reverse_personalization.engines.compact.engine import CompactEngine
from reverse_personalization.errors import EngineError, UsageError
from reverse_personalization.faces.compositing import paste
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.registry import Person
from reverse_personalization.identity.verification import Check
from reverse_personalization.loading import ModelCard
from reverse_personalization.obscuring import obscure
from reverse_personalization.settings import Settings
from reverse_personalization.video.analysis import Analysis, TrackEntry, face_of
from reverse_personalization.video.atwork import Coverage, Fewest, Stranger, TrackAtWork, with_following
from reverse_personalization.video.journal import Journal, TrackState
from reverse_personalization.video.meeting import Sample, Visible, mean_embeddings, meet, some, visible
from reverse_personalization.video.options import VideoOptions
from reverse_personalization.video.parts import PartsWriter
from reverse_personalization.video.reading import Frame, VideoReader
from reverse_personalization.video.writing import VideoWriter

logger = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
DEFAULTS = VideoOptions()
# Share of the frames of a person on which the stranger is found that need not verify.
MAY_FAIL = 0.25
# How often at most a better stranger is looked for while some of those frames do not.
SPARE = 3
UNCLEAR = "Never seen clearly enough to be verified."


class VideoAnonymizer:
    """Renders videos; models load once."""

    def __init__(self, settings: Settings, anonymizer: Anonymizer | None = None) -> None:
        """Load the models, or take those that are loaded.

        Raises:
            UsageError: another engine than the compact one, or another detector than YuNet.
        """
        if settings.engine != "compact":
            raise UsageError(f"--engine {settings.engine}: videos are the compact engine's so far; leave it out.")
        if settings.detector is not None:
            raise UsageError("--detector: is for photos so far; leave it out with videos.")
        self._anonymizer, self._settings = anonymizer or Anonymizer(settings=settings), settings
        self._engine = cast(CompactEngine, self._anonymizer.engine)

    @property
    def models(self) -> tuple[ModelCard, ...]:
        """The models in use."""
        return self._anonymizer.models

    @one_blas_thread()
    def render(
        self,
        path: Path,
        analysis: Analysis,
        output: Path,
        *,
        options: VideoOptions = DEFAULTS,
        journal: Journal | None = None,
        progress: Progress | None = None,
    ) -> list[Coverage]:
        """Write the video with every face replaced, obscured or kept, as the analysis says.

        Raises:
            UnreadableVideoError: the video cannot be read.
            OutputError: the output cannot be written; nothing is left of it.
        """
        told = progress or (lambda what, done, total: None)
        faces = _by_frame(analysis.tracks)
        with ThreadPoolExecutor(1) as executor:
            work = self._work(path, analysis, told, executor)
            for number, state in (journal.states if journal else {}).items():
                work[number].restore(state)
            done = journal.frames_done if journal else 0
            with (
                VideoReader(path, start=analysis.start, end=analysis.end) as reader,
                self._writer(output, reader, options, journal, work) as writer,
            ):
                for item, following in with_following(reader.items(sound=options.sound)):
                    if not isinstance(item, Frame):
                        writer.copy(item)
                        continue
                    if item.index < done:
                        continue
                    writer.write(item, self._rendered(item, following, faces, work))
                    told("rendering", item.index + 1, analysis.frames)
        return [one.coverage() for one in work.values()]

    def _rendered(
        self, frame: Frame, following: Frame | None, faces: dict[int, dict[int, Face]], work: dict[int, TrackAtWork]
    ) -> ByteArray:
        """A frame with all its faces done."""
        image = frame.image_rgb
        present = faces.get(frame.index, {})
        for track, face in present.items():
            next_face = faces.get(following.index, {}).get(track) if following else None
            work[track].following = (following.image_rgb, next_face) if following and next_face else None
            surer = [other for number, other in present.items() if other.score > face.score and not work[number].stays]
            image = self.done(image, frame.image_rgb, face, work[track], spared=surer)
        return image

    def _writer(
        self,
        output: Path,
        reader: VideoReader,
        options: VideoOptions,
        journal: Journal | None,
        work: dict[int, TrackAtWork],
    ) -> VideoWriter | PartsWriter:
        mark = self._settings.mark
        if journal is None:
            return VideoWriter(output, reader, options, mark=mark)

        def states() -> dict[int, TrackState]:
            return {number: one.state() for number, one in work.items()}

        return PartsWriter(output, reader, options, journal, states, mark=mark)

    def _work(
        self, path: Path, analysis: Analysis, told: Progress, executor: Executor | None = None
    ) -> dict[int, TrackAtWork]:
        """Every track, with who stays visible, and with a stranger for everybody else."""
        people = self._anonymizer.people
        if people is None:
            by_person = meet(path, analysis, self._anonymizer, lambda track: track.person, told)
            shown: dict[int, Visible | None] = {}
        else:  # each track is decided on by itself: who look alike are not kept for each other's sake
            by_track = meet(path, analysis, self._anonymizer, lambda track: track.id, told)
            shown = {number: visible(people, samples) for number, samples in by_track.items()}
            hidden = [track for track in analysis.tracks if not shown.get(track.id)]
            by_person = {
                person: some(by_track, [track for track in hidden if track.person == person])
                for person in {track.person for track in hidden}
            }
        strangers = {
            person: self.stranger(person, by_person.get(person, ()))
            for person in sorted({track.person for track in analysis.tracks})
        }
        return {
            track.id: TrackAtWork(track, strangers[track.person], shown.get(track.id), executor)
            for track in analysis.tracks
        }

    def stranger(self, person: int, samples: Sequence[Sample]) -> Stranger:
        """Escalate until the change verifies on nearly all samples, and a little further if it does not on all."""
        if not samples:
            return Stranger(None, {}, 0, UNCLEAR)
        known = mean_embeddings(samples)
        met = self._anonymizer.registry.meet(known) if self._settings.consistent else None
        best, resort = (Fewest(int(MAY_FAIL * len(samples)) + 1) for _ in range(2))
        spare, tries = SPARE, 0
        for tries, wanted in enumerate(self._changes(samples, met, person), 1):
            change, drift = self._settled(samples, wanted)
            is_met = met is not None and wanted is met.change
            if is_met:  # to the letter, so that the clips show one stranger
                change = wanted
            checks = [self._check(sample, change, drift, known) for sample in samples]
            strict = sum(check is None or check.matches for check in checks)
            if not best.offer(Stranger(change, known, tries, drift=drift), strict) and best.stranger:
                spare -= 1
            if best.stranger and (best.failing == 0 or is_met or spare == 0):
                break
            lenient = sum(check is None or check.leniently().matches for check in checks)
            resort.offer(Stranger(change, known, tries, BARELY, drift), lenient)
        chosen = best.stranger or (resort.stranger if tries >= LENIENT_AFTER else None)
        if chosen is None:
            return Stranger(None, known, tries, "A recogniser still matched the result after every try.")
        if met is not None:
            met.change = chosen.change
        return chosen

    def _settled(self, samples: Sequence[Sample], change: FloatArray) -> tuple[FloatArray, FloatArray]:
        """A change of codes that keeps expressions on the whole, and by how much it draws the mesh along."""
        settled = [self._engine.settle(s.image_rgb, s.encoded, s.encoded.x0 + change) for s in samples]
        changes = [one.codes - sample.encoded.x0 for one, sample in zip(settled, samples, strict=True)]
        return np.mean(changes, 0), np.mean([one.drift for one in settled], 0)

    def _changes(self, samples: Sequence[Sample], met: Person | None, person: int) -> Iterator[FloatArray]:
        """What made a stranger of the person earlier in the run, if anything, and what may make one now."""
        if met is not None and met.change is not None:
            yield met.change
        mean, embedding = self._mean(samples)
        for x in self._anonymizer.regenerations(mean, embedding, ("person", met.number if met else person)):
            yield np.asarray(x - mean.x0, np.float32)

    def _mean(self, samples: Sequence[Sample]) -> tuple[Encoded, FloatArray]:
        """A face with the samples' mean codes and embedding."""
        guide = self._engine.guide.name
        embedding = np.mean([sample.source.embeddings[guide] for sample in samples], 0)
        codes = np.mean([sample.encoded.x0 for sample in samples], 0).astype(np.float32)
        return replace(samples[0].encoded, x0=codes), embedding

    def _check(
        self, sample: Sample, change: FloatArray, drift: FloatArray, known: dict[str, FloatArray]
    ) -> Check | None:
        """What recognisers say of a change on a frame; None where no face is found, or would not pass in the video."""
        engine, verifier = self._engine, self._anonymizer.verifier
        rendering = engine.decode(sample.image_rgb, sample.encoded, sample.encoded.x0 + change, drift=drift)
        result = paste(sample.image_rgb, rendering)
        check = verifier.check(result, sample.source)
        if check.face is None:
            return None
        if check.leniently().matches:
            return check
        return None if verifier.still_matches(result, sample.face, known) else check

    def done(
        self, image: ByteArray, original: ByteArray, face: Face, work: TrackAtWork, *, spared: Sequence[Face] = ()
    ) -> ByteArray:
        """The frame with one face done; whatever goes wrong, the face does not stay.

        Args:
            image: uint8 H x W x 3, with what was done to other faces.
            original: the frame as it was.
            face: where it is.
            work: its track.
            spared: other faces of the frame that do not stay, and that are not covered if this one is obscured.
        """
        if work.entry.action == "keep":
            return work.count(image, "kept")
        if work.entry.action == "replace" and work.visible is not None:
            if not work.holds():
                if self._is_still(original, face, work.visible):
                    return work.count(image, "kept")
                work.hold()
        elif work.entry.action == "replace" and work.stranger.change is not None and not work.holds():
            replaced = None
            try:
                # Where a face must be but was not seen, nothing is replaced on a guess.
                seen = self._seen(original, face)
                if seen is not None:
                    replaced = self._replaced(image, original, seen, work)
            except EngineError as error:
                logger.info("face of track %s: %s", work.entry.id, error)
            except Exception:
                logger.exception("face of track %s could not be processed", work.entry.id)
            if replaced is not None:
                return work.count(replaced, "anonymized")
            work.hold()
        rendering = obscure(image, face, kind=self._settings.fallback, spared=spared)
        return work.count(paste(image, rendering), "obscured")

    def _seen(self, original: ByteArray, face: Face) -> Face | None:
        """The face as it was seen, or is seen on a second look."""
        return face if face.score > 0 else self._anonymizer.detector.find_again(original, face)

    def _is_still(self, original: ByteArray, face: Face, shown: Visible) -> bool:
        """Whether a face that stays visible is the one on which it was decided; tracks can go astray."""
        try:
            seen = self._seen(original, face)
            return seen is not None and self._anonymizer.verifier.all_match(original, seen, shown.known)
        except Exception:
            logger.exception("a face that was to stay visible could not be recognised")
            return False

    def _replaced(self, image: ByteArray, original: ByteArray, face: Face, work: TrackAtWork) -> ByteArray | None:
        """The frame with the stranger in it, or None where it does not verify."""
        engine, verifier = self._engine, self._anonymizer.verifier
        encoded = work.encoded(engine, original, face)
        change = work.stranger.change
        rendering = engine.decode(image, encoded, encoded.x0 + change, drift=work.stranger.drift)
        result = paste(image, rendering)
        return None if verifier.still_matches(result, face, work.stranger.known) else result


def _by_frame(tracks: Sequence[TrackEntry]) -> dict[int, dict[int, Face]]:
    """The faces of every frame, by track."""
    frames: dict[int, dict[int, Face]] = defaultdict(dict)
    for track in tracks:
        for span in track.faces:
            frames[span.frame][track.id] = face_of(span)
    return frames
