"""Closed-set re-identification: whether an anonymized photo is still nearest to the person it shows.

Every probe is compared with one photo of each person of a gallery; rank-1 is the share of probes whose most
similar gallery photo is of the person that the probe shows. In the paper's definition the gallery holds the
very photo that was anonymized; a realistic intruder has another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reverse_personalization.anonymizer import Anonymizer
from reverse_personalization.bench.datasets import Person
from reverse_personalization.bench.embedding import MAX_PIXELS, embed_photos, embed_subject, middlemost, stack
from reverse_personalization.bench.statistics import Rate
from reverse_personalization.errors import InputError
from reverse_personalization.faces.detection import Detector
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.media.images import read_photo

Booleans = NDArray[np.bool_]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Reidentification:
    """Rank-1 of one recogniser, with one gallery.

    Attributes:
        recogniser: its name.
        gallery: "own photo" (the paper's definition) or "other photo".
        people: gallery size; chance is 1 over this.
        before: of the source photos; None with their own photo in the gallery, where it is trivially all.
        after: of the anonymized photos in which a face was found.
        worst: as `after`, with every failure counted as re-identified.
        failures: anonymized photos in which no face was found.
    """

    recogniser: str
    gallery: str
    people: int
    before: Rate | None
    after: Rate
    worst: Rate
    failures: int


@dataclass(frozen=True)
class Report:
    """What a run found.

    Attributes:
        rows: one for each recogniser and gallery.
        verdicts: how many probes' subjects ended with which verdict.
        probes: how many photos were anonymized.
    """

    rows: tuple[Reidentification, ...]
    verdicts: dict[str, int]
    probes: int


def reidentify(
    people: Sequence[Person],
    anonymizer: Anonymizer,
    detector: Detector,
    recognisers: Sequence[Recogniser],
    *,
    probes: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Anonymize a photo of several people and look for them among all.

    Args:
        people: the gallery; those with two or more photos can be probes, their second photo is.
        anonymizer: the method.
        detector: finds the subjects, in sources and in results alike.
        recognisers: the judges.
        probes: how many people are probes, drawn at random; None for all that can be.
        seed: of that draw.
        progress: called with what is being done, how much of it is, and the total.

    Raises:
        InputError: nobody has two photos.
    """
    chosen = _choose([i for i, person in enumerate(people) if len(person.photos) > 1], probes, seed)
    report = progress or (lambda what, done, total: None)
    photos = [person.photos[0] for person in people] + [people[i].photos[1] for i in chosen]
    embedded = embed_photos(
        photos, detector, recognisers, progress=lambda done, total: report("embedding", done, total)
    )
    gallery = {name: rows[: len(people)] for name, rows in embedded.items()}
    source = {name: rows[len(people) :] for name, rows in embedded.items()}
    result: list[dict[str, FloatArray] | None] = []
    verdicts: dict[str, int] = {}
    for done, i in enumerate(chosen, 1):
        found, verdict = _anonymize(people[i].photos[1], anonymizer, detector, recognisers)
        result.append(found)
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
        report("anonymizing", done, len(chosen))
    rows = tuple(
        _row(
            recogniser,
            kind,
            gallery,
            source,
            stack(
                [None if r is None else r[recogniser.name] for r in result],
                width=embedded[recogniser.name].shape[1],
            ),
            chosen,
        )
        for recogniser in recognisers
        for kind in ("own photo", "other photo")
    )
    return Report(rows, verdicts, len(chosen))


def _choose(able: Sequence[int], probes: int | None, seed: int) -> list[int]:
    if not able:
        raise InputError("Nobody in the data set has two photos; probes need a second one.")
    if probes is None or probes >= len(able):
        return list(able)
    return sorted(np.random.default_rng(seed).choice(able, probes, replace=False).tolist())


def _anonymize(
    path: Path, anonymizer: Anonymizer, detector: Detector, recognisers: Sequence[Recogniser]
) -> tuple[dict[str, FloatArray] | None, str]:
    """Embeddings of the anonymized subject, and its verdict."""
    result = anonymizer.anonymize(read_photo(path, max_pixels=MAX_PIXELS))
    middle = middlemost(result.faces, result.image)
    verdict = "no face found" if middle is None else middle.verdict
    return embed_subject(result.image, detector, recognisers), verdict


def _row(
    recogniser: Recogniser,
    kind: str,
    gallery: dict[str, FloatArray],
    source: dict[str, FloatArray],
    result: FloatArray,
    chosen: Sequence[int],
) -> Reidentification:
    name = recogniser.name
    known = gallery[name].copy()
    own = kind == "own photo"
    if own:
        known[list(chosen)] = source[name]
    hits, found = _hits(recogniser, result, known, chosen)
    failures = int((~found).sum())
    before = None if own else _rate(*_hits(recogniser, source[name], known, chosen))
    worst = Rate(int(hits.sum()) + failures, len(chosen))
    return Reidentification(name, kind, len(known), before, _rate(hits, found), worst, failures)


def _hits(
    recogniser: Recogniser, probes: FloatArray, gallery: FloatArray, people: Sequence[int]
) -> tuple[Booleans, Booleans]:
    """Which probes' nearest gallery row is their own person, and which have an embedding at all."""
    found = np.asarray(~np.isnan(probes).any(1), bool)
    similarity = np.nan_to_num(recogniser.similarity(probes, gallery), nan=-np.inf)
    return np.asarray(found & (similarity.argmax(1) == np.asarray(people))), found


def _rate(hits: Booleans, found: Booleans) -> Rate:
    return Rate(int(hits.sum()), int(found.sum()))
