"""`revpers`: one file per command, imported only when that command is asked for.

A command's module exposes `app`, a `typer.Typer(add_completion=False)`; its line in `revpers --help` stands
here. Functions that return a number set the exit code.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from reverse_personalization.cli.failures import DEBUG_VARIABLE, SIGNAL_BASE, failure_of, printable

COMMANDS: Final = {
    "anonymize": "Replace every face in photos by a believable stranger's.",
    "doctor": "Show what is installed and what is missing.",
    "models": "List, fetch and verify the model files.",
    "cluster": "Anonymize folders on many machines, by Ray.",
    "video": "Find the faces of a video, review them, render it.",
    "live": "Show a camera's picture, every face replaced.",
    "inspect": "Read a file's AI mark, and compare it with its record.",
    "ui": "Open a page to drop photos on, on this machine only.",
    "serve": "Serve photos over HTTP, to this machine only.",
    "bench": "Measure how well people stay unrecognised.",
    "train": "Train the models that this project ships.",
}
_BROKEN_PIPE: Final = SIGNAL_BASE + 13


class LazyGroup(TyperGroup):
    """A group whose help is made of `COMMANDS`, and whose commands are imported when they run."""

    def __init__(self, **options: Any) -> None:
        """Stand-ins that carry the help lines take the places of the commands."""
        super().__init__(**options)
        self.commands = {name: TyperCommand(name, help=line) for name, line in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that the arguments name."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            command = typer.main.get_command(import_module(f"{__name__}.{command.name}").app)
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command; stop quietly when nobody reads the output any more."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(_BROKEN_PIPE) from None
        return result


app = typer.Typer(
    name="revpers",
    cls=LazyGroup,
    rich_markup_mode=None,  # importing rich takes as long as all the rest
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 internal error, 2 wrong options, 3 no face found, 4 bad input, "
    "5 output cannot be written, 6 weights missing, 7 a face could not be processed (it was obscured).",
)


def _print_version(asked: bool) -> None:
    if asked:
        from reverse_personalization.version import tool_version

        typer.echo(f"revpers {tool_version()}")
        raise typer.Exit


@app.callback(no_args_is_help=True)
def revpers(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Replace every face in a photo by a believable stranger's: identity gone, everything else kept."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `revpers` and return its exit code; errors become one sentence on stderr.

    Args:
        arguments: what follows the program's name; by default `sys.argv[1:]`.
    """
    _configure_logging()
    try:
        code = typer.main.get_command(app).main(
            list(sys.argv[1:] if arguments is None else arguments), prog_name="revpers", standalone_mode=False
        )
    except typer.TyperException as error:
        return _explain(error)
    except Exception as error:
        failure = failure_of(error)
        _print_error(failure.sentence)
        return failure.exit_code
    return code if isinstance(code, int) else 0


def _configure_logging() -> None:
    """Libraries stay silent unless details were asked for."""
    if os.environ.get(DEBUG_VARIABLE):
        logging.basicConfig(format="%(name)s: %(message)s")
        logging.getLogger("reverse_personalization").setLevel(logging.DEBUG)
    else:
        logging.getLogger().addHandler(logging.NullHandler())


def _explain(error: typer.TyperException) -> int:
    """Print a usage error and where to find help. Without arguments, help was printed already."""
    context: typer.Context | None = getattr(error, "ctx", None)
    if message := error.format_message():
        _print_error(message)
        if context is not None:
            typer.echo(f"Try '{context.command_path} --help'.", err=True)
    return error.exit_code


def _print_error(sentence: str) -> None:
    typer.echo(f"error: {printable(sentence)}", err=True)
