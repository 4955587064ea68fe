from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fake_anonymizer
import pytest
from PIL import Image

from reverse_personalization.cli import main

DRIVER = Path(fake_anonymizer.__file__)


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def revpers(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """`revpers` in this process, with the fake anonymizer."""
    monkeypatch.setattr("reverse_personalization.anonymizer.Anonymizer", fake_anonymizer.FakeAnonymizer)
    monkeypatch.setattr(fake_anonymizer.FakeAnonymizer, "made", 0)

    def run(*arguments: str | Path) -> Ran:
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run


@pytest.fixture
def spawn(folder: Path) -> Callable[..., subprocess.Popen[str]]:
    """`revpers` as a process, with the fake anonymizer."""

    def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, str(DRIVER), *map(str, arguments)]
        pipes: Mapping[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, **{**pipes, **options})

    return start


@pytest.fixture
def photos(folder: Path) -> Callable[..., None]:
    """Makes photos by their names."""

    def make(*names: str) -> None:
        for seed, name in enumerate(names):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(fake_anonymizer.picture(seed=seed)).save(path)
        # Photos of the same clock tick as their records count as newer, to be safe.
        time.sleep(0.02)

    return make


def tree(folder: Path) -> set[str]:
    """All files below `folder`, hidden ones included."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


@pytest.fixture
def files(folder: Path) -> Callable[..., set[str]]:
    """Lists all files below a folder."""
    return lambda name=".": tree(folder / name) if (folder / name).exists() else set()
