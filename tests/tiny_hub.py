"""A hub of two small repositories, and a client of it, in place of the real ones."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from reverse_personalization import weights
from reverse_personalization.weights import HubRepo, Model, Part, WeightFile, WeightFolder, store
from tiny_index import go_online, sha256

DIFFUSER = HubRepo("tiny/diffuser", "a" * 40)
ADAPTER = HubRepo("tiny/adapter", "b" * 40)
FOLDER = {
    "model_index.json": b'{"_class_name": "TinyPipeline"}',
    "unet/config.json": b"{}",
    "unet/weights.safetensors": b"weighs " * 3000,
}
FILE = b"adapts " * 2000


@dataclass
class TinyHub:
    """What lies on the hub, what was asked of it, and what happens before it answers."""

    remote: Path
    own_cache: Path
    cache: Path
    asked: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda _: None

    def place(self, name: str) -> Path:
        """Where a model lies when it was fetched."""
        row = weights.entry(name)
        return self.cache / row.sha256[:16] / Path(row.path).name

    def put(self, name: str, content: bytes) -> None:
        """Leave something in a model's place."""
        self.place(name).parent.mkdir(parents=True, exist_ok=True)
        self.place(name).write_bytes(content)

    def fetched(self) -> set[str]:
        """Every file in the cache but the lock."""
        files = (path for path in self.cache.rglob("*") if path.is_file() and path.name != ".hub.lock")
        return {str(path.relative_to(self.cache)) for path in files}

    def hf_hub_download(self, repo: str, name: str, *, revision: str, local_dir: Path, tqdm_class: type) -> str:
        target = Path(local_dir) / name
        if target.exists():
            return str(target)
        self.asked.append(name)
        self.before(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.remote / repo / revision / name, target)
        return str(target)

    def try_to_load_from_cache(self, repo: str, name: str, *, revision: str) -> str | None:
        found = self.own_cache / repo / revision / name
        return str(found) if found.exists() else None

    def model_info(self, repo: str, *, revision: str | None, files_metadata: bool) -> SimpleNamespace:
        self.before(repo)
        sha = revision or next((self.remote / repo).iterdir()).name
        files = [path for path in (self.remote / repo / sha).rglob("*") if path.is_file()]
        siblings = [
            SimpleNamespace(rfilename=str(path.relative_to(self.remote / repo / sha)), size=path.stat().st_size)
            for path in files
        ]
        return SimpleNamespace(sha=sha, siblings=siblings, card_data=SimpleNamespace(license="tiny-licence"))

    def snapshot_download(
        self,
        repo: str,
        *,
        revision: str | None,
        allow_patterns: Iterable[str],
        local_files_only: bool = False,
    ) -> str:
        folder = self.own_cache / repo / (revision or "a" * 40)
        if local_files_only:
            if not folder.is_dir():
                raise FileNotFoundError("no snapshot")
            return str(folder)
        for name in allow_patterns:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.remote / repo / str(revision) / name, folder / name)
        return str(folder)

    def client(self) -> ModuleType:
        """What stands in for `huggingface_hub`."""
        module: Any = ModuleType("huggingface_hub")
        module.__spec__ = ModuleSpec("huggingface_hub", None)
        module.hf_hub_download = self.hf_hub_download
        module.try_to_load_from_cache = self.try_to_load_from_cache
        module.snapshot_download = self.snapshot_download
        module.HfApi = lambda: SimpleNamespace(model_info=self.model_info)
        return module  # type: ignore[no-any-return]


def make_tiny_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyHub:
    """Put a small hub in place of the real one, its models beside the bundled one in the table."""
    go_online(monkeypatch)
    hub = TinyHub(tmp_path / "remote", tmp_path / "own", tmp_path / "cache")
    write(hub.remote, DIFFUSER, {**FOLDER, "unet/weights.bin": b"pickled"})
    write(hub.remote, ADAPTER, {"models/adapter.bin": FILE})
    monkeypatch.setenv("REVPERS_CACHE", str(hub.cache))
    monkeypatch.setattr(store, "TABLE", (weights.entry("compact"), *_rows()))
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub.client())
    monkeypatch.setitem(sys.modules, "tqdm", SimpleNamespace(tqdm=object))  # type: ignore[arg-type]
    return hub


def write(root: Path, source: HubRepo, files: dict[str, bytes]) -> None:
    """Files of a repository at its revision, below a folder."""
    for name, content in files.items():
        path = root / source.repo / source.revision / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _rows() -> tuple[Model, ...]:
    parts = tuple(Part(path, sha256(content), len(content)) for path, content in FOLDER.items())
    return (
        WeightFolder("diffuser", "diffuses", DIFFUSER, parts, "OpenRAIL++-M", used_by=("sdxl",)),
        WeightFile(
            *("adapter", "adapts", ADAPTER, "models/adapter.bin", sha256(FILE), len(FILE)),
            licence="non-commercial research only",
            used_by=("sdxl",),
        ),
    )
