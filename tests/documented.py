"""The commands that the documentation shows, page by page."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# A line of its own, also behind an installation.
COMMAND = re.compile(r"^(?:    |[^`\n]+ && )?(revpers (?:[^#`\n\\]|\\\n)+)", re.MULTILINE)
# One in a line of its own, or in a sentence, where some are only names of commands.
MENTION = re.compile(rf"{COMMAND.pattern}|`(revpers [^`]+)`", re.MULTILINE)


def commands() -> list[tuple[str, str]]:
    """Page and command, for those that have a line of their own."""
    return [(page.name, found[1].strip()) for page in PAGES for found in COMMAND.finditer(page.read_text("utf-8"))]


def mentions(page: Path) -> list[str]:
    """Commands of a page in their order, those in sentences and mere names of commands included."""
    found = MENTION.finditer(page.read_text("utf-8"))
    return list(dict.fromkeys(" ".join((match[1] or match[2]).split()) for match in found))
