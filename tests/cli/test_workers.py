"""Several processes: the same results, and one that is killed takes nothing with it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reverse_personalization.cli import main
from reverse_personalization.cli.anonymize import _processes
from reverse_personalization.cli.batch import Batch, Policy
from reverse_personalization.cli.manifest import Manifest
from reverse_personalization.cli.outcomes import Event, Outcome, Status
from reverse_personalization.cli.planning import Job, Plan
from reverse_personalization.cli.workers import Pool
from reverse_personalization.settings import Settings


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, astronaut: Any) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    image = Image.fromarray(astronaut.image_rgb[:256, 96:352])
    for number in range(4):
        image.rotate(2 * number).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def pictures(folder: Path) -> dict[str, Any]:
    return {path.name: np.asarray(Image.open(path)).astype(int) for path in folder.glob("*.png")}


def test_two_processes_do_what_one_does(photos: Path, tmp_path: Path, capsys: Any) -> None:
    for workers in ("1", "2"):
        command = ["anonymize", str(photos), "-r", "-o", str(tmp_path / workers), "--seed", "4", "--workers", workers]
        assert main(command) == 4
        told = capsys.readouterr().err
        assert "broken.png" in told
        assert "5 photos: 4 done, 1 " in told
    one, two = (pictures(tmp_path / name) for name in ("1", "2"))
    assert len(two) == 4
    for name, picture in one.items():
        # How many threads OpenCV's networks have decides how their sums are rounded.
        difference = np.abs(picture - two[name])
        assert difference.max() <= 4
        assert difference.mean() < 0.05
    assert main([*command, "--resume"]) == 4
    assert "4 skipped" in capsys.readouterr().err


def test_a_killed_worker_takes_nothing_with_it(photos: Path, tmp_path: Path) -> None:
    jobs = [Job(photos / f"{number}.png", tmp_path / f"{number}.png") for number in range(4)]
    pool = Pool(Settings(seed=4), Policy(), 2)
    killed, begun = [], []

    def started(job: Job) -> None:
        begun.append(job)
        if len(begun) == 3:
            victim = next(worker for worker in pool.workers if worker.job is job)
            killed.append(victim.process.pid)
            os.kill(victim.process.pid or 0, signal.SIGKILL)

    outcomes = list(pool.outcomes(jobs, started))
    assert killed
    assert sorted(outcome.source for outcome in outcomes) == [str(job.source) for job in jobs]
    assert all(outcome.status is Status.DONE for outcome in outcomes)
    assert len(begun) == 5
    for job in jobs:
        record = json.loads(job.record.read_text())
        assert record["output"]["sha256"] == hashlib.sha256(job.output.read_bytes()).hexdigest()
    assert not list(tmp_path.glob(".revpers*"))


def test_photos_that_workers_finish_after_an_interruption_are_told_of(photos: Path, tmp_path: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    jobs = tuple(Job(photos / f"{number}.png", tmp_path / f"{number}.png") for number in range(4))
    settings, policy = Settings(seed=4, quality="draft"), Policy(hash_sources=True)
    manifest, told = Manifest(tmp_path / "m.jsonl"), list[Event]()

    def watch(event: Event) -> None:
        told.append(event)
        if sum(isinstance(each, Job) for each in told) == 2 and isinstance(event, Job):
            os.kill(os.getpid(), signal.SIGINT)

    batch = Batch(settings, lambda: None, policy, (watch, manifest), pool=Pool(settings, policy, 2))  # type: ignore[arg-type,return-value]
    summary = batch.run(Plan(jobs))
    begun = {str(event.source) for event in told if isinstance(event, Job)}
    ended = {event.source for event in told if isinstance(event, Outcome)}
    listed = {json.loads(line)["source"] for line in manifest.path.read_text("utf-8").splitlines()}
    assert begun == ended == listed == {str(job.source) for job in jobs[:2]}
    assert {path.name for path in tmp_path.glob("*.png")} == {"0.png", "1.png"}
    assert (summary.count(Status.DONE), summary.not_reached, summary.exit_code) == (2, 2, 130)


def test_what_kills_twice_is_reported(photos: Path, tmp_path: Path) -> None:
    pool = Pool(Settings(seed=4), Policy(), 1)

    def started(job: Job) -> None:
        os.kill(pool.workers[0].process.pid or 0, signal.SIGKILL)

    (outcome,) = pool.outcomes([Job(photos / "0.png", tmp_path / "0.png")], started)
    assert outcome.status is Status.FAILED
    assert outcome.failure is not None
    assert "died twice" in outcome.failure.sentence
    assert not (tmp_path / "0.png").exists()


def test_the_contact_sheet_needs_a_single_process(photos: Path, tmp_path: Path) -> None:
    sheet = str(tmp_path / "sheet.png")
    assert (
        main(["anonymize", str(photos), "-r", "-o", str(tmp_path / "out"), "--workers", "2", "--contact-sheet", sheet])
        == 2
    )


def test_many_photos_are_shared_by_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert [_processes(None, photos, Settings(), None) for photos in (1, 15, 16, 24, 1000)] == [1, 1, 2, 3, 4]
    assert _processes(None, 1000, Settings(consistent=True), None) == 1
    assert _processes(None, 1000, Settings(), Path("sheet.png")) == 1
    assert _processes(3, 2, Settings(), None) == 3
