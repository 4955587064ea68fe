"""A real local Ray: nothing lost, nothing twice, no face unchanged, also when a worker is killed."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from PIL import Image

from reverse_personalization.cli import main
from reverse_personalization.cli.batch import Batch, Policy
from reverse_personalization.cli.manifest import Manifest
from reverse_personalization.cli.outcomes import Event, Outcome, Status
from reverse_personalization.cli.planning import Job, Plan
from reverse_personalization.cli.ray_pool import PhotoWorker, RayPool
from reverse_personalization.settings import Settings

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, astronaut: Any) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    image = Image.fromarray(astronaut.image_rgb[:256, 96:352])
    for number in range(6):
        image.rotate(2 * number).save(folder / f"{number}.png")
    return folder


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def workers() -> list[int]:
    """Process numbers of Ray's workers that do photos."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"PhotoWorker" in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def listeners() -> set[str]:
    """Addresses, in hexadecimal digits, at which Ray's processes of this machine listen."""
    inodes = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"ray" in entry.read_bytes():
                inodes |= {os.readlink(fd) for fd in entry.parent.joinpath("fd").iterdir()}
        except OSError:
            continue
    tables = (Path("/proc/net", name) for name in ("tcp", "tcp6"))
    lines = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    return {line[1].split(":")[0][-8:] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in inodes}


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 100
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc")
def test_a_killed_worker_takes_nothing_with_it(photos: Path, tmp_path: Path) -> None:
    jobs = [Job(photos / f"{number}.png", tmp_path / "new" / f"{number}.png") for number in range(6)]
    pool = RayPool(Settings(seed=4), Policy(hash_sources=True), 2)
    outcomes, killed, heard = [], [], set()
    for outcome in pool.outcomes(jobs, lambda job: None):
        outcomes.append(outcome)
        if not killed:
            heard = listeners()
            killed = workers()[:1]
            os.kill(killed[0], signal.SIGKILL)
    assert killed
    assert heard == {"0100007F"}
    assert Counter(outcome.source for outcome in outcomes) == Counter(str(job.source) for job in jobs)
    assert {outcome.status for outcome in outcomes} == {Status.DONE}
    for job in jobs:
        record = json.loads(job.record.read_text())
        assert record["output"]["sha256"] == hashlib.sha256(job.output.read_bytes()).hexdigest()
        assert [face["verdict"] for face in record["faces"]] == ["anonymized"]
    assert not list(tmp_path.rglob(".revpers*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_photos_that_workers_finish_after_an_interruption_are_told_of(
    photos: Path, tmp_path: Path, number: signal.Signals
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    jobs = tuple(Job(photos / f"{each % 6}.png", tmp_path / "new" / f"{each}.png") for each in range(24))
    settings, policy = Settings(seed=4, quality="draft"), Policy(hash_sources=True)
    manifest, told = Manifest(tmp_path / "m.jsonl"), list[Outcome]()

    def watch(event: Event) -> None:
        if isinstance(event, Outcome):
            told.append(event)
            if len(told) == 1:
                wait_for(lambda: len(list(tmp_path.glob("new/*.json"))) > 1)
                os.kill(os.getpid(), number)

    batch = Batch(settings, lambda: None, policy, (watch, manifest), pool=RayPool(settings, policy, 2))  # type: ignore[arg-type,return-value]
    summary = batch.run(Plan(jobs))
    written = {str(path) for path in tmp_path.glob("new/*.png")}
    assert written == {path.removesuffix(".json") for path in map(str, tmp_path.glob("new/*.json"))}
    assert written == {str(each.output) for each in told} == {each["output"] for each in entries(manifest.path)}
    assert 1 < len(written) < len(jobs)
    assert (summary.count(Status.DONE), summary.not_reached) == (len(written), len(jobs) - len(written))
    assert summary.exit_code == 128 + number
    assert not list(tmp_path.rglob(".revpers*"))


def test_what_ray_raises_comes_after_what_it_gave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = Outcome("0.png", tmp_path / "0.png", Status.DONE)

    def rows() -> Iterator[dict[str, bytes]]:
        yield {"outcome": pickle.dumps(outcome)}
        raise RuntimeError("a machine is gone")

    monkeypatch.setattr(RayPool, "_connect", lambda pool: MagicMock())
    monkeypatch.setattr(RayPool, "_done", lambda *_: SimpleNamespace(iter_rows=rows))
    outcomes = RayPool(Settings(), Policy(), 1).outcomes([Job(Path("0.png"), tmp_path / "0.png")], lambda job: None)
    assert next(outcomes) == outcome
    with pytest.raises(RuntimeError, match="a machine is gone"):
        next(outcomes)


def test_the_command_goes_on_by_its_manifest(photos: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out"
    command = ["cluster", str(photos), "-o", str(out), "--workers", "1", "--seed", "4", "--set", "quality=draft"]
    assert main([*command, "--progress", "none"]) == 0
    assert "6 done" in capsys.readouterr().err
    lines = entries(out / "manifest.jsonl")
    assert sorted(Path(line["source"]).name for line in lines) == [f"{number}.png" for number in range(6)]
    for line in lines:
        assert line["source_sha256"] == hashlib.sha256(Path(line["source"]).read_bytes()).hexdigest()
        assert line["output_sha256"] == hashlib.sha256(Path(line["output"]).read_bytes()).hexdigest()
    assert json.loads((out / "0.png.json").read_text())["settings"]["quality"] == "draft"
    assert main([*command, "--progress", "none"]) == 0
    assert "6 skipped" in capsys.readouterr().err
    assert entries(out / "manifest.jsonl") == lines


def test_what_ends_two_workers_is_reported(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = PhotoWorker(Settings(seed=1), Policy(), "run", 1)
    row = {"source": str(photos / "0.png"), "output": str(tmp_path / "0.png")}

    class Died(BaseException):
        pass

    def die(*arguments: Any) -> None:
        # A killed process tidies nothing up.
        monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: None)
        raise Died

    monkeypatch.setattr("reverse_personalization.cli.ray_pool.attempt", die)
    for _ in range(2):
        with pytest.raises(Died):
            worker(row)
    monkeypatch.undo()
    outcome = worker._outcome(Job(Path(row["source"]), Path(row["output"])))
    assert outcome.status is Status.FAILED
    assert outcome.failure is not None
    assert "ended 2 workers" in outcome.failure.sentence
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "size=3"], "NAME=VALUE"),
        (["--set", "steps=-1"], "--steps -1"),
        (["--set", "consistent=true"], "single process"),
        (["--workers", "2", "--gpus", "1"], "the cluster has 0"),
        (["--address", "127.0.0.1:1"], "no Ray cluster"),
    ],
)
def test_wrong_options(photos: Path, tmp_path: Path, capsys: Any, options: list[str], words: str) -> None:
    assert main(["cluster", str(photos), "-o", str(tmp_path / "out"), *options]) == 2
    assert words in capsys.readouterr().err
