"""What evaluators see on a photo, measured once and kept: who, how, where to, with which expression."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from reverse_personalization.bench.embedding import MAX_PIXELS, middlemost
from reverse_personalization.bench.processes import side_by_side
from reverse_personalization.errors import OutputError
from reverse_personalization.faces import topology
from reverse_personalization.faces.bearing import EXPRESSIONS, GazeReader, expression
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.faces.face import ByteArray, FloatArray, Mesh
from reverse_personalization.faces.mesh import LEAST_SCORE, FaceMesher
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.identity.dlib_resnet import DlibResNet
from reverse_personalization.identity.onnx_recogniser import OnnxFile, OnnxRecogniser
from reverse_personalization.identity.plugged import PluggedRecogniser, PluginName
from reverse_personalization.identity.sface import SFace
from reverse_personalization.media.atomic import written_atomically
from reverse_personalization.media.images import read_photo

VERSION = "2"
"""Changes when an evaluator changes, so that nothing old is taken from the cache."""
# Shifts and sizes of the crops that an eye is seen in.
GLANCES: Final = tuple((aside, scale) for aside in (-0.06, 0.0, 0.06) for scale in (0.9, 1.0, 1.1))


@dataclass(frozen=True, eq=False)
class Observation:
    """What was seen of a photo's subject; NaN where it was not.

    Attributes:
        embeddings: float32 d for each recogniser.
        score: of the detector, 0 to 1; 0 where no face was found.
        size: longer side of the face's box, pixels.
        points: float32 468 x 2, the mesh in pixels.
        pose: float32 3 x 3, the head's rotation.
        gaze: float32 2, degrees to the right and down, from the eyes' irises.
        expression: float32 e, in the order of `faces.bearing.EXPRESSIONS`.
        colour: float32 3, mean L*, a*, b* of the face.
    """

    embeddings: dict[str, FloatArray]
    score: float
    size: float
    points: FloatArray
    pose: FloatArray
    gaze: FloatArray
    expression: FloatArray
    colour: FloatArray


class Observer:
    """Looks at photos with the embedded evaluators."""

    def __init__(self, files: Sequence[OnnxFile | PluginName] = ()) -> None:
        """Load the models: dlib's ResNet, SFace, and recognisers in files or of plugins."""
        others = [OnnxRecogniser(each) if isinstance(each, OnnxFile) else PluggedRecogniser(each) for each in files]
        self.recognisers: tuple[Recogniser, ...] = (DlibResNet(), SFace(), *others)
        self._detector, self._mesher, self._gazes = YuNetDetector(turned=False), FaceMesher(), GazeReader(GLANCES)
        self._widths = {"dlib-resnet": 128, "sface": 128} | {other.name: other.width for other in others}

    def observe(self, image_rgb: ByteArray) -> Observation:
        """Observe a portrait's subject, on a uint8 H x W x 3 picture."""
        face = middlemost(self._detector.detect(image_rgb), image_rgb)
        if face is None:
            return self.nothing()
        embeddings = {r.name: np.asarray(r.embed(image_rgb, face), np.float32) for r in self.recognisers}
        mesh = self._mesher.mesh(image_rgb, face)
        if mesh.score < LEAST_SCORE:
            return self.nothing(embeddings, face.score, face.size)
        return Observation(
            embeddings,
            face.score,
            face.size,
            mesh.points,
            head_pose(mesh, image_rgb.shape[:2]),
            self._gazes.read(image_rgb, mesh),
            expression(mesh),
            _colour(image_rgb, mesh),
        )

    def nothing(
        self, embeddings: dict[str, FloatArray] | None = None, score: float = 0.0, size: float = 0.0
    ) -> Observation:
        """What is seen where there is no face, or none that a mesh fits."""

        def unknown(*shape: int) -> FloatArray:
            return np.full(shape, np.nan, np.float32)

        known = embeddings or {r.name: unknown(self._widths[r.name]) for r in self.recognisers}
        rest = unknown(468, 2), unknown(3, 3), unknown(2), unknown(len(EXPRESSIONS)), unknown(3)
        return Observation(known, score, size, *rest)


def head_pose(mesh: Mesh, size: tuple[int, int]) -> FloatArray:
    """The head's rotation, 3 x 3, by PnP: the mean face's rigid vertices against where they are seen.

    NaN where no rotation fits them.
    """
    rigid = list(topology.RIGID)
    model = _mean_face()[rigid].astype(np.float64)
    focal, centre = float(max(size)) * 1.2, (size[1] / 2, size[0] / 2)
    camera = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
    seen = mesh.points[rigid].astype(np.float64)
    solved, turn, _ = cv2.solvePnP(model, seen, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    return np.asarray(cv2.Rodrigues(turn)[0] if solved else np.full((3, 3), np.nan), np.float32)


def observe_all(
    paths: Sequence[Path | None],
    kept: Path,
    *,
    files: tuple[OnnxFile | PluginName, ...] = (),
    workers: int,
    progress: Callable[[int, int], None],
) -> list[Observation]:
    """Observations of many photos, from the cache where they were made before; None is nothing seen.

    Raises:
        OutputError: the cache's folder cannot be made.
    """
    make_folder(kept)
    look = partial(_observed, folder=kept, files=files)
    if workers <= 1:
        return [_told(look(path), progress, i, len(paths)) for i, path in enumerate(paths, 1)]
    with side_by_side(workers) as pool:
        return [_told(seen, progress, i, len(paths)) for i, seen in enumerate(pool.map(look, paths, chunksize=4), 1)]


def make_folder(folder: Path) -> None:
    """Make a folder for results, with those above it, unless it is there.

    Raises:
        OutputError: it cannot be made, as where a file has its name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made a folder ({error.strerror}); choose another --out.") from error


def _told(seen: Observation, progress: Callable[[int, int], None], done: int, total: int) -> Observation:
    progress(done, total)
    return seen


@cache
def _observer(files: tuple[OnnxFile | PluginName, ...]) -> Observer:
    """One for each process."""
    return Observer(files)


@cache
def _version(files: tuple[OnnxFile | PluginName, ...]) -> bytes:
    """What observations hang on besides the photo."""
    told = [f"{file.name} {file.pinned}" for file in files]
    return " ".join([VERSION, *told]).encode()


def _observed(path: Path | None, *, folder: Path, files: tuple[OnnxFile | PluginName, ...]) -> Observation:
    observer = _observer(files)
    if path is None:
        return observer.nothing()
    key = hashlib.sha256(_version(files) + path.read_bytes()).hexdigest()
    kept = folder / f"{key}.npz"
    if kept.exists():
        return _load(kept)
    seen = observer.observe(read_photo(path, max_pixels=MAX_PIXELS).image_rgb)
    fields: dict[str, Any] = {
        name: getattr(seen, name) for name in Observation.__dataclass_fields__ if name != "embeddings"
    }
    fields |= {f"of {name}": row for name, row in seen.embeddings.items()}
    # Several processes may see the same photo at once.
    with written_atomically(kept) as unfinished, unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **fields)
    return seen


def _load(path: Path) -> Observation:
    with np.load(path) as kept:
        embeddings = {name[3:]: kept[name] for name in kept.files if name.startswith("of ")}
        fields = {name: kept[name] for name in kept.files if not name.startswith("of ")}
    score, size = float(fields.pop("score")), float(fields.pop("size"))
    return Observation(embeddings, score, size, **fields)


@cache
def _mean_face() -> FloatArray:
    from safetensors import safe_open

    from reverse_personalization import weights

    with safe_open(str(weights.path("compact")), "numpy") as tensors:
        mean: FloatArray = tensors.get_tensor("codec.mean_shape")
    return mean


def _colour(image_rgb: ByteArray, mesh: Mesh) -> FloatArray:
    mask = np.zeros(image_rgb.shape[:2], np.uint8)
    outline = np.round(mesh.points[list(topology.FACE_OVAL)]).astype(np.int32)
    cv2.fillPoly(mask, [outline], 1)
    if not mask.any():
        return np.full(3, np.nan, np.float32)
    lab = cv2.cvtColor(image_rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(lab[mask > 0].mean(0), np.float32)
