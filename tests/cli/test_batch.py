"""What is written, replaced, skipped and reported, with real files and an anonymizer without models."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_anonymizer import FakeAnonymizer, picture
from PIL import Image

from reverse_personalization.errors import OutputError
from reverse_personalization.media.atomic import write_atomically
from reverse_personalization.media.images import read_mark
from reverse_personalization.record import read_record
from reverse_personalization.settings import Settings

Photos = Callable[..., None]
Revpers = Callable[..., Any]
Files = Callable[..., set[str]]


def test_photo_and_record(revpers: Revpers, photos: Photos, files: Files) -> None:
    photos("crowd.png")
    ran = revpers("anonymize", "crowd.png", "-o", "new/out.png", "--seed", "77", "--guidance", "-7.5")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith(
        "warning: crowd.png: 1 of 3 faces obscured: Too unclear to be recognised.\n"
        "1 photo: 1 done. Faces: 2 anonymized, 1 obscured, 0 kept. "
    )
    assert files("new") == {"out.png", "out.png.json"}
    record = read_record(Path("new/out.png.json"))
    assert record is not None
    assert (record.source.file, record.output.file) == ("crowd.png", "out.png")
    assert record.output.sha256 == hashlib.sha256(Path("new/out.png").read_bytes()).hexdigest()
    assert [face.verdict for face in record.faces] == ["anonymized", "anonymized", "obscured"]
    assert (record.settings.guidance, record.repeatable) == (-7.5, True)
    before, after = picture(), np.asarray(Image.open("new/out.png"))
    changed = (before != after).any(2)
    assert changed[4:12, 4:12].all()
    assert not changed[:4].any()


def test_a_record_knows_no_folders_and_no_seed(revpers: Revpers, photos: Photos, folder: Path) -> None:
    photos("in/a.png", "in/b.gif")
    assert revpers("anonymize", folder / "in", "-r", "-o", folder / "new", "--seed", "7654321").code == 0
    originals = list(folder.glob("in/*"))
    for path in folder.glob("new/*.json"):
        text = path.read_text("utf-8")
        assert str(folder) not in text
        assert folder.name not in text
        assert "7654321" not in text
        assert all(hashlib.sha256(source.read_bytes()).hexdigest() not in text for source in originals)


@pytest.mark.parametrize(
    ("name", "options", "marked"),
    [("a.png", [], True), ("a.png", ["--no-mark"], False), ("noface.png", ["--allow-no-faces"], False)],
)
def test_the_mark_is_for_photos_that_ai_changed(
    revpers: Revpers, photos: Photos, name: str, options: list[str], *, marked: bool
) -> None:
    photos(name)
    assert revpers("anonymize", name, "-o", "new.jpg", *options).code == 0
    assert (read_mark(Path("new.jpg")) is not None) is marked
    assert read_record(Path("new.jpg.json")).output.marked is marked  # type: ignore[union-attr]


def test_no_face(revpers: Revpers, photos: Photos, files: Files) -> None:
    photos("in/noface.png", "in/a.png")
    ran = revpers("anonymize", "in", "-r", "-o", "new")
    assert ran.code == 3
    assert ran.err.startswith("warning: in/noface.png: no face was found, so nothing was written; ")
    assert "--allow-no-faces" in ran.err
    assert "2 photos: 1 done, 1 without a face." in ran.err
    assert files("new") == {"a.png", "a.png.json"}


def test_no_face_but_allowed(revpers: Revpers, folder: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    Image.fromarray(picture()).save("noface.png", exif=exif)
    assert revpers("anonymize", "noface.png", "-o", "new.png", "--allow-no-faces").code == 0
    written = Image.open("new.png")
    assert np.array_equal(written, picture())
    assert not written.getexif()
    record = read_record(Path("new.png.json"))
    assert record is not None
    assert (record.faces, record.notes) == ((), ("No face was found.",))


def test_keep_metadata(revpers: Revpers, folder: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x8298] = "a maker", "a copyright"
    Image.fromarray(picture()).save("a.jpg", exif=exif)
    assert revpers("anonymize", "a.jpg", "-o", "new.jpg", "--keep-metadata", "camera, gps").code == 0
    assert dict(Image.open("new.jpg").getexif()) == {0x010F: "a maker"}


def test_existing_outputs_stay(revpers: Revpers, photos: Photos, files: Files) -> None:
    photos("in/a.png", "in/b.png", "in/c.png")
    Path("new").mkdir()
    Path("new/a.png").write_text("mine")
    Path("new/b.png.json").write_text("mine too")
    ran = revpers("anonymize", "in", "-r", "-o", "new")
    assert ran.code == 5
    assert "error: new/a.png: exists already; add --force" in ran.err
    assert "error: new/b.png.json: exists already; add --force" in ran.err
    assert "3 photos: 1 done, 2 failed." in ran.err
    assert files("new") == {"a.png", "b.png.json", "c.png", "c.png.json"}
    assert Path("new/a.png").read_text() == "mine"
    assert Path("new/b.png.json").read_text() == "mine too"

    assert revpers("anonymize", "in", "-r", "-o", "new", "--force").code == 0
    assert read_record(Path("new/a.png.json")) is not None
    assert read_record(Path("new/b.png.json")) is not None


@pytest.mark.parametrize("option", ["--force", "--resume"])
@pytest.mark.parametrize("output", ["a.png", ".", "link.png"])
def test_originals_are_never_overwritten(revpers: Revpers, photos: Photos, output: str, option: str) -> None:
    photos("a.png")
    Path("link.png").symlink_to("a.png")
    original = Path("a.png").read_bytes()
    ran = revpers("anonymize", "a.png", "-o", output, option)
    assert ran.code == 2
    assert "originals are never overwritten" in ran.err
    assert Path("a.png").read_bytes() == original


def rewrite(path: str, text: str) -> None:
    Path(path).write_text(text)


def edit_record(path: str, **changes: object) -> None:
    record = json.loads(Path(path).read_text("utf-8"))
    Path(path).write_text(json.dumps(record | changes))


def done(out: str) -> set[str]:
    events = [json.loads(line) for line in out.splitlines()]
    return {Path(event["output"]).name for event in events if event["event"] == "file_done"}


def backdate(path: str) -> None:
    """Set the times back, as copying with times kept does."""
    os.utime(path, (1, 1))


@pytest.mark.parametrize(
    ("happens", "options", "redone"),
    [
        (lambda: None, [], False),
        (lambda: None, ["--max-tries", str(Settings().max_tries)], False),
        (lambda: None, ["--max-tries", "17"], True),
        (lambda: None, ["--seed", "1"], True),
        (lambda: None, ["--no-mark"], True),
        (lambda: rewrite("new/a.png", "changed"), [], True),
        (lambda: Path("new/a.png").unlink(), [], True),
        (lambda: Image.fromarray(picture(seed=9)).save("in/a.png"), [], True),
        (lambda: (Image.fromarray(picture(seed=9)).save("in/a.png"), backdate("in/a.png")), [], True),
        (lambda: Path("new/a.png.json").touch(), [], False),
    ],
)
def test_resume_redoes_what_is_out_of_date(
    revpers: Revpers, photos: Photos, happens: Callable[[], object], options: list[str], *, redone: bool
) -> None:
    photos("in/a.png", "in/b.png")
    assert revpers("anonymize", "in", "-r", "-o", "new").code == 0
    happens()
    ran = revpers("anonymize", "in", "-r", "-o", "new", "--resume", "--progress", "jsonl", *options)
    assert ran.code == 0
    assert ("a.png" in done(ran.out)) is redone
    assert ("b.png" in done(ran.out)) is (redone and bool(options))
    record = read_record(Path("new/a.png.json"))
    assert record is not None
    assert record.output.sha256 == hashlib.sha256(Path("new/a.png").read_bytes()).hexdigest()
    if options == [] and redone:
        shown = np.asarray(Image.open("in/a.png"))
        assert np.array_equal(np.asarray(Image.open("new/a.png"))[:4], shown[:4])


@pytest.mark.parametrize(
    "happens",
    [
        lambda: Path("new/a.png.json").unlink(),
        lambda: rewrite("new/a.png.json", "{}"),
        lambda: edit_record("new/a.png.json", source={"file": "other.png"}),
        lambda: edit_record("new/a.png.json", schema_version=1),
    ],
)
def test_resume_replaces_nothing_that_is_not_of_this_photo(
    revpers: Revpers, photos: Photos, happens: Callable[[], object]
) -> None:
    photos("a.png")
    assert revpers("anonymize", "a.png", "-o", "new/").code == 0
    happens()
    content = Path("new/a.png").read_bytes()
    ran = revpers("anonymize", "a.png", "-o", "new/", "--resume", "--max-tries", "17")
    assert ran.code == 5
    assert "no record that shows it was made from this photo" in ran.err
    assert Path("new/a.png").read_bytes() == content
    assert revpers("anonymize", "a.png", "-o", "new/", "--resume", "--force", "--max-tries", "17").code == 0


def test_resume_redoes_all_when_somebody_leaves_the_folder_of_people(revpers: Revpers, photos: Photos) -> None:
    photos("in/a.png", "friends/ann.png", "friends/ben.png")
    options = ("anonymize", "in", "-r", "-o", "new", "--keep-people", "friends", "--resume", "--progress", "jsonl")
    assert revpers(*options).code == 0
    assert not done(revpers(*options).out)
    Path("friends/ben.png").unlink()
    assert done(revpers(*options).out) == {"a.png"}


def test_resume_after_an_interruption_does_the_rest(revpers: Revpers, photos: Photos) -> None:
    photos("in/a.png", "in/b.png")
    assert revpers("anonymize", "in/a.png", "-o", "new/").code == 0
    made = FakeAnonymizer.made
    ran = revpers("anonymize", "in", "-r", "-o", "new", "--resume")
    assert "2 photos: 1 done, 1 skipped." in ran.err
    assert FakeAnonymizer.made == made + 1
    ran = revpers("anonymize", "in", "-r", "-o", "new", "--resume")
    assert "2 photos: 2 skipped. " in ran.err
    assert FakeAnonymizer.made == made + 1, "models were loaded for nothing"


def test_dry_run(revpers: Revpers, photos: Photos, files: Files) -> None:
    photos("in/a.png", "in/b.png", "in/c d.png")
    assert revpers("anonymize", "in/a.png", "-o", "new/").code == 0
    Path("new/b.png").write_text("mine")
    before, made = files(), FakeAnonymizer.made
    options = ("-o", "new", "--resume", "--dry-run", "--contact-sheet", "sheet.png")
    ran = revpers("anonymize", "in", "missing.png", "-r", *options)
    assert ran.code == 5
    assert ran.out == "in/a.png -> new/a.png  (done already)\nin/c d.png -> new/c d.png\n"
    assert "error: new/b.png: has no record" in ran.err
    assert "error: missing.png: there is no such file" in ran.err
    assert "4 photos: 1 to do, 1 skipped, 2 failed." in ran.err
    assert (files(), FakeAnonymizer.made) == (before, made)


def test_json_lines_have_stdout_for_themselves(revpers: Revpers, photos: Photos) -> None:
    photos("in/a.png", "in/crowd.png", "in/noface.png")
    ran = revpers("anonymize", "in", "-r", "-o", "new", "--progress", "jsonl")
    events = [json.loads(line) for line in ran.out.splitlines()]
    assert [event["event"] for event in events] == [
        *(
            "start",
            "file_start",
            "file_done",
            "file_start",
            "file_done",
            "file_start",
            "file_failed",
            "summary",
        )
    ]
    assert events[4]["faces"] == {"anonymized": 2, "obscured": 1, "kept": 0}
    assert events[-1]["exit_code"] == ran.code == 3
    assert "3 photos: 2 done, 1 without a face." in ran.err


def test_contact_sheet(revpers: Revpers, photos: Photos, files: Files) -> None:
    photos("in/a.png", "in/crowd.png")
    ran = revpers("anonymize", "in", "-r", "-o", "new", "--contact-sheet", "sheet.png")
    assert ran.code == 0
    assert Image.open("sheet.png").format == "PNG"
    assert {name for name in files() if "/" not in name} == {"sheet.png"}
    again = revpers("anonymize", "in", "-r", "-o", "other", "--contact-sheet", "sheet.png")
    assert again.code == 5
    assert "sheet.png: exists already" in again.err
    assert not files("other")
    assert revpers("anonymize", "in", "-r", "-o", "o", "--contact-sheet", "sheet.png", "--force").code == 0


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [("sheet.jpg", 2, "end its name in .png"), ("no/sheet.png", 5, "its folder does not exist")],
)
def test_contact_sheets_that_cannot_be(
    revpers: Revpers, photos: Photos, files: Files, name: str, code: int, sentence: str
) -> None:
    photos("a.png")
    ran = revpers("anonymize", "a.png", "-o", "b.png", "--contact-sheet", name)
    assert (ran.code, files()) == (code, {"a.png"})
    assert sentence in ran.err


def test_a_contact_sheet_that_cannot_be_written_is_no_photo(
    revpers: Revpers, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _: bytes) -> None:
        raise OutputError(f"{path}: cannot be written, since the disk is full; free some space.")

    monkeypatch.setattr("reverse_personalization.cli.sheet.write_atomically", full)
    photos("a.png")
    ran = revpers("anonymize", "a.png", "-o", "b.png", "--contact-sheet", "sheet.png", "--progress", "jsonl")
    summary = json.loads(ran.out.splitlines()[-1])
    assert (summary["photos"], summary["done"], summary["failed"], summary["not_reached"]) == (1, 1, 0, 0)
    assert summary["exit_code"] == summary["error"]["exit_code"] == ran.code == 5
    assert "sheet.png: cannot be written, since the disk is full" in ran.err
    assert "1 photo: 1 done." in ran.err


def test_a_contact_sheet_needs_faces(revpers: Revpers, photos: Photos, files: Files) -> None:
    photos("noface.png")
    ran = revpers("anonymize", "noface.png", "-o", "b.png", "--contact-sheet", "sheet.png")
    assert ran.code == 3
    assert "sheet.png: was not written, since no face was done." in ran.err
    assert files() == {"noface.png"}


def test_a_face_that_met_an_error_shows_in_the_exit_code(revpers: Revpers, photos: Photos, files: Files) -> None:
    photos("in/engine.png", "in/noface.png")
    ran = revpers("anonymize", "in", "-r", "-o", "new")
    assert ran.code == 7
    assert "in/engine.png: a face could not be processed because of an error, and was obscured" in ran.err
    assert files("new") == {"engine.png", "engine.png.json"}


def test_notes_on_the_file_are_told_and_recorded(revpers: Revpers, photos: Photos) -> None:
    photos("a.png")
    ran = revpers("anonymize", "a.png", "-o", "new.bmp")
    assert "warning: a.png: BMP files cannot carry the mark that AI was used." in ran.err
    record = read_record(Path("new.bmp.json"))
    assert record is not None
    assert record.notes == ("BMP files cannot carry the mark that AI was used.",)
    assert not record.output.marked


def test_unusual_names(revpers: Revpers, photos: Photos, files: Files) -> None:
    names = {"Ü ñ.png", "two\nlines.png", os.fsdecode(b"caf\xe9.png"), "-o.png", "%s {x} [red].png"}
    photos(*(f"in/{name}" for name in names))
    ran = revpers("anonymize", "in", "-r", "-o", "new", "--progress", "jsonl")
    assert ran.code == 0
    assert files("new") == names | {f"{name}.json" for name in names}
    ran = revpers("anonymize", "in", "-r", "-o", "new", "--resume")
    assert "5 photos: 5 skipped." in ran.err


def test_a_photo_that_is_being_written_when_a_signal_comes_counts(
    revpers: Revpers, photos: Photos, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, data: bytes) -> None:
        write_atomically(path, data)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("reverse_personalization.cli.batch.write_atomically", interrupted)
    photos("in/a.png", "in/b.png")
    ran = revpers("anonymize", "in", "-r", "-o", "new", "--progress", "jsonl")
    assert ran.code == 143
    assert done(ran.out) == {"a.png"}
    assert "2 photos: 1 done, 1 not done because of an interruption." in ran.err
    assert files("new") == {"a.png", "a.png.json"}
