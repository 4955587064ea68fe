"""One run of the bench: methods make outputs, evaluators look at them, numbers come out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reverse_personalization.bench import utility
from reverse_personalization.bench.datasets import Person, Trial
from reverse_personalization.bench.fidelity import fid_and_kid
from reverse_personalization.bench.frechet import frechet_distance
from reverse_personalization.bench.judging import Judge, kept_attributes
from reverse_personalization.bench.methods import Method, Outcome
from reverse_personalization.bench.observing import Observation, Observer, observe_all
from reverse_personalization.bench.privacy import Gallery, Privacy, assess
from reverse_personalization.bench.statistics import Rate
from reverse_personalization.bench.utility import Spread, spread
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.identity.onnx_recogniser import OnnxFile
from reverse_personalization.identity.plugged import PluginName

Report = Callable[[str, int, int], None]
# What the sources are called in tables: the same photos, untouched.
SOURCE = "source"


@dataclass(frozen=True)
class MethodResult:
    """Everything that was measured of one method.

    Attributes:
        name: the method.
        statuses: how many outputs ended how.
        privacy: one for each recogniser and gallery.
        found: results in which the detector finds a face again.
        utility: by quantity.
        frechet: Frechet distance of sources' and results' features, by recogniser whose space it is.
        fidelity: FID and KID, where Inception's weights were given.
        kept: by attribute, results of which a judge says what it says of the source, where there are judges.
        seconds: per photo, median; None where the method is not timed.
        workers: processes that anonymized side by side while it was timed.
        per_photo: by quantity, float32 n, NaN where unknown.
        outcomes: one for each trial.
    """

    name: str
    statuses: dict[str, int]
    privacy: tuple[Privacy, ...]
    found: Rate
    utility: dict[str, Spread]
    frechet: dict[str, float]
    fidelity: dict[str, float]
    kept: dict[str, Rate]
    seconds: float | None
    workers: int
    per_photo: dict[str, FloatArray]
    outcomes: tuple[Outcome, ...]

    @property
    def outputs(self) -> list[Path | None]:
        """The output of each trial, where there is one."""
        return [outcome.path for outcome in self.outcomes]


@dataclass(frozen=True)
class Evaluators:
    """Evaluators that a user brings.

    Attributes:
        recognisers: besides dlib's ResNet and SFace.
        qualities: networks that give a crop's quality as one number, the higher the better.
        judges: of attributes that are to be kept; they learned with the same networks.
        inception: Inception's weights, for FID and KID.
    """

    recognisers: tuple[OnnxFile | PluginName, ...] = ()
    qualities: tuple[OnnxFile, ...] = ()
    judges: tuple[Judge, ...] = ()
    inception: Path | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the recognisers."""
        return tuple(recogniser.name for recogniser in self.recognisers)

    @property
    def networks(self) -> tuple[OnnxFile | PluginName, ...]:
        """All that look at crops."""
        return self.recognisers + self.qualities


class Bench:
    """A data set, observed once, against which methods are measured."""

    def __init__(
        self,
        people: Sequence[Person],
        trials: Sequence[Trial],
        folder: Path,
        *,
        evaluators: Evaluators | None = None,
        workers: int = 1,
        report: Report | None = None,
    ) -> None:
        """Observe the gallery and the trials' photos.

        Args:
            people: the gallery, by their first photos.
            trials: what is anonymized.
            folder: keeps outputs and observations, so that a second run costs only what is new.
            evaluators: besides those that are built in.
            workers: processes that observe.
            report: called with what is being done, how much of it is, and the total.
        """
        self.people, self.trials, self.folder = tuple(people), tuple(trials), folder
        self.report: Report = report or (lambda what, done, total: None)
        self._with, self._workers = evaluators or Evaluators(), workers
        self.recognisers: tuple[Recogniser, ...] = Observer(self._with.recognisers).recognisers
        photos = [person.photos[0] for person in people] + [trial.photo for trial in trials]
        seen = self.observe("observing sources", photos)
        self.gallery, self.source = seen[: len(people)], seen[len(people) :]

    def observe(self, what: str, photos: Sequence[Path | None]) -> list[Observation]:
        """Observations of photos; None is a missing one."""
        return observe_all(
            photos,
            self.folder / "observations",
            files=self._with.networks,
            workers=self._workers,
            progress=lambda done, total: self.report(what, done, total),
        )

    def output_folder(self, method: Method) -> Path:
        """Where a method's outputs are kept; other settings have another folder."""
        return self.folder / "outputs" / f"{method.name}-{hashlib.sha256(method.key.encode()).hexdigest()[:10]}"

    def results(self, method: Method, photos: Sequence[Path] | None = None) -> list[Observation]:
        """Run a method on photos, the trials' by default; nothing is seen of those that it did not anonymize."""
        given = [trial.photo for trial in self.trials] if photos is None else photos
        outcomes = method.run(
            given,
            self.output_folder(method),
            lambda done, total: self.report(f"{method.name}: anonymizing", done, total),
        )
        made = [outcome.path if outcome.status == "anonymized" else None for outcome in outcomes]
        return self.observe(f"{method.name}: observing", made)

    def measure(self, method: Method) -> MethodResult:
        """Run a method on every trial and measure what comes out."""
        photos = [trial.photo for trial in self.trials]
        outcomes = method.run(
            photos,
            self.output_folder(method),
            lambda done, total: self.report(f"{method.name}: anonymizing", done, total),
        )
        usable = [outcome.path for outcome in outcomes]
        after = self.observe(f"{method.name}: observing", usable)
        outside = utility.changed_outside(
            photos,
            usable,
            self.source,
            lambda done, total: self.report(f"{method.name}: comparing", done, total),
        )
        per_photo = self._per_photo(after) | {"changed outside the face": outside}
        seconds = [o.seconds for o in outcomes if o.seconds is not None]
        return MethodResult(
            method.name,
            dict(Counter(o.status for o in outcomes)),
            tuple(self._privacy(after)),
            Rate(int(utility.found_again(after).sum()), len(after)),
            {name: spread(values) for name, values in per_photo.items()},
            {r.name: frechet_distance(embeddings(self.source, r), embeddings(after, r)) for r in self.recognisers},
            {} if self._with.inception is None else fid_and_kid(photos, usable, self._with.inception),
            self._kept(after),
            float(np.median(seconds)) if seconds else None,
            method.workers,
            per_photo | {f"similarity, {r.name}": self._similarities(r, after) for r in self.recognisers},
            tuple(outcomes),
        )

    def sources(self) -> list[Privacy]:
        """What recognisers make of the photos before anything is done to them."""
        return [p for p in self._privacy(self.source) if p.gallery == "other photo"]

    def _per_photo(self, after: Sequence[Observation]) -> dict[str, FloatArray]:
        return {
            "head pose, degrees": utility.pose_change(self.source, after),
            "gaze, degrees": utility.gaze_change(self.source, after),
            "expression, share of random": utility.expression_change(self.source, after),
            "landmarks, share of eye distance": utility.landmark_change(self.source, after),
            "colour, CIELAB": utility.colour_change(self.source, after),
            "face quality lost, share": utility.quality_lost(self.source, after),
        } | {f"{q.name} lost": utility.score_lost(q.name, self.source, after) for q in self._with.qualities}

    def _kept(self, after: Sequence[Observation]) -> dict[str, Rate]:
        names = [f"{judge.attribute} (AUC {judge.area:.2f})" for judge in self._with.judges]
        return dict(zip(names, kept_attributes(self._with.judges, self.source, after), strict=True))

    def _privacy(self, after: Sequence[Observation]) -> list[Privacy]:
        own = [trial.person for trial in self.trials]
        kinds: list[Gallery] = ["own photo"]
        if any(trial.other is not None for trial in self.trials):
            kinds.append("other photo")
        rows = []
        for recogniser in self.recognisers:
            untouched = embeddings(self.gallery, recogniser)
            for kind in kinds:
                gallery = untouched.copy()
                if kind == "own photo":
                    gallery[own] = embeddings(self.source, recogniser)
                probes = embeddings(after, recogniser)
                rows.append(assess(recogniser, kind, probes, gallery, own, untouched=untouched))
        return rows

    def _similarities(self, recogniser: Recogniser, after: Sequence[Observation]) -> FloatArray:
        pairs = zip(embeddings(self.source, recogniser), embeddings(after, recogniser), strict=True)
        return np.array([recogniser.similarity(a, b).item() for a, b in pairs], np.float32)


def embeddings(seen: Sequence[Observation], recogniser: Recogniser) -> FloatArray:
    """float32 n x d, NaN where there is none."""
    return np.stack([o.embeddings[recogniser.name] for o in seen])
