"""The commands in the documentation are commands of this program."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from reverse_personalization.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"^(?:    )?(revpers (?:[^#`\n\\]|\\\n)+)", re.MULTILINE)


def commands() -> list[tuple[str, str]]:
    return [(page.name, found[1].strip()) for page in PAGES for found in COMMAND.finditer(page.read_text("utf-8"))]


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_command_in_the_docs_is_understood(page: str, line: str) -> None:
    arguments = shlex.split(line)[1:]
    command = typer.main.get_command(app)
    with command.make_context("revpers", arguments[:0], resilient_parsing=True) as context:
        while hasattr(command, "resolve_command"):
            _, command, arguments = command.resolve_command(context, arguments)
        # Parsing alone: values and names of options are checked, nothing runs.
        command.make_context(command.name or "", arguments, parent=context)


def test_there_are_commands_to_check() -> None:
    assert len(commands()) > 20
