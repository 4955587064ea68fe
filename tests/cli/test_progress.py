from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from reverse_personalization.cli.failures import Failure
from reverse_personalization.cli.outcomes import Event, Outcome, Started, Status, Summary
from reverse_personalization.cli.planning import Job
from reverse_personalization.cli.progress import Bar, JsonLines, Listing, SummaryText, event_object
from reverse_personalization.record import Verdict

DONE = Outcome(
    "in/a.png",
    Path("new/a.png"),
    Status.DONE,
    Counter({Verdict.ANONYMIZED: 2, Verdict.OBSCURED: 1}),
    ("1 of 3 faces obscured: Too unclear.",),
    seconds=1.23456,
)
SKIPPED = Outcome("in/b.png", Path("new/b.png"), Status.SKIPPED)
NO_FACE = Outcome(
    "in/c.png",
    Path("new/c.png"),
    Status.NO_FACE,
    failure=Failure("NoFaceError", "in/c.png: no face was found.", 3),
)
FAILED = Outcome("x\n.png", None, Status.FAILED, failure=Failure("UnreadableImageError", "x\n.png: is empty.", 4))
SUMMARY = Summary((DONE, SKIPPED, NO_FACE, FAILED), 6, 2.34567, ("sheet.png: shows less.",), signal=2)
EVENTS: tuple[Event, ...] = (
    Started(6),
    Job(Path("in/a.png"), Path("new/a.png")),
    *SUMMARY.outcomes,
    SUMMARY,
)


def told(watcher_class: type, events: tuple[Event, ...] = EVENTS) -> list[str]:
    stream = io.StringIO()
    watcher = watcher_class(stream)
    for event in events:
        watcher(event)
    return stream.getvalue().splitlines()


def test_summary_text() -> None:
    assert told(SummaryText) == [
        "warning: in/a.png: 1 of 3 faces obscured: Too unclear.",
        "warning: in/c.png: no face was found.",
        "error: x\\n.png: is empty.",
        "warning: sheet.png: shows less.",
        "6 photos: 1 done, 1 skipped, 1 without a face, 1 failed, 2 not done because of an interruption. "
        "Faces: 2 anonymized, 1 obscured, 0 kept. 2.3 s.",
    ]


@pytest.mark.parametrize(
    ("summary", "line"),
    [
        (Summary((SKIPPED,), 1, 0.0), "1 photo: 1 skipped. 0.0 s."),
        (Summary((FAILED,), 1, 0.0), "1 photo: 1 failed. 0.0 s."),
        (
            Summary((), 1, 0.0, signal=15),
            "1 photo: 1 not done because of an interruption. 0.0 s.",
        ),
    ],
)
def test_short_summaries(summary: Summary, line: str) -> None:
    assert told(SummaryText, (summary,))[-1] == line


def test_an_interrupted_video_is_no_photo() -> None:
    begun = Job(Path("clip.mp4"), Path("new.mp4"))
    told_of = told(SummaryText, (begun, Summary((), 1, 0.0, signal=15)))
    assert told_of == ["1 file: 1 not done because of an interruption. 0.0 s."]


def test_listing() -> None:
    planned = Outcome("in/a.png", Path("new/a.png"), Status.PLANNED)
    assert told(Listing, (planned, SKIPPED, FAILED)) == [
        "in/a.png -> new/a.png",
        "in/b.png -> new/b.png  (done already)",
    ]


def test_json_lines() -> None:
    objects = [json.loads(line) for line in told(JsonLines)]
    assert [item["event"] for item in objects] == [
        *("start", "file_start", "file_done", "file_skipped", "file_failed", "file_failed", "summary")
    ]
    assert objects[0] == {"event": "start", "schema_version": 1, "photos": 6}
    assert objects[2] == {
        "event": "file_done",
        "input": "in/a.png",
        "output": "new/a.png",
        "faces": {"anonymized": 2, "obscured": 1, "kept": 0},
        "warnings": ["1 of 3 faces obscured: Too unclear."],
        "error": None,
        "seconds": 1.235,
    }
    assert objects[5]["output"] is None
    assert objects[5]["error"] == {
        "kind": "UnreadableImageError",
        "message": "x\n.png: is empty.",
        "exit_code": 4,
    }
    assert objects[6] == {
        "event": "summary",
        "photos": 6,
        "planned": 0,
        "done": 1,
        "skipped": 1,
        "no_face": 1,
        "failed": 1,
        "not_reached": 2,
        "faces": {"anonymized": 2, "obscured": 1, "kept": 0},
        "warnings": ["sheet.png: shows less."],
        "error": None,
        "interrupted": True,
        "seconds": 2.346,
        "exit_code": 130,
    }


def test_names_that_are_not_utf8_are_still_json() -> None:
    job = Job(Path("caf\udce9.png"), Path("new/caf\udce9.png"))
    failed = Failure("InputError", "caf\udce9.png: is empty.", 4)
    outcome = Outcome(str(job.source), job.output, Status.FAILED, warnings=("caf\udce9",), failure=failed)
    begun, ended = (json.loads(line) for line in told(JsonLines, (job, outcome)))
    assert begun["input"] == ended["input"] == r"caf\udce9.png"
    assert json.dumps([begun, ended], ensure_ascii=False).encode("utf-8")


def test_every_event_is_documented() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
    planned = Outcome("in/a.png", Path("new/a.png"), Status.PLANNED)
    for event in (*EVENTS, planned):
        item = event_object(event)
        assert f"`{item['event']}`" in docs
        for key in item:
            assert f"`{key}`" in docs


def test_the_bar_counts_photos_and_faces() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    column = TextColumn("{task.completed}/{task.total} {task.fields[faces]} {task.fields[file]}", markup=False)
    bar = Bar(Progress(column, console=console))
    shown = []
    for event in EVENTS:
        bar(event)
        shown.append(column.render(bar.progress.tasks[0]).plain)
    assert shown == [
        "0/6 0 faces ",
        "0/6 0 faces a.png",
        "1/6 3 faces a.png",
        *(f"{number}/6 3 faces a.png" for number in (2, 3, 4)),
        "4/6 3 faces a.png",
    ]
