"""What was done to a video, as the JSON file beside it; like a photo's record, it leads back to nobody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from reverse_personalization.record import (
    METHOD,
    LikenessRecord,
    ModelRecord,
    OutputRecord,
    SettingsRecord,
    SourceRecord,
    ToolRecord,
    Verdict,
    file_sha256,
    likeness_records,
    model_records,
    this_tool,
)
from reverse_personalization.settings import Settings
from reverse_personalization.video.options import VideoOptions

if TYPE_CHECKING:
    from reverse_personalization.loading import ModelCard
    from reverse_personalization.video.analysis import Analysis
    from reverse_personalization.video.atwork import Coverage
    from reverse_personalization.video.rendering import Rendered


class TrackRecord(BaseModel):
    """A face over time, and what became of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    track: int
    """Number of the track."""
    person: int
    """Number of the person; tracks of one person have one stranger."""
    verdict: Verdict
    """The worst that happened in any frame: kept, then obscured, then anonymized."""
    frames: dict[str, int]
    """In how many frames the face was anonymized, obscured or kept."""
    seen: dict[str, int]
    """In how many frames it was detected, or is where it must have been."""
    reason: str
    """Why the person is obscured in all frames or stays visible, if so."""
    likenesses: tuple[LikenessRecord, ...] = ()
    """One per recogniser where `--keep-people` or `--only` decided that the face stays visible; else empty."""


class VideoRecord(BaseModel):
    """What was done to a video."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    schema_version: Literal[2] = 2
    """Version of this format."""
    tool: ToolRecord
    created: AwareDatetime
    source: SourceRecord
    output: OutputRecord
    method: str = METHOD
    repeatable: bool
    """Whether a seed was given; the seed itself is not recorded."""
    settings: SettingsRecord
    options: VideoOptions
    """Which part of the video, and how it was encoded."""
    models: tuple[ModelRecord, ...]
    frames: int
    """Frames of the video."""
    tracks: tuple[TrackRecord, ...]
    doubtful: tuple[tuple[int, int], ...]
    """First and last frames of spans in which a face was hardly seen: look at these."""
    notes: tuple[str, ...] = ()
    """A sentence each: what of the file could not be read, or the output could not hold."""


def video_record(
    source: Path,
    output: Path,
    analysis: Analysis,
    rendered: Rendered,
    *,
    settings: Settings,
    options: VideoOptions,
    models: Iterable[ModelCard],
    signed: bool = False,
) -> VideoRecord:
    """The record of a video that was written."""
    return VideoRecord(
        tool=this_tool(),
        created=datetime.now(UTC).replace(microsecond=0),
        source=SourceRecord(file=source.name),
        output=OutputRecord(file=output.name, sha256=file_sha256(output), marked=settings.mark, credentials=signed),
        repeatable=settings.seed is not None,
        settings=SettingsRecord.of(settings),
        options=options.model_copy(update={"start": analysis.start, "end": analysis.end}),
        models=model_records(models),
        frames=analysis.frames,
        tracks=tuple(_track(one) for one in rendered.coverage),
        doubtful=tuple(analysis.doubtful),
        notes=rendered.notes,
    )


def read_video_record(path: Path) -> VideoRecord | None:
    """The record in a file, or None where there is none of this schema version."""
    try:
        return VideoRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _track(one: Coverage) -> TrackRecord:
    values = asdict(one) | {"likenesses": likeness_records(one.likenesses)}
    return TrackRecord(verdict=_verdict(one), **values)


def _verdict(one: Coverage) -> Verdict:
    return next((v for v in (Verdict.KEPT, Verdict.OBSCURED) if one.frames.get(v)), Verdict.ANONYMIZED)
