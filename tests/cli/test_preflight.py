"""A dry run says what keeps the real one from beginning, with the same code and sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_anonymizer import FakeAnonymizer

from reverse_personalization.cli import main


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--attributes", "a purple dragon"], 2),
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
    command = ["anonymize", "a.png", "-o", "new/", *options]
    assert main([*command, "--dry-run"]) == code
    dry = capsys.readouterr()
    assert main(command) == code
    real = capsys.readouterr()
    assert (dry.out, dry.err) == ("", real.err)
    assert files() == {"a.png"}


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
