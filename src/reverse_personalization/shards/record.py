"""What was done to a shard, as the JSON file beside it; each picture's own record lies in the shard."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from reverse_personalization.record import (
    METHOD,
    ModelRecord,
    OutputRecord,
    SettingsRecord,
    SourceRecord,
    ToolRecord,
    Verdict,
)


class LeftOut(BaseModel):
    """A sample, or a member of one, that did not go along."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    key: str
    """Which sample."""
    reason: str
    """Why, in a sentence."""


class ShardRecord(BaseModel):
    """The record of one shard."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    schema_version: Literal[1] = 1
    """Version of this format."""
    tool: ToolRecord
    created: AwareDatetime
    source: SourceRecord
    output: OutputRecord
    method: str = METHOD
    repeatable: bool
    """Whether a seed was given; the seed itself is not recorded."""
    settings: SettingsRecord
    models: tuple[ModelRecord, ...]
    samples: int
    """Samples of the shard that came out."""
    faces: dict[Verdict, int]
    """How many faces ended with which verdict."""
    left_out: tuple[LeftOut, ...]
    """Samples and members that did not go along."""


def read_shard_record(path: Path) -> ShardRecord | None:
    """The record in a file, or None where there is none of this schema version."""
    try:
        return ShardRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
