"""Everything that can go wrong: one sentence, the right exit code, nothing half-written, the others done."""

from __future__ import annotations

import ctypes
import io
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_anonymizer import picture
from PIL import Image

from reverse_personalization.settings import Settings

Photos = Callable[..., None]
Revpers = Callable[..., Any]
Files = Callable[..., set[str]]
Spawn = Callable[..., subprocess.Popen[str]]


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def photo() -> Image.Image:
    return Image.fromarray(picture())


BAD_PICTURES: dict[str, tuple[str, Callable[[], bytes], int]] = {
    "empty": ("bad.jpg", lambda: b"", 4),
    "zero bytes": ("bad.jpg", lambda: bytes(4096), 4),
    "text": ("bad.jpg", lambda: b"dear diary\n" * 50, 4),
    "truncated": ("bad.jpg", lambda: encoded(photo(), "JPEG")[:-300], 4),
    "truncated png": ("bad.png", lambda: encoded(photo(), "PNG")[:1000], 4),
    "animated": (
        "bad.gif",
        lambda: encoded(
            photo(),
            "GIF",
            save_all=True,
            append_images=[Image.fromarray(picture(seed=seed)) for seed in (1, 2)],
        ),
        4,
    ),
    "huge": ("bad.png", lambda: encoded(Image.new("1", (20_000, 20_000)), "PNG"), 4),
    "a bug": ("crash.png", lambda: encoded(photo(), "PNG"), 1),
    "memory": ("memory.png", lambda: encoded(photo(), "PNG"), 1),
    "no face, tiny": ("noface-1x1.png", lambda: encoded(Image.new("RGB", (1, 1)), "PNG"), 3),
    "no face, long": ("noface-1x20000.png", lambda: encoded(Image.new("RGB", (1, 20_000)), "PNG"), 3),
}


@pytest.mark.parametrize(("name", "content", "code"), BAD_PICTURES.values(), ids=BAD_PICTURES)
def test_a_bad_picture_costs_one_sentence_and_not_the_others(
    revpers: Revpers, photos: Photos, files: Files, name: str, content: Callable[[], bytes], code: int
) -> None:
    photos("in/a.png", "in/z.png")
    Path("in", name).write_bytes(content())
    ran = revpers("anonymize", "in", "-r", "-o", "new")
    assert ran.code == code
    assert files("new") == {"a.png", "a.png.json", "z.png", "z.png.json"}
    told = [line for line in ran.err.splitlines() if line.startswith(("error: ", "warning: "))]
    assert len(told) == 1
    assert f"in/{name}" in told[0]
    assert told[0].endswith((".", ")."))
    assert "Traceback" not in ran.err
    assert "3 photos: 2 done, 1 " in ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["missing.jpg", "-o", "new.jpg"], 4, "missing.jpg: there is no such file"),
        (["*.tiff", "-o", "new"], 4, "*.tiff: no photos or videos there"),
        (["empty", "-r", "-o", "new"], 4, "empty: no photos or videos there"),
        (["empty", "-o", "new"], 2, "add -r"),
        (["fifo.png", "-o", "new.png"], 4, "fifo.png: is not a regular file"),
        (["broken.png", "-o", "new.png"], 4, "broken.png: there is no such file"),
        (["loop.png", "-o", "new.png"], 4, "loop.png: "),
        (["a.png", "-o", "new.xyz"], 5, ".xyz files cannot be written"),
        (["a.png", "-o", "a.png/new.png"], 5, "a.png/new.png: its folder cannot be made"),
        (["a.png", "-o", f"{'n' * 300}.png"], 5, "choose a shorter one"),
        (["a.png", "-o", "/proc/new.png"], 5, "/proc/new.png: cannot be written"),
        (["a.png", "-o", "/dev/full"], 5, "/dev/full: "),
        (["transparent.png", "-o", "new.jpg"], 5, "cannot hold transparency"),
        (["a.png", "-o", "n.png", "--max-pixels", "100"], 4, "a.png: "),
        (
            ["a.png", "-o", "n.png", "--max-tries", "0"],
            2,
            "--max-tries 0: should be greater than or equal to 1.",
        ),
        (["a.png", "-o", "n.png", "--skip", "1"], 2, "--skip 1.0: should be less than 1."),
        (["a.png", "-o", "n.png", "--guidance", "nan"], 2, "--guidance nan: should be a finite number."),
        (["a.png", "-o", "n.png", "--guidance", "0", "--surrogate", "0"], 2, "--allow-non-anonymizing"),
        (["a.png", "-o", "n.png", "--guidance", "0"], 2, "give a negative number, or add --allow-non-anonymizing"),
        (["a.png", "-o", "n.png", "--guidance", "0", "--surrogate", "2"], 2, "--allow-non-anonymizing"),
        (["a.png", "-o", "n.png", "--guidance", "5", "--surrogate", "2"], 2, "--allow-non-anonymizing"),
        (["a.png", "-o", "n.png", "--guidance", "0", "--method", "nullface"], 2, "give a positive number"),
        (["a.png", "-o", "n.png", "--identity-strength", "0"], 2, "--identity-strength 0: does not push away"),
        (["a.png", "-o", "n.png", "--keep-metadata", "camera,faces"], 2, "no metadata called faces"),
    ],
)
def test_bad_options_and_places(
    revpers: Revpers, photos: Photos, files: Files, arguments: list[str], code: int, sentence: str
) -> None:
    photos("a.png")
    Image.new("RGBA", (9, 9)).save("transparent.png")
    Path("empty").mkdir()
    os.mkfifo("fifo.png")
    Path("broken.png").symlink_to("nowhere.png")
    Path("loop.png").symlink_to("loop.png")
    before = files()
    ran = revpers("anonymize", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert sentence in ran.err
    assert ran.err.startswith("error: ")
    assert "Traceback" not in ran.err
    assert files() == before


@pytest.mark.parametrize(
    "options",
    [
        ["--guidance", "-5"],
        ["--guidance", "0", "--allow-non-anonymizing"],
        ["--guidance", "8", "--method", "nullface"],
        ["--guidance", "5", "--allow-non-anonymizing"],
        ["--surrogate", "2"],
    ],
)
def test_accepted_guidance(revpers: Revpers, photos: Photos, options: list[str]) -> None:
    photos("a.png")
    assert revpers("anonymize", "a.png", "-o", "new.png", *options).code == 0


def test_every_setting_has_an_option(capsys: pytest.CaptureFixture[str], revpers: Revpers, photos: Photos) -> None:
    photos("a.png")
    values: dict[str, object] = {
        "engine": "sdxl",
        "guidance": -3.5,
        "strength": 1.5,
        "surrogate": 1.5,
        "steps": 40,
        "skip": 0.25,
        "attributes": "an old man",
        "method": "reverse",
        "quality": "draft",
        "identity_strength": 4.5,
        "attribute_strength": 2.5,
        "mode": "exact",
        "model": "sdxl-base",
        "ip_adapter": "faceid.safetensors",
        "recogniser": "arcface.onnx",
        "device": "cuda",
        "dtype": "bfloat16",
        "offload": "group",
        "memory": 6.5,
        "keep": ["eyes", "mouth"],
        "keep_people": "friends",
        "max_tries": 2,
        "gaze_tries": 1,
        "fallback": "solid",
        "detector": "eagle",
        "verifiers": ["one", "other"],
        "detection_threshold": 0.5,
        "max_pixels": 5000,
        "keep_metadata": ["camera", "gps"],
    }
    # `only` contradicts `keep_people`.
    switches = {"mark": False, "watermark": True, "compile": True, "consistent": False, "only": None}
    assert values.keys() | switches.keys() | {"seed"} == set(Settings.model_fields)
    options: list[str] = ["--no-mark", "--watermark", "--seed", "3", "--compile"]
    for name, value in values.items():
        options += [f"--{name.replace('_', '-')}", ",".join(value) if isinstance(value, list) else str(value)]
    assert revpers("anonymize", "a.png", "-o", "new.png", *options).code == 0
    record = json.loads(Path("new.png.json").read_text("utf-8"))
    assert record["settings"] == values | switches
    assert revpers("anonymize", "a.png", "-o", "b.png", "--only", "friends").code == 0
    assert json.loads(Path("b.png.json").read_text("utf-8"))["settings"]["only"] == "friends"
    ran = revpers("anonymize", "a.png", "-o", "c.png", "--only", "friends", "--keep-people", "friends")
    assert ran.code == 2
    assert "contradict" in ran.err


def test_a_record_that_cannot_be_written_takes_its_photo_along(revpers: Revpers, photos: Photos, files: Files) -> None:
    photos("in/a.png", "in/b.png")
    Path("new/a.png.json").mkdir(parents=True)
    ran = revpers("anonymize", "in", "-r", "-o", "new", "--force")
    assert ran.code == 5
    assert "new/a.png.json: is a folder" in ran.err
    assert files("new") == {"b.png", "b.png.json"}


def limited(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize(
    ("limit", "names", "done"),
    [(20_000, ["a.png", "large.png", "z.png"], ["a.png", "z.png"]), (500, ["flat.png"], [])],
    ids=["photo too large", "record too large"],
)
def test_a_full_disk(spawn: Spawn, photos: Photos, files: Files, limit: int, names: list[str], done: list[str]) -> None:
    photos(*(f"in/{name}" for name in names))
    if "large.png" in names:
        Image.fromarray(picture(200, 200)).save("in/large.png")
    else:
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save("in/flat.png")
    process = spawn("anonymize", "in", "-r", "-o", "new", preexec_fn=limited(limit))
    _, err = process.communicate()
    assert process.returncode == 5
    assert err.count("error: ") == 1
    assert "larger than is allowed here" in err
    assert files("new") == {*done, *(f"{name}.json" for name in done)}


def as_an_ordinary_owner() -> None:
    """Take from root the capability (CAP_DAC_OVERRIDE) to write where it must not."""
    if os.geteuid() == 0:
        drop_from_bounding_set, may_override = 24, 1
        assert ctypes.CDLL(None).prctl(drop_from_bounding_set, may_override, 0, 0, 0) == 0


@pytest.mark.skipif(os.geteuid() == 0 and sys.platform != "linux", reason="root may write everywhere")
@pytest.mark.parametrize("output", ["locked/new.png", "locked/deeper/new.png"])
def test_a_folder_that_is_not_writable(spawn: Spawn, photos: Photos, files: Files, output: str) -> None:
    photos("a.png")
    Path("locked").mkdir(mode=0o555)
    process = spawn("anonymize", "a.png", "-o", output, preexec_fn=as_an_ordinary_owner)
    _, err = process.communicate()
    assert process.returncode == 5
    assert err.startswith("error: locked/")
    assert "Traceback" not in err
    assert files() == {"a.png"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_interrupted_in_the_middle_of_a_folder(
    spawn: Spawn, photos: Photos, files: Files, number: signal.Signals, code: int
) -> None:
    photos("in/a.png", "in/noface.png", "in/slow.png", "in/z.png")
    options = ("--progress", "jsonl", "--contact-sheet", "sheet.png")
    process = spawn("anonymize", "in", "-r", "-o", "new", *options)
    assert process.stdout is not None
    events = []
    for line in process.stdout:
        events.append(json.loads(line))
        if events[-1]["event"] == "file_start" and events[-1]["input"] == "in/slow.png":
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == code
    summary = json.loads(out.splitlines()[-1])
    assert (summary["done"], summary["no_face"], summary["not_reached"]) == (1, 1, 2)
    assert (summary["interrupted"], summary["exit_code"]) == (True, code)
    assert "4 photos: 1 done, 1 without a face, 2 not done because of an interruption." in err
    assert "Traceback" not in err
    assert files("new") == {"a.png", "a.png.json"}
    assert Image.open("sheet.png").size > (0, 0)


def test_a_terminal_gets_a_bar_and_a_pipe_does_not(spawn: Spawn, photos: Photos) -> None:
    photos("in/a.png", "in/b.png")
    shown = {}
    for kind in ("auto", "none"):
        reader, writer = os.openpty()
        environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"}
        process = spawn(
            *("anonymize", "in", "-r", "-o", f"new-{kind}", "--progress", kind),
            stderr=writer,
            env=environment,
        )
        process.wait(timeout=20)
        os.close(writer)
        shown[kind] = os.read(reader, 1 << 20).decode()
        os.close(reader)
    assert "0/2" in shown["auto"]
    assert "\x1b[" in shown["auto"]
    assert "\x1b[" not in shown["none"]
    for text in shown.values():
        assert "2 photos: 2 done. Faces: 2 anonymized" in text
