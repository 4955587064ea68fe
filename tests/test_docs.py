"""The commands in the documentation are commands of this program."""

from __future__ import annotations

import shlex

import pytest
import typer

from documented import commands
from reverse_personalization.cli import app


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
