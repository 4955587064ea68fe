"""Meeting a video's people before it is rendered: some clear frames of each, and who of them stays visible."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from reverse_personalization.anonymizer import Anonymizer
from reverse_personalization.engines.base import Encoded
from reverse_personalization.errors import EngineError
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.people import Likeness, People, Rule
from reverse_personalization.identity.verification import Source
from reverse_personalization.video.analysis import Analysis, TrackEntry, face_of
from reverse_personalization.video.reading import VideoReader

Progress = Callable[[str, int, int], None]
# Frames of a person on which the stranger is found, and how well a face must be seen in them.
SAMPLES, LEAST_SCORE = 8, 0.6
# How far what is kept of such a frame reaches, in sizes of the face: whole frames would fill the memory.
REACH = 1.5
# Share of a track's frames on which the rule must leave it visible.
AGREEING: Final[dict[Rule, float]] = {"keep": 0.75, "only": 1.0}


@dataclass(frozen=True, eq=False)
class Sample:
    """A frame's face, on which a stranger is tried.

    Attributes:
        image_rgb: uint8 H x W x 3, the frame around the face.
        face: where the face is in it.
        source: as the recognisers know it.
        encoded: as the engine does.
    """

    image_rgb: ByteArray
    face: Face
    source: Source
    encoded: Encoded


@dataclass(frozen=True, eq=False)
class Visible:
    """Why a track stays visible.

    Attributes:
        known: the track's mean embedding, by recogniser; in every frame it must be this face still.
        likenesses: medians over the frames that were looked at.
        reason: in a sentence.
    """

    known: dict[str, FloatArray]
    likenesses: tuple[Likeness, ...]
    reason: str


def meet(
    path: Path,
    analysis: Analysis,
    anonymizer: Anonymizer,
    group: Callable[[TrackEntry], int],
    told: Progress,
) -> dict[int, list[Sample]]:
    """Clear frames of the faces that are to be replaced, by what `group` says of their tracks.

    Raises:
        UnreadableVideoError: the video cannot be read.
    """
    wanted = _sample_frames(analysis, group)
    last = max(wanted, default=-1)
    samples: dict[int, list[Sample]] = defaultdict(list)
    if not wanted:
        return samples
    with VideoReader(path, start=analysis.start, end=analysis.end) as reader:
        for frame in reader.frames():
            for number, face in wanted.get(frame.index, ()):
                sample = sample_of(frame.image_rgb, face, anonymizer)
                if sample is not None:
                    samples[number].append(sample)
            told("meeting people", frame.index + 1, analysis.frames)
            if frame.index >= last:
                break
    return samples


def visible(people: People, samples: Sequence[Sample]) -> Visible | None:
    """Why a track stays visible, or None where it does not: whatever is doubtful does not."""
    decided = [(sample, people.leaves(sample.source.embeddings, sample.face.size)) for sample in samples]
    left = [likenesses for _, likenesses in decided if likenesses]
    if not left or len(left) < AGREEING[people.rule] * len(samples):
        return None
    # Only of frames that agree: others may show somebody else.
    known = mean_embeddings([sample for sample, likenesses in decided if likenesses])
    likenesses = tuple(
        Likeness(one[0].recogniser, float(np.median([each.similarity for each in one])), one[0].threshold)
        for one in zip(*left, strict=True)
    )
    return Visible(known, likenesses, people.reason)


def mean_embeddings(samples: Sequence[Sample]) -> dict[str, FloatArray]:
    """The mean of the samples' embeddings, by recogniser."""
    names = samples[0].source.embeddings
    return {name: np.mean([sample.source.embeddings[name] for sample in samples], 0) for name in names}


def some(samples: Mapping[int, Sequence[Sample]], tracks: Sequence[TrackEntry]) -> list[Sample]:
    """Of the samples of several tracks as many as are needed, from all of them."""
    every = [sample for track in tracks for sample in samples.get(track.id, ())]
    return [every[i] for i in _spread(len(every))]


def sample_of(image_rgb: ByteArray, face: Face, anonymizer: Anonymizer) -> Sample | None:
    """A frame's face, or None where the recognisers do not know it or no mesh fits."""
    image_rgb, face = _around(image_rgb, face)
    source = anonymizer.verifier.source(image_rgb, face)
    if not anonymizer.verifier.recognises(source):
        return None
    try:
        return Sample(image_rgb, face, source, anonymizer.engine.encode(image_rgb, face))
    except EngineError:
        return None


def _around(image_rgb: ByteArray, face: Face) -> tuple[ByteArray, Face]:
    x, y, w, h = face.box
    reach = REACH * face.size
    left, top = max(0, int(x - reach)), max(0, int(y - reach))
    return image_rgb[top : int(y + h + reach), left : int(x + w + reach)].copy(), face.moved(left, top)


def _sample_frames(analysis: Analysis, group: Callable[[TrackEntry], int]) -> dict[int, list[tuple[int, Face]]]:
    """Frames on which people are met: of the faces seen best, some that lie apart."""
    wanted: dict[int, list[tuple[int, Face]]] = defaultdict(list)
    spans: dict[int, list[tuple[int, Face]]] = defaultdict(list)
    for track in analysis.tracks:
        if track.action == "replace":
            spans[group(track)] += [(s.frame, face_of(s)) for s in track.faces if s.score >= LEAST_SCORE]
    for number, seen in spans.items():
        best = sorted(seen, key=lambda one: -one[1].score * one[1].size)[: max(SAMPLES, len(seen) // 2)]
        best.sort(key=lambda one: one[0])
        for i in _spread(len(best)):
            wanted[best[i][0]].append((number, best[i][1]))
    return wanted


def _spread(count: int) -> list[int]:
    """Indices of up to `SAMPLES` of `count` things, evenly spread."""
    return [int(i) for i in np.unique(np.linspace(0, count - 1, SAMPLES).astype(int))] if count else []
