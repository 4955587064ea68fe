"""Faces replaced in pictures as they come, as of a camera: nothing of what follows is known.

A face is obscured until a stranger is found for it, and wherever it cannot be seen or verified. A face that the
detector does not find in any frame cannot be hidden; a recorded video, which can be looked at twice, is safer.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from reverse_personalization.anonymizer import Anonymizer
from reverse_personalization.errors import UsageError
from reverse_personalization.faces.compositing import paste
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.faces.face import ByteArray, Face
from reverse_personalization.obscuring import obscure
from reverse_personalization.settings import Settings
from reverse_personalization.video.analysis import SCALE, TrackEntry
from reverse_personalization.video.atwork import TrackAtWork
from reverse_personalization.video.choosing import Chooser
from reverse_personalization.video.meeting import LEAST_SCORE, Sample, sample_of
from reverse_personalization.video.rendering import VideoAnonymizer
from reverse_personalization.video.tracking import CONTINUE, Track, Tracker

logger = logging.getLogger(__name__)

# Frames on which a person's stranger is found: fewer than a video's, since somebody waits.
SAMPLES = 3
# Frames of a track that are remembered.
MEMORY = 30


@dataclass(eq=False)
class Guest:
    """Somebody before the camera.

    Attributes:
        person: a number of their own, which their stranger hangs on.
        samples: frames of them, while no stranger is found yet.
        work: the track as `VideoAnonymizer` replaces it, as soon as there is a stranger.
    """

    person: int
    samples: list[Sample] = field(default_factory=list)
    work: TrackAtWork | None = None


class LiveAnonymizer:
    """Replaces faces in one picture after the other; models load once."""

    def __init__(self, settings: Settings, *, rate: float = 10.0, anonymizer: Anonymizer | None = None) -> None:
        """Load the models, or take those that are loaded.

        Args:
            settings: of the method.
            rate: pictures per second, about.
            anonymizer: with loaded models.

        Raises:
            UsageError: another engine than the compact one, or people who are to stay visible.
        """
        if settings.keep_people is not None or settings.only is not None:
            raise UsageError("Live pictures replace everybody: leave out --keep-people and --only.")
        self._anonymizer = anonymizer or Anonymizer(settings=settings)
        self._videos, self._settings = VideoAnonymizer(settings, self._anonymizer), settings
        self._chooser = Chooser(self._anonymizer)
        self._detector = YuNetDetector(threshold=CONTINUE, turned=False, scales=(SCALE,))
        self._tracker, self._frames, self._people = Tracker(rate), count(), count()
        self._guests: dict[Track, Guest] = {}

    def anonymize(self, image_rgb: ByteArray) -> ByteArray:
        """The next picture, uint8 H x W x 3, with every face replaced or obscured; black where anything fails."""
        try:
            return self._done(next(self._frames), image_rgb)
        except Exception:
            logger.exception("a picture could not be anonymized")
            return np.zeros_like(image_rgb)

    def _done(self, frame: int, original: ByteArray) -> ByteArray:
        faces = self._detector.detect(original)
        found = self._tracker.advance(frame, original, faces)
        followed = {id(face) for _, face in found}
        unsure = [face for face in faces if id(face) not in followed]
        image, surer = original, [face for _, face in found]
        for face in (*unsure, *self._tracker.missing(frame)):
            image = paste(image, obscure(image, face, kind=self._settings.fallback, spared=surer))
        for track, face in found:
            image = self._replaced(image, original, track, face)
        self._guests = {track: guest for track, guest in self._guests.items() if self._tracker.follows(track)}
        self._tracker.forget(frame - MEMORY)
        return image

    def _replaced(self, image: ByteArray, original: ByteArray, track: Track, face: Face) -> ByteArray:
        guest = self._guests.setdefault(track, Guest(next(self._people)))
        if guest.work is None:
            self._meet(guest, original, face)
        if guest.work is not None:
            return self._videos.done(image, original, face, guest.work)
        return paste(image, obscure(image, face, kind=self._settings.fallback))

    def _meet(self, guest: Guest, original: ByteArray, face: Face) -> None:
        """Look at somebody; who was seen often enough gets a stranger."""
        sample = sample_of(original, face, self._anonymizer) if face.score >= LEAST_SCORE else None
        if sample is not None:
            guest.samples.append(sample)
        if len(guest.samples) == SAMPLES:
            stranger = self._chooser.stranger(guest.person, guest.samples, spare=0)
            guest.work = TrackAtWork(TrackEntry(id=guest.person, person=guest.person, faces=[]), stranger)
            guest.samples.clear()
