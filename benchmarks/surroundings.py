"""What tells people where nothing of a face is left: whom recognisers find by what a new face cannot change.

python benchmarks/surroundings.py DATASET [--labels LABELS.csv] [--limit N] [--recogniser NAME=FILE.onnx]

Of each photo all that the compact engine may change is painted in its own mean colour; eyes, hair, ears, outline and
what lies before the face stay. Photos, gallery and groups are those of `revpers bench run`, so that its rates can be
laid beside: a group that is found more often than others when its faces are painted over is not told by its new faces.
The place of the face is that in the photo as it was, as somebody knows who has it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reverse_personalization.bench.datasets import draw_trials, load_people
from reverse_personalization.bench.embedding import MAX_PIXELS, middlemost
from reverse_personalization.bench.observing import Observer
from reverse_personalization.bench.privacy import places
from reverse_personalization.bench.statistics import Rate
from reverse_personalization.bench.subsets import Subset, groups, hard_cases, prompts_by_name
from reverse_personalization.engines.compact.codec import FaceCodec
from reverse_personalization.engines.compact.parts import read_parts
from reverse_personalization.engines.compact.rendering import Renderer
from reverse_personalization.errors import ReversePersonalizationError
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.faces.mesh import FaceMesher
from reverse_personalization.identity.onnx_recogniser import OnnxFile
from reverse_personalization.media.images import read_photo


class Painter:
    """Paints over what the compact engine may change."""

    def __init__(self) -> None:
        """Load what finds and takes apart a face."""
        self._codec = FaceCodec(read_parts()["codec"])
        self._renderer, self._mesher = Renderer(self._codec.frame), FaceMesher()
        self._detector = YuNetDetector(turned=False)

    def painted(self, image_rgb: ByteArray) -> tuple[ByteArray, Face] | None:
        """The picture with its subject's face in one colour, and where it is; None where no mesh fits one."""
        face = middlemost(self._detector.detect(image_rgb), image_rgb)
        if face is None:
            return None
        try:
            mesh = self._mesher.fitted(image_rgb, face)
        except ReversePersonalizationError:
            return None
        coverage = self._codec.encode(image_rgb, mesh).coverage
        laid = self._renderer.laid(image_rgb, mesh, coverage, np.zeros((len(mesh.points), 2), np.float32))
        share, before = laid.share[..., None], laid.before.astype(np.float32)
        colour = (before * share).sum((0, 1)) / max(float(share.sum()), 1e-6)
        after = image_rgb.copy()
        after[laid.rows, laid.columns] = np.rint(before + share * (colour - before))
        return after, face


def main() -> None:
    """Print rank-1 by group and recogniser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recogniser", action="append", default=[])
    arguments = parser.parse_args()
    files = [OnnxFile(name, Path(file)) for name, _, file in (each.partition("=") for each in arguments.recogniser)]
    observer, painter = Observer(files), Painter()
    people = load_people(arguments.dataset)
    trials = draw_trials(people, limit=arguments.limit, seed=arguments.seed)
    gallery = [observer.observe(_read(person.photos[0])) for person in people]
    sources = [observer.observe(_read(trial.photo)) for trial in trials]
    probes = [_embedded(observer, painter, trial.photo) for trial in trials]
    own = np.array([trial.person for trial in trials])
    everybody = Subset("", "all", np.ones(len(trials), bool))
    prompts = {} if arguments.labels is None else prompts_by_name(arguments.labels)
    subsets = [everybody, *hard_cases(sources), *groups([trial.photo for trial in trials], prompts)]
    print(f"{len(trials)} photos, faces painted over, a gallery of {len(people)}: rank-1, 95 % intervals")
    for recogniser in observer.recognisers:
        name = recogniser.name
        seen, shown = (np.stack([one.embeddings[name] for one in of]) for of in (gallery, sources))
        probe = np.stack([one.get(name, np.full(seen.shape[1], np.nan, np.float32)) for one in probes])
        found = {"own photo": _first(recogniser, probe, seen, own, instead=shown)}
        if trials[0].other is not None:
            found["other photo"] = _first(recogniser, probe, seen, own)
        for kind, first in found.items():
            print(f"\n{name}, {kind}")
            for subset in subsets:
                print(f"  {subset.name:55} {_rate(first[subset.members])}")


def _read(path: Path) -> ByteArray:
    return read_photo(path, max_pixels=MAX_PIXELS).image_rgb


def _embedded(observer: Observer, painter: Painter, photo: Path) -> Mapping[str, FloatArray]:
    """What each recogniser says of a photo whose face is painted over; nothing where that is not possible."""
    painted = painter.painted(_read(photo))
    return {} if painted is None else {r.name: r.embed(*painted) for r in observer.recognisers}


def _first(
    recogniser: Any, probes: FloatArray, gallery: FloatArray, own: Any, *, instead: FloatArray | None = None
) -> FloatArray:
    """float32 n, 1 where one's own person comes first, NaN without a probe; their own row may be another photo."""
    similarity = np.nan_to_num(recogniser.similarity(probes, gallery), nan=-np.inf)
    if instead is not None:
        rows = np.arange(len(own))
        similarity[rows, own] = np.nan_to_num(recogniser.similarity(probes, instead), nan=-np.inf)[rows, rows]
    known = ~np.isnan(probes).any(1)
    return np.where(known, places(similarity, own)[1] == 1, np.nan).astype(np.float32)


def _rate(first: FloatArray) -> Rate:
    known = first[~np.isnan(first)]
    return Rate(int(known.sum()), len(known))


if __name__ == "__main__":
    main()
