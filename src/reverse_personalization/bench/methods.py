"""What is compared: our engines, classical obscuring, other people's programs, and outputs made elsewhere.

The contract is that of the field's own test benches: photos go in, files with the same stems come out. An
output that is missing, unreadable or unchanged is a failure, never somebody's success.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, Literal, Protocol, cast

import numpy as np
from PIL import Image

from reverse_personalization.anonymizer import Anonymizer
from reverse_personalization.bench.embedding import MAX_PIXELS, middlemost
from reverse_personalization.bench.processes import side_by_side
from reverse_personalization.canvas import FaceAtWork, FaceResult
from reverse_personalization.engines.base import Encoded, Labels
from reverse_personalization.engines.compact.engine import CompactEngine
from reverse_personalization.errors import InputError, ReversePersonalizationError, UsageError
from reverse_personalization.escalation import Strength
from reverse_personalization.faces.compositing import paste
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.faces.face import ByteArray, FloatArray
from reverse_personalization.inversion import Array
from reverse_personalization.media.atomic import write_atomically, written_atomically
from reverse_personalization.media.images import read_photo
from reverse_personalization.obscuring import obscure
from reverse_personalization.settings import Fallback

Status = Literal["anonymized", "obscured", "no face found", "missing", "unreadable", "untouched"]
# Mean difference of pixels, of 255, below which an output is taken for the input.
UNTOUCHED = 0.05
OBSCURING: tuple[Fallback | Literal["none"], ...] = ("blur", "pixelate", "solid", "fill", "none")
BUILT_IN = ", ".join(("compact", "sdxl", "nullface", *OBSCURING, "k-same"))
SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
# What an engine draws: what no recogniser matches, its first try, or the null identity.
Drawing = Literal["verified", "unverified", "nobody"]
Progress = Callable[[int, int], None]
_PACKAGE: Final = Path(__file__).parents[1]
# Parts of the package in which no photo is anonymized.
_BESIDE: Final = ("bench", "cli", "server", "shards", "training", "video", "webui")


@dataclass(frozen=True)
class Outcome:
    """What a method made of a photo.

    Attributes:
        status: "anonymized", or in what way it is not.
        path: the output, where there is one that can be read.
        seconds: spent on it, where the method is timed photo by photo.
    """

    status: Status
    path: Path | None
    seconds: float | None = None


class Method(Protocol):
    """Anonymizes photos."""

    @property
    def name(self) -> str:
        """Short name, for tables."""
        ...

    @property
    def key(self) -> str:
        """Everything that decides what comes out, for the cache."""
        ...

    @property
    def workers(self) -> int:
        """Processes that anonymize side by side, which makes each photo slower."""
        ...

    def run(self, photos: Sequence[Path], folder: Path, progress: Progress) -> list[Outcome]:
        """Anonymize photos into a folder; what is there already is not made again."""
        ...


class EngineMethod:
    """One of our engines."""

    def __init__(self, name: str, *, drawing: Drawing = "verified", workers: int = 1, **options: Any) -> None:
        """Load the engine; `options` are those of `Anonymizer`."""
        self.name, self.workers = name, workers
        self._recipe = (name, drawing, tuple(options.items()))
        self.anonymizer = DRAWINGS[drawing](**options)
        settings, models = self.anonymizer.settings, self.anonymizer.models
        self.key = f"{name} {drawing} {settings.model_dump_json()} {models} {program()}"

    def __call__(self, image_rgb: ByteArray) -> tuple[ByteArray, Status]:
        """The picture after the run, and what became of its subject."""
        result = self.anonymizer.anonymize(image_rgb)
        face = middlemost(result.faces, result.image)
        if face is None:
            return result.image, "no face found"
        return result.image, "anonymized" if face.verdict == "anonymized" else "obscured"

    def __reduce__(self) -> tuple[Any, ...]:
        """Models cannot be sent to another process, which loads its own."""
        return _loaded, self._recipe

    def run(self, photos: Sequence[Path], folder: Path, progress: Progress) -> list[Outcome]:
        """See `Method.run`."""
        return one_by_one(self, photos, folder, progress, workers=self.workers)


@cache
def program() -> str:
    """SHA-256 of the code that anonymizes photos: another version may draw other faces."""
    digest = hashlib.sha256()
    for file in sorted(_PACKAGE.rglob("*.py")):
        if file.relative_to(_PACKAGE).parts[0] not in _BESIDE:
            digest.update(file.read_bytes())
    return digest.hexdigest()


@cache
def _loaded(name: str, drawing: Drawing, options: tuple[tuple[str, Any], ...]) -> EngineMethod:
    """One for each process."""
    return EngineMethod(name, drawing=drawing, **dict(options))


class Unverified(Anonymizer):
    """What somebody gets from the engine who takes the first try, whomever it resembles."""

    def _judge(self, work: FaceAtWork, x: Any, *, last: bool) -> None:
        del last
        with self._failing_closed(work):
            rendering = work.kept_apart(self.engine.decode(work.canvas.image, work.encoded, x))
            work.canvas.image = work.canvas.with_pasted(rendering)
            result = FaceResult(work.face.box, work.face.score, "anonymized", "Not verified.", 1)
            work.settle(result, rendering)


class Nobody(Unverified):
    """What somebody gets from the compact engine who draws the null identity: a face that leads nowhere."""

    def _invert(
        self,
        encoded: Sequence[Encoded],
        embeddings: Sequence[FloatArray],
        labels: Sequence[Labels],
        strength: Strength,
    ) -> Array:
        del embeddings, labels, strength
        engine = cast(CompactEngine, self.engine)
        return engine.stack([engine.nobody(one) for one in encoded])


DRAWINGS: Final[dict[Drawing, type[Anonymizer]]] = {
    "verified": Anonymizer,
    "unverified": Unverified,
    "nobody": Nobody,
}


class Classical:
    """Blurred, pixelated, solid or filled faces, as most tools make them; or nothing done at all, as a check."""

    workers = 1

    def __init__(self, kind: Fallback | Literal["none"]) -> None:
        """Take the kind."""
        self.name, self.key, self._kind = kind, f"classical {kind}", kind
        self._detector = YuNetDetector(turned=False)

    def __call__(self, image_rgb: ByteArray) -> tuple[ByteArray, Status]:
        """The picture with every face obscured."""
        faces = self._detector.detect(image_rgb)
        done = image_rgb
        if self._kind != "none":
            for face in faces:
                done = paste(done, obscure(done, face, kind=self._kind))
        return done, "anonymized" if faces else "no face found"

    def run(self, photos: Sequence[Path], folder: Path, progress: Progress) -> list[Outcome]:
        """See `Method.run`."""
        return one_by_one(self, photos, folder, progress)


class Command:
    """Somebody else's program, in its own environment: a folder in, a folder out."""

    workers = 1

    def __init__(self, name: str, template: str, *, timeout: float | None = None, folder: Path | None = None) -> None:
        """Take a command line with {in_dir} and {out_dir} in it, and the folder that it is to run in.

        Raises:
            UsageError: one of the two is missing.
        """
        if not all(f"{{{place}}}" in template for place in ("in_dir", "out_dir")):
            raise UsageError(f"--command {name}: needs {{in_dir}} and {{out_dir}} in the command line.")
        self.name, self.key = name, f"command {name} {template}"
        self._template, self._timeout, self._folder = template, timeout, folder

    def run(self, photos: Sequence[Path], folder: Path, progress: Progress) -> list[Outcome]:
        """See `Method.run`; a program that fails keeps what it wrote."""
        missing = [photo for photo in photos if _find(folder, _stem(photo)) is None]
        if missing:
            with tempfile.TemporaryDirectory() as given:
                for photo in missing:
                    shutil.copyfile(photo, Path(given) / f"{_stem(photo)}{photo.suffix}")
                folder.mkdir(parents=True, exist_ok=True)
                self._call(Path(given), folder)
        progress(len(photos), len(photos))
        return [_found(photo, folder) for photo in photos]

    def _call(self, given: Path, made: Path) -> None:
        line = [
            part.format(in_dir=given.resolve(), out_dir=made.resolve(), python=sys.executable)
            for part in shlex.split(self._template)
        ]
        log = made / "_output.txt"
        with log.open("wb") as output:
            try:
                subprocess.run(
                    line,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=self._timeout,
                    cwd=self._folder,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                output.write(str(error).encode())


class Precomputed:
    """Outputs that were made elsewhere."""

    workers = 1

    def __init__(self, name: str, folder: Path) -> None:
        """Take the folder.

        Raises:
            InputError: there is none.
        """
        if not folder.is_dir():
            raise InputError(f"{folder.name}: no such folder; --precomputed takes NAME=FOLDER.")
        self.name, self.key, self._folder = name, f"precomputed {folder.resolve()}", folder

    def run(self, photos: Sequence[Path], folder: Path, progress: Progress) -> list[Outcome]:
        """See `Method.run`."""
        del folder
        outcomes = []
        for done, photo in enumerate(photos, 1):
            stem = photo.stem if _find(self._folder, _stem(photo)) is None else _stem(photo)
            outcomes.append(_judged(photo, _find(self._folder, stem)))
            progress(done, len(photos))
        return outcomes


def make_method(name: str, *, workers: int = 1, **options: Any) -> Method:
    """A built-in method by its name, see `BUILT_IN`.

    Args:
        name: of the method.
        workers: processes for the compact engine.
        options: of `Anonymizer`, for our engines.

    Raises:
        UsageError: there is no such method.
    """
    if name == "compact":
        return EngineMethod(name, workers=workers, **options)
    if name == "sdxl":
        return EngineMethod(name, engine=name, **options)
    if name == "nullface":
        told = {option: value for option, value in options.items() if option != "guidance"}
        return EngineMethod(name, method="nullface", workers=workers, **told)
    if name == "k-same":
        from reverse_personalization.bench.ksame import KSame

        return KSame()
    for kind in OBSCURING:
        if name == kind:
            return Classical(kind)
    raise UsageError(f"--method {name}: unknown; the methods are {BUILT_IN}.")


def one_by_one(
    method: Callable[[ByteArray], tuple[ByteArray, Status]],
    photos: Sequence[Path],
    folder: Path,
    progress: Progress,
    *,
    workers: int = 1,
) -> list[Outcome]:
    """Photos one by one, each output beside a note of its status, so that a run can be resumed."""
    folder.mkdir(parents=True, exist_ok=True)
    work = partial(_one, method, folder)
    missing = sum(not _note(photo, folder).exists() for photo in photos)
    if workers <= 1 or missing < 2 * workers:
        return [_told(work(photo), progress, i, len(photos)) for i, photo in enumerate(photos, 1)]
    with side_by_side(workers) as pool:
        made = pool.map(work, photos, chunksize=2)
        return [_told(outcome, progress, i, len(photos)) for i, outcome in enumerate(made, 1)]


def _one(method: Callable[[ByteArray], tuple[ByteArray, Status]], folder: Path, photo: Path) -> Outcome:
    output, note = folder / f"{_stem(photo)}.png", _note(photo, folder)
    if not note.exists():
        start = time.perf_counter()
        image, status = method(read_photo(photo, max_pixels=MAX_PIXELS).image_rgb)
        seconds = time.perf_counter() - start
        with written_atomically(output) as unfinished:
            Image.fromarray(image).save(unfinished, "PNG")
        write_atomically(note, json.dumps({"status": status, "seconds": seconds}).encode())
    kept = json.loads(note.read_text())
    return _judged(photo, output, kept["status"], kept["seconds"])


def _told(outcome: Outcome, progress: Progress, done: int, total: int) -> Outcome:
    progress(done, total)
    return outcome


def _note(photo: Path, folder: Path) -> Path:
    return folder / f"{_stem(photo)}.json"


def _stem(photo: Path) -> str:
    """A name that is the photo's own even where folders hold files of the same name."""
    return f"{photo.parent.name}--{photo.stem}-{hashlib.sha256(str(photo).encode()).hexdigest()[:6]}"


def _find(folder: Path, stem: str) -> Path | None:
    return next((folder / f"{stem}{s}" for s in SUFFIXES if (folder / f"{stem}{s}").exists()), None)


def _found(photo: Path, folder: Path) -> Outcome:
    return _judged(photo, _find(folder, _stem(photo)))


def _judged(photo: Path, output: Path | None, status: Status = "anonymized", seconds: float | None = None) -> Outcome:
    """An outcome, unless the output is missing, unreadable or the input itself."""
    if output is None:
        return Outcome("missing", None, seconds)
    try:
        before = read_photo(photo, max_pixels=MAX_PIXELS).image_rgb
        after = read_photo(output, max_pixels=MAX_PIXELS).image_rgb
    except ReversePersonalizationError:
        return Outcome("unreadable", None, seconds)
    same = before.shape == after.shape and np.abs(before.astype(np.int16) - after).mean() < UNTOUCHED
    if same and status != "no face found":
        status = "untouched"
    return Outcome(status, output, seconds)
