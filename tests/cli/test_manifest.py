"""Resuming by content, with an anonymizer without models."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Photos = Callable[..., None]
Revpers = Callable[..., Any]


def entries() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("m.jsonl").read_text("utf-8").splitlines()]


def test_what_has_the_same_content_is_not_done_again(revpers: Revpers, photos: Photos) -> None:
    photos("in/a.png", "in/b.png")
    command = ("anonymize", "in", "-r", "-o", "new", "--manifest", "m.jsonl", "--resume", "--seed", "1")
    assert revpers(*command).code == 0
    assert [Path(entry["source"]).name for entry in entries()] == ["a.png", "b.png"]
    # Times alone say nothing any more: neither a newer file of the same content, nor an older one of another.
    os.utime("in/a.png")
    Path("in/b.png").write_bytes(Path("in/b.png").read_bytes() + b"\0")
    os.utime("new/b.png.json")
    ran = revpers(*command)
    assert "1 done, 1 skipped" in ran.err
    assert [Path(entry["source"]).name for entry in entries()] == ["a.png", "b.png", "b.png"]
    assert revpers(*command, "--guidance", "-9").err.count("2 done") == 1


def test_failures_are_in_it_and_tried_again(revpers: Revpers, photos: Photos) -> None:
    photos("in/a.png")
    Path("in/broken.png").write_bytes(b"nothing")
    command = ("anonymize", "in", "-r", "-o", "new", "--manifest", "m.jsonl", "--resume")
    for _ in range(2):
        assert revpers(*command).code == 4
    assert [(Path(e["source"]).name, e["status"], e["output"]) for e in entries()[1:]] == [
        ("broken.png", "failed", None)
    ] * 2
    assert "broken.png" in entries()[1]["error"]


def test_half_a_line_is_no_harm_and_another_file_is_an_error(revpers: Revpers, photos: Photos) -> None:
    photos("in/a.png")
    command = ("anonymize", "in", "-r", "-o", "new", "--manifest", "m.jsonl", "--resume")
    assert revpers(*command).code == 0
    with Path("m.jsonl").open("a") as file:
        file.write('{"source":"in/b')
    photos("in/b.png")
    assert revpers(*command).code == 0
    lines = Path("m.jsonl").read_text().splitlines()
    assert len(lines) == 3
    assert json.loads(lines[2])["source"].endswith("b.png")
    Path("m.jsonl").write_text("dear diary\n")
    ran = revpers(*command)
    assert ran.code == 5
    assert "is no manifest" in ran.err
    assert Path("m.jsonl").read_text() == "dear diary\n"


def test_another_file_stays_as_it_is(revpers: Revpers, photos: Photos) -> None:
    photos("in/a.png")
    Path("diary.txt").write_bytes(b"dear diary")
    assert revpers("anonymize", "in", "-r", "-o", "new", "--manifest", "diary.txt").code == 5
    assert Path("diary.txt").read_bytes() == b"dear diary"


def test_names_that_are_no_utf8_are_known_again(revpers: Revpers, photos: Photos) -> None:
    photos("in/a.png")
    os.rename(b"in/a.png", b"in/bad\xff.png")
    command = ("anonymize", "in", "-r", "-o", "new", "--manifest", "m.jsonl", "--resume")
    assert revpers(*command).code == 0
    assert entries()[0]["source"].endswith("bad\\udcff.png")
    assert "1 skipped" in revpers(*command).err
