from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec

import pytest
import typer

from reverse_personalization import cli
from reverse_personalization.cli import COMMANDS, main

Spawn = Callable[..., subprocess.Popen[str]]
HEAVY = (
    "numpy",
    "cv2",
    "PIL",
    "pydantic",
    "dlib",
    "ai_edge_litert",
    "torch",
    "reverse_personalization.settings",
)


@pytest.mark.parametrize("argument", ["--help", "--version", "-h"])
def test_nothing_heavy_is_imported_for(argument: str) -> None:
    code = f"import sys; from reverse_personalization.cli import main; main([{argument!r}]); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = ran.stdout.splitlines()[-1].split()
    assert not set(HEAVY) & set(loaded)
    assert [name for name in loaded if name.startswith("reverse_personalization.cli.")] == [
        "reverse_personalization.cli.failures"
    ]


def test_help_lists_every_command_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name, line in COMMANDS.items():
        assert re.search(rf"\b{name} +{re.escape(line)}", out)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_app_and_the_help_that_is_listed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert find_spec(f"reverse_personalization.cli.{name}"), f"cli/{name}.py is missing"
    module = __import__(f"reverse_personalization.cli.{name}", fromlist=["app"])
    assert isinstance(module.app, typer.Typer)
    assert main([name, "--help"]) == 0
    assert f"Usage: revpers {name}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"revpers (\d+\.\d+\.\d+.*|unknown)\n", capsys.readouterr().out)


def test_the_module_runs() -> None:
    command = [sys.executable, "-m", "reverse_personalization", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith("revpers ")


@pytest.mark.parametrize(
    ("arguments", "sentence", "hint"),
    [
        ((), "", ""),
        (("anonimize",), "Did you mean 'anonymize'?", "Try 'revpers --help'."),
        (("--bogus",), "--bogus", "Try 'revpers --help'."),
        (("anonymize", "--bogus"), "--bogus", "Try 'revpers anonymize --help'."),
        (("anonymize", "a.png"), "--output", "Try 'revpers anonymize --help'."),
        (("anonymize", "-o", "b.png"), "INPUT", "Try 'revpers anonymize --help'."),
        (("anonymize", "a.png", "-o", "b.png", "--steps", "x"), "--steps", "Try 'revpers anonymize --help'."),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], sentence: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert hint in err
    assert "Traceback" not in err


def test_a_reader_that_goes_away(photos: Callable[..., None], spawn: Spawn) -> None:
    photos(*(f"in/{number}.png" for number in range(9)))
    process = spawn("anonymize", "in", "-r", "-o", "new", "--progress", "jsonl", bufsize=0)
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait() == 141
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


def test_details_on_request(photos: Callable[..., None], spawn: Spawn) -> None:
    photos("crash.png")
    for debug, expected in (("", False), ("1", True)):
        process = spawn("anonymize", "crash.png", "-o", "b.png", env=os.environ | {"REVPERS_DEBUG": debug})
        _, err = process.communicate()
        assert process.returncode == 1
        assert ("Traceback (most recent call last)" in err) is expected


def test_the_commands_are_those_of_the_group() -> None:
    group = typer.main.get_command(cli.app)
    assert isinstance(group, cli.LazyGroup)
    assert tuple(group.commands) == tuple(COMMANDS)
