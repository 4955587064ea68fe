"""What the prompts of generated photos say of the faces in them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_AGES: Final = {"baby": 2.0, "toddler": 2.0, "boy": 9.0, "girl": 9.0, "child": 9.0}


def read_prompts(table: Path) -> dict[str, str]:
    """Prompts by file, from a CSV table with the columns `file` and `prompt`.

    Raises:
        OSError: it cannot be read.
        KeyError: a column is missing.
        ValueError: it is no text.
        csv.Error: it is no table.
    """
    with table.open(encoding="utf-8", newline="") as lines:
        return {row["file"]: row["prompt"] or "" for row in csv.DictReader(lines)}


def says(prompt: str, words: Sequence[str]) -> bool:
    """Whether one of the words is in a prompt."""
    return any(re.search(rf"\b{word}\b", prompt) for word in words)


def age_of(prompt: str) -> float:
    """Years, by a prompt's words; NaN where it does not tell."""
    if years := re.search(r"(\d+)-year-old", prompt):
        return float(years[1])
    return next((age for word, age in _AGES.items() if says(prompt, (word,))), float("nan"))
