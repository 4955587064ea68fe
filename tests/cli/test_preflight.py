"""A dry run says what keeps the real one from beginning, with the same code and sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_anonymizer import FakeAnonymizer

from reverse_personalization import engines
from reverse_personalization.cli import main
from reverse_personalization.cli.batch import Batch, Policy
from reverse_personalization.cli.outcomes import Summary
from reverse_personalization.cli.planning import Job, Plan
from reverse_personalization.settings import Settings


def dry_as_real(capsys: pytest.CaptureFixture[str], options: list[str]) -> int:
    """The exit code of a run that cannot begin; a dry one says nothing but the real one's sentence."""
    command = ["anonymize", "a.png", "-o", "new/", *options]
    dry_code, dry = main([*command, "--dry-run"]), capsys.readouterr()
    code, real = main(command), capsys.readouterr()
    assert (dry_code, dry.out, dry.err) == (code, "", real.err)
    return code


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--attributes", "a purple dragon"], 2),
        (["--model", "sd15"], 2),
        (["--identity-strength", "2", "--attributes", "a purple dragon"], 2),
        (["--keep-people", "nope"], 4),
        (["--only", "nope"], 4),
        (["--engine", "nope"], 2),
        (["--verifiers", "nope"], 2),
        (["--detector", "nope"], 2),
        (["--contact-sheet", "nope/sheet.png"], 5),
        (["--manifest", "new/a.png.json"], 2),
    ],
)
def test_a_dry_run_says_what_the_real_one_would(
    folder: Path,
    photos: Callable[..., None],
    files: Callable[..., set[str]],
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
) -> None:
    photos("a.png")
    assert dry_as_real(capsys, options) == code
    assert files() == {"a.png"}


@pytest.mark.parametrize("name", engines.SDXL_ONLY)
def test_what_only_sdxl_follows_is_refused_before_anything_is_loaded(
    revpers: Callable[..., Any], photos: Callable[..., None], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """And an ordinary dry run loads no engine."""
    monkeypatch.setattr("reverse_personalization.engines.compact.engine.CompactEngine", lambda **_: pytest.fail(name))
    photos("a.png")
    values = {"mode": "exact", "device": "cpu", "dtype": "float32", "offload": "model"}
    option = f"--{name.replace('_', '-')}"
    given = [option] if name == "compile" else [option, values.get(name, "2")]
    ran = revpers("anonymize", "a.png", "-o", "new.png", "--dry-run", *given)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"error: {option[2:]} is the sdxl engine's; leave it out, or add --engine sdxl.\n"
    assert revpers("anonymize", "a.png", "-o", "new.png", "--dry-run").code == 0


def test_a_dry_run_asks_what_the_sdxl_engine_needs(
    photos: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photos("a.png")
    monkeypatch.setattr("reverse_personalization.cli.anonymize.fetch_weights", lambda engine: None)
    monkeypatch.setattr(engines, "SDXL_NEEDS", ("reverse_personalization", "nowhere"))
    assert dry_as_real(capsys, ["--engine", "sdxl"]) == 2


def test_a_dry_run_asks_for_the_sdxl_engines_device(
    photos: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch")
    photos("a.png")
    monkeypatch.setattr("reverse_personalization.cli.anonymize.fetch_weights", lambda engine: None)
    monkeypatch.setattr(engines, "SDXL_NEEDS", ())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert dry_as_real(capsys, ["--engine", "sdxl", "--device", "cuda"]) == 2
    command = ["anonymize", "a.png", "-o", "new/", "--engine", "sdxl", "--device", "cpu", "--dry-run"]
    assert main([*command, "--offload", "model"]) == 2
    assert capsys.readouterr().err == "error: --offload model: spares a GPU's memory; leave it out on the CPU.\n"
    assert main(command) == 0


@pytest.mark.parametrize("settings", [Settings(engine="sdxl"), Settings(detector="eagle")])
def test_a_dry_run_says_what_videos_do_not_follow(folder: Path, settings: Settings) -> None:
    Path("a.mp4").touch()
    plan = Plan((Job(Path("a.mp4"), Path("new.mp4")),))

    def run(*, dry: bool) -> Summary:
        return Batch(settings, lambda: FakeAnonymizer(settings=settings), Policy(dry_run=dry)).run(plan)

    dry, real = run(dry=True), run(dry=False)
    assert dry.exit_code == real.exit_code == 2
    assert [outcome.failure for outcome in dry.outcomes] == [outcome.failure for outcome in real.outcomes]


@pytest.mark.parametrize("output", ["a.png/new.png", "a.png/deeper/new.png"])
@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_place_that_cannot_be_written_is_found_before_the_work(
    revpers: Callable[..., Any], photos: Callable[..., None], output: str, options: list[str]
) -> None:
    photos("a.png")
    ran = revpers("anonymize", "a.png", "-o", output, *options)
    assert ran.code == 5
    assert f"error: {output}: its folder cannot be made (" in ran.err
    assert FakeAnonymizer.made == 0


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("locked/new.png", "cannot be written, since the folder is not writable; choose another one."),
        ("locked/deeper/new.png", "its folder cannot be made (permission denied); give another -o."),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="folders have other rights there")
def test_a_folder_that_is_not_writable_is_found_before_the_work(
    revpers: Callable[..., Any],
    photos: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    output: str,
    sentence: str,
) -> None:
    photos("a.png")
    Path("locked").mkdir()
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != "locked")  # root may write everywhere
    ran = revpers("anonymize", "a.png", "-o", output)
    assert ran.code == 5
    assert f"error: {output}: {sentence}" in ran.err
    assert FakeAnonymizer.made == 0
