from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reverse_personalization.cli.planning import Plan, make_plan
from reverse_personalization.errors import OutputError, UsageError


def pairs(plan: Plan) -> list[tuple[str, str]]:
    return [(str(job.source), str(job.output)) for job in plan.jobs]


def sentences(plan: Plan) -> list[str]:
    return [str(problem.error) for problem in plan.problems]


@pytest.mark.parametrize(
    ("inputs", "output", "expected"),
    [
        (["a.png"], "new.jpg", [("a.png", "new.jpg")]),
        (["a.png"], "new", [("a.png", "new/a.png")]),
        (["a.png"], "new.jpg/", [("a.png", "new.jpg/a.png")]),
        (["a.png"], "in", [("a.png", "in/a.png")]),
        (["a.png", "a.png"], "new", [("a.png", "new/a.png")]),
        (["in"], "new", [("in/b.jpg", "new/b.jpg"), ("in/deep/c d.png", "new/deep/c d.png")]),
        (["in/"], "new", [("in/b.jpg", "new/b.jpg"), ("in/deep/c d.png", "new/deep/c d.png")]),
        (["a.png", "in/deep"], "new", [("a.png", "new/a.png"), ("in/deep/c d.png", "new/c d.png")]),
        (["in/*.jpg"], "new", [("in/b.jpg", "new/b.jpg")]),
        (["in/**/*.*"], "new", [("in/b.jpg", "new/b.jpg"), ("in/deep/c d.png", "new/deep/c d.png")]),
        (["[ap]*.png"], "new", [("a.png", "new/a.png"), ("photo[1].png", "new/photo[1].png")]),
        (["photo[1].png"], "new.png", [("photo[1].png", "new.png")]),
        (["i?"], "new", [("in/b.jpg", "new/in/b.jpg"), ("in/deep/c d.png", "new/in/deep/c d.png")]),
        (["g.gif"], "new", [("g.gif", "new/g.png")]),
        (["Ü ñ.png"], "new", [("Ü ñ.png", "new/Ü ñ.png")]),
    ],
)
def test_outputs(photos: Callable[..., None], inputs: list[str], output: str, expected: list[tuple[str, str]]) -> None:
    photos("a.png", "in/b.jpg", "in/deep/c d.png", "in/.hidden/x.png", "photo[1].png", "g.gif", "Ü ñ.png")
    photos("in/.x.png")
    Path("in/notes.txt").write_text("not a photo")
    plan = make_plan(inputs, output, recursive=True)
    assert pairs(plan) == expected
    assert not plan.problems


@pytest.mark.parametrize(
    ("inputs", "output", "sentence"),
    [
        (["in"], "new", "in: is a folder; add -r"),
        (["a.png", "b.png"], "new.jpg", "named like a photo"),
        (["*.png"], "new.jpg", "named like a photo"),
        (["a.png", "b.png"], "notes.txt", "is a file"),
        (["a.png"], ".", "a.png: is an original"),
        (["a.png"], "./in/../a.png", "is an original"),
        (["a.png"], "link.png", "is an original"),
        (["a.png"], "hard.png", "is an original"),
        (["a.png", "b.png"], "elsewhere", "is an original"),
        (["a.png", "in/a.png"], "new", "a.png and in/a.png would both become new/a.png"),
        (["c.gif", "c.png"], "new", "c.gif and c.png would both become new/c.png"),
    ],
)
def test_usage_errors(photos: Callable[..., None], inputs: list[str], output: str, sentence: str) -> None:
    photos("a.png", "b.png", "in/a.png", "c.gif", "c.png")
    Path("notes.txt").write_text("not a photo")
    Path("link.png").symlink_to("a.png")
    Path("hard.png").hardlink_to("a.png")
    Path("elsewhere").mkdir()
    Path("elsewhere/b.png").symlink_to("../a.png")
    with pytest.raises(UsageError, match=sentence):
        make_plan(inputs, output)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing.jpg", "missing.jpg: there is no such file"),
        ("*.tiff", r"*.tiff: no photos or videos there"),
        ("empty", "empty: no photos or videos there"),
        ("notes.txt", "notes.txt: is not named like a photo"),
    ],
)
def test_an_input_that_leads_nowhere_does_not_stop_the_others(
    photos: Callable[..., None], name: str, sentence: str
) -> None:
    photos("a.png")
    Path("empty").mkdir()
    Path("notes.txt").write_text("not a photo")
    plan = make_plan([name, "a.png"], "new", recursive=True)
    assert pairs(plan) == [("a.png", "new/a.png")]
    assert [found.startswith(sentence) for found in sentences(plan)] == [True]


def test_a_single_file_needs_a_name_that_can_be_written(photos: Callable[..., None]) -> None:
    photos("a.png")
    with pytest.raises(OutputError, match=r"new\.xyz"):
        make_plan(["a.png"], "new.xyz")


@pytest.mark.parametrize("inputs", [["in"], ["in/**/*.png"]])
def test_results_of_an_earlier_run_are_no_inputs(photos: Callable[..., None], inputs: list[str]) -> None:
    photos("in/a.png", "in/new/a.png", "in/new/deep/a.png", "in/sheet.png")
    plan = make_plan(inputs, "in/new", recursive=True, contact_sheet=Path("in/sheet.png"))
    assert pairs(plan) == [("in/a.png", "in/new/a.png")]


@pytest.mark.parametrize("sheet", ["a.png", "new/a.png"])
def test_the_contact_sheet_is_no_photo_of_the_run(photos: Callable[..., None], sheet: str) -> None:
    photos("a.png", "b.png")
    with pytest.raises(UsageError, match="--contact-sheet"):
        make_plan(["a.png", "b.png"], "new", contact_sheet=Path(sheet))


@pytest.mark.parametrize("manifest", ["a.png", "new/a.png", "new/a.png.json", "./sheet.png"])
def test_the_manifest_is_no_other_file_of_the_run(photos: Callable[..., None], manifest: str) -> None:
    photos("a.png")
    with pytest.raises(UsageError, match="give --manifest another name"):
        make_plan(["a.png"], "new", contact_sheet=Path("sheet.png"), manifest=Path(manifest))


@pytest.mark.parametrize(
    ("inputs", "output", "sentence"), [(["a.png"], "", "-o: is empty"), (["a.png", ""], "new", "An input is empty")]
)
def test_empty_names(photos: Callable[..., None], inputs: list[str], output: str, sentence: str) -> None:
    photos("a.png")
    with pytest.raises(UsageError, match=sentence):
        make_plan(inputs, output, recursive=True)


def test_folders_behind_links_are_not_entered(photos: Callable[..., None]) -> None:
    photos("in/a.png", "other/b.png")
    Path("in/loop").symlink_to(".", target_is_directory=True)
    Path("in/other").symlink_to("../other", target_is_directory=True)
    Path("in/link.png").symlink_to("../other/b.png")
    for inputs in (["in"], ["in/**/*.png"]):
        assert [source for source, _ in pairs(make_plan(inputs, "new", recursive=True))] == [
            "in/a.png",
            "in/link.png",
        ]


def test_links_that_lead_nowhere_stay_in_the_plan(folder: Path) -> None:
    Path("in").mkdir()
    Path("in/broken.png").symlink_to("nowhere.png")
    Path("in/loop.png").symlink_to("loop.png")
    plan = make_plan(["in"], "new", recursive=True)
    assert [job.source.name for job in plan.jobs] == ["broken.png", "loop.png"]


def test_names_that_are_not_utf8(photos: Callable[..., None]) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    photos(name)
    assert pairs(make_plan(["."], "new", recursive=True)) == [(name, f"new/{name}")]
