"""The whole bench on two people, and its page in a browser."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from reverse_personalization.bench.reporting import Asked, run_bench
from reverse_personalization.bench.tables import Line
from reverse_personalization.cli import main
from reverse_personalization.cli.bench import app
from reverse_personalization.errors import UsageError


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, astronaut: Any, hopper: Any) -> Path:
    root = tmp_path_factory.mktemp("bench") / "pair"
    for name, portrait in (("astronaut", astronaut), ("hopper", hopper)):
        (root / name).mkdir(parents=True)
        image = Image.fromarray(portrait.image_rgb)
        image.save(root / name / "1.png")
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(root / name / "2.png")
    return root


@pytest.fixture(scope="module")
def ran(people: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Line]]:
    out = tmp_path_factory.mktemp("out")
    asked = Asked(
        people, out, methods=("compact", "blur", "none", "k-same"), attacks=True, sweep=(-4.0, -8.0), workers=1
    )
    return out, run_bench(asked, lambda what, done, total: None)


def value(found: list[Line], method: str, quantity: str, evaluator: str) -> float:
    (line,) = [f for f in found if (f.method, f.quantity, f.evaluator) == (method, quantity, evaluator)]
    return line.value


def test_the_numbers_are_those_of_what_was_done(ran: tuple[Path, list[Line]]) -> None:
    _, found = ran
    assert value(found, "none", "rank-1, own photo", "sface") == 1
    assert value(found, "none", "untouched", "run") == 1
    assert value(found, "none", "head pose, degrees, median", "embedded") == 0
    assert value(found, "source", "rank-1, other photo", "dlib-resnet") == 1
    assert value(found, "compact", "anonymized", "run") == 1
    assert value(found, "compact", "changed outside the face, median", "embedded") == 0
    assert value(found, "compact", "face found again (score > .8)", "yunet") == 1
    assert value(found, "blur", "changed outside the face, median", "embedded") > 0
    assert 0 < value(found, "compact", "head pose, degrees, median", "embedded") < 10
    assert any(line.quantity.startswith("rank-1 after attack: linkage") for line in found)
    assert any(line.quantity.startswith("rank-1 after attack: recovery, nobody's face") for line in found)
    assert {"compact -4", "compact -8"} <= {line.method for line in found}


def test_tables_agree(ran: tuple[Path, list[Line]]) -> None:
    out, found = ran
    with (out / "table.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(found)
    told = json.loads((out / "table.json").read_text())
    assert len(told["lines"]) == len(found)
    assert told["run"]["photos"] == 2
    assert str(out) not in (out / "table.json").read_text()
    latex = (out / "table.tex").read_text()
    assert latex.count(r" \\") == latex.count("\n") - 5
    figures = {path.name for path in out.iterdir()}
    assert {
        "trade-off-sface-gaze.pdf",
        "sweep-dlib-resnet.png",
        "faces.png",
        "worst-compact-sface.png",
        "recovery.png",
    } <= figures


def test_a_second_run_takes_everything_from_the_cache(
    ran: tuple[Path, list[Line]], people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reverse_personalization.anonymizer import Anonymizer
    from reverse_personalization.bench.observing import Observer

    out, found = ran
    monkeypatch.setattr(Observer, "observe", None)
    monkeypatch.setattr(Anonymizer, "anonymize", None)
    again = run_bench(Asked(people, out, methods=("compact", "blur"), workers=1), lambda what, done, total: None)
    before = {(line.method, line.quantity, line.evaluator): line.value for line in found}
    for line in again:
        np.testing.assert_equal(line.value, before[line.method, line.quantity, line.evaluator])


def test_attacks_need_the_engine(people: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="compact"):
        run_bench(Asked(people, tmp_path, methods=("blur",), attacks=True), lambda what, done, total: None)


def test_what_cannot_be_run_is_said(people: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "file").touch()
    for code, words, *options in (
        (5, "cannot be made a folder", "--out", tmp_path / "file"),
        (2, "--sweep", "--out", tmp_path / "out", "--sweep", ""),
    ):
        assert main(["bench", "run", "--dataset", str(people), "--method", "none", *map(str, options)]) == code
        assert words in capsys.readouterr().err


def test_the_command_prints_a_table(people: Path, tmp_path: Path) -> None:
    arguments = ["run", "--dataset", str(people), "--out", str(tmp_path), "--method", "blur", "--workers", "1"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "rank-1" in result.output
    for wrong in (["--command", "nothing"], ["--sweep", "a,b"]):
        assert CliRunner().invoke(app, [*arguments, *wrong]).exit_code != 0


def test_the_page_in_a_browser(ran: tuple[Path, list[Line]]) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        pytest.skip("no Chromium here")
    out, _ = ran
    asked: list[str] = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto((out / "report.html").as_uri())
        assert page.locator("tbody tr").count() > 20
        assert page.locator("details img").count() >= 10
        page.locator("summary", has_text="identification-sface").click()
        figure = page.locator("details[open] img")
        assert figure.evaluate("image => image.naturalWidth") > 500
        dots = page.locator("circle")
        assert dots.count() > 0
        dots.first.hover(force=True)
        assert page.locator("#face").is_visible()
        assert page.locator("#face img").first.evaluate("image => image.naturalWidth") > 0
        page.select_option("#y", label="gaze, degrees")
        assert page.locator("circle").count() > 0
        browser.close()
    assert not errors
    assert all(url.startswith(("file:", "data:")) for url in asked)
