"""Rendering an analysed video: one stranger per person, the same change in every frame, checked as it goes.

A person's change of codes is found once, on several frames, and applied to every frame's own face: light,
expression and pose are the frame's, the stranger is the same, and nothing flickers that did not before.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from reverse_personalization.anonymizer import Anonymizer
from reverse_personalization.blas import one_blas_thread
from reverse_personalization.engines.compact.engine import CompactEngine
from reverse_personalization.errors import EngineError
from reverse_personalization.faces.compositing import kept_apart, paste
from reverse_personalization.faces.face import ByteArray, Face
from reverse_personalization.loading import ModelCard
from reverse_personalization.obscuring import obscure
from reverse_personalization.settings import Settings
from reverse_personalization.video.analysis import Analysis, TrackEntry, face_of
from reverse_personalization.video.atwork import Coverage, TrackAtWork, with_following
from reverse_personalization.video.choosing import Chooser
from reverse_personalization.video.journal import Journal, TrackState
from reverse_personalization.video.meeting import Visible, meet, some, visible
from reverse_personalization.video.options import VideoOptions, check_followed
from reverse_personalization.video.parts import PartsWriter
from reverse_personalization.video.reading import Frame, VideoReader
from reverse_personalization.video.writing import VideoWriter

logger = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
DEFAULTS = VideoOptions()
# Share that stays, from frame to frame, of what one that did not verify was led farther by: nothing jumps back.
FADING = 0.9


@dataclass(frozen=True)
class Rendered:
    """What became of a video.

    Attributes:
        coverage: of every track, what was done in its frames.
        notes: a sentence each about what reading or writing lost.
    """

    coverage: list[Coverage]
    notes: tuple[str, ...] = ()


class VideoAnonymizer:
    """Renders videos; models load once."""

    def __init__(self, settings: Settings, anonymizer: Anonymizer | None = None) -> None:
        """Load the models, or take those that are loaded.

        Raises:
            UsageError: another engine than the compact one, or another detector than YuNet.
        """
        check_followed(settings)
        self._anonymizer, self._settings = anonymizer or Anonymizer(settings=settings), settings
        self._engine = cast(CompactEngine, self._anonymizer.engine)
        self._chooser = Chooser(self._anonymizer)

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
    ) -> Rendered:
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
        return Rendered([one.coverage() for one in work.values()], (*reader.notes, *writer.notes))

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
            person: self._chooser.stranger(person, by_person.get(person, ()))
            for person in sorted({track.person for track in analysis.tracks})
        }
        return {
            track.id: TrackAtWork(track, strangers[track.person], shown.get(track.id), executor)
            for track in analysis.tracks
        }

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
                    replaced = self._replaced(image, original, seen, work, spared)
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

    def _replaced(
        self, image: ByteArray, original: ByteArray, face: Face, work: TrackAtWork, others: Sequence[Face] = ()
    ) -> ByteArray | None:
        """The frame with the stranger in it, or None where it does not verify."""
        engine, stranger = self._engine, work.stranger
        encoded = work.encoded(engine, original, face)
        x = encoded.x0 + stranger.change + work.farther
        for is_led in (False, True):
            if is_led:
                x = engine.away(encoded, x, stranger.known[engine.guide.name])
            rendering = engine.decode(image, encoded, x, drift=stranger.drift)
            result = paste(image, kept_apart(rendering, image, face, others))
            if not self._anonymizer.verifier.still_matches(result, face, stranger.known):
                work.farther = FADING * (x - encoded.x0 - stranger.change)
                return result
        return None


def _by_frame(tracks: Sequence[TrackEntry]) -> dict[int, dict[int, Face]]:
    """The faces of every frame, by track."""
    frames: dict[int, dict[int, Face]] = defaultdict(dict)
    for track in tracks:
        for span in track.faces:
            frames[span.frame][track.id] = face_of(span)
    return frames
