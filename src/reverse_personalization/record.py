"""What was done to a photo, as the JSON file beside each output; docs/record.md documents every field.

A record is meant to travel with the photo, so it holds nothing that leads back to the person: no embeddings,
no pixels, no folders, nothing computed from the source file (whoever holds a gallery of originals could look
it up), and not the seed (whoever knows it could replay the run on a gallery and compare).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from reverse_personalization.settings import Settings
from reverse_personalization.version import DISTRIBUTION, tool_version

if TYPE_CHECKING:
    from reverse_personalization.canvas import AnonymizedPhoto, FaceResult
    from reverse_personalization.identity.people import Likeness
    from reverse_personalization.identity.verification import Similarity
    from reverse_personalization.loading import ModelCard
    from reverse_personalization.media.credentials import Credentials

SCHEMA_VERSION: Final = 3
FILE_SETTINGS: Final = ("model", "ip_adapter", "recogniser", "keep_people", "only")
METHOD: Final = "reverse personalization (arXiv:2512.22984)"


class Verdict(StrEnum):
    """How a face ended."""

    ANONYMIZED = "anonymized"
    OBSCURED = "obscured"
    KEPT = "kept"


def _without_folders(name: str) -> str:
    if PurePath(name).name != name:
        raise ValueError("must be a file name without folders")
    return name


FileName = Annotated[str, AfterValidator(_without_folders), Field(min_length=1)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Fraction = Annotated[float, AfterValidator(lambda value: round(value, 4)), Field(allow_inf_nan=False)]
Pixels = Annotated[float, AfterValidator(lambda value: round(value, 1)), Field(allow_inf_nan=False)]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ToolRecord(_Value):
    """The program."""

    name: str
    """Name of the distribution."""
    version: str
    """Its version; "unknown" when it ran from a source tree that was not installed."""


class SourceRecord(_Value):
    """The photo that went in."""

    file: FileName
    """File name, without folders."""


class OutputRecord(_Value):
    """The photo that came out."""

    file: FileName
    """File name, without folders."""
    sha256: Sha256
    """SHA-256 of the file."""
    marked: bool
    """Whether the file carries the IPTC mark that AI was used."""
    credentials: bool = False
    """Whether the file carries C2PA content credentials."""
    watermarked: bool = False
    """Whether the invisible watermark was found in the file after it was written."""


class ModelRecord(_Value):
    """A model that was used."""

    name: str
    """Short name, as `revpers models list` prints it."""
    file: FileName
    """File name, without folders."""
    sha256: Sha256
    """SHA-256 of the file."""
    licence: str
    """Licence of the weights."""


class SimilarityRecord(_Value):
    """How alike a recogniser finds the face before and after; two faces match above the threshold."""

    recogniser: str
    """Name of the recogniser."""
    role: Literal["guide", "verifier"]
    """`verifier`: independent of the engine; `guide`: it led the engine, so its word proves less."""
    before: Fraction | None
    """Similarity of the source face to its own mirror image, what the same person scores; null: no number."""
    after: Fraction | None
    """Similarity of the source face to what is there now; null: no number."""
    threshold: Fraction
    """Above it, two faces are taken for the same person."""


class LikenessRecord(_Value):
    """How alike a recogniser finds a face that stays visible, and the people of the folder that was given."""

    recogniser: str
    """Name of the recogniser."""
    similarity: Fraction
    """To the photo that decided (`--keep-people`), or the highest to any photo (`--only`)."""
    threshold: Fraction
    """What the similarity had to be above (`--keep-people`), or must not exceed (`--only`)."""


class FaceRecord(_Value):
    """What became of one face."""

    index: int = Field(ge=0)
    """Number of the face in this photo, from 0."""
    box: tuple[Pixels, Pixels, Pixels, Pixels]
    """Left, top, width, height in pixels of the upright photo; may leave it."""
    score: Fraction
    """The detector's confidence, 0 to 1."""
    verdict: Verdict
    """`anonymized`: replaced and verified; `obscured`: hidden; `kept`: left visible, as was asked."""
    reason: str
    """Why, in a sentence."""
    tries: int = Field(ge=0)
    """How often the face was regenerated."""
    similarities: tuple[SimilarityRecord, ...]
    """One per recogniser; empty where none could embed the face."""
    likenesses: tuple[LikenessRecord, ...] = ()
    """One per recogniser where `--keep-people` or `--only` decided that the face stays visible; else empty."""


class SettingsRecord(Settings):
    """All settings but the seed, the engine's own defaults filled in."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    seed: None = Field(default=None, exclude=True)

    @classmethod
    def of(cls, settings: Settings) -> SettingsRecord:
        """`settings` without the seed, and files without their folders."""
        values = settings.model_dump(exclude={"seed"})
        files = {name: PurePath(values[name]).name for name in FILE_SETTINGS if values[name]}
        return cls.model_validate({**values, **files})


class ImageRecord(_Value):
    """The record of one photo."""

    schema_version: Literal[3] = SCHEMA_VERSION
    """Version of this format; changes when a field changes its meaning, goes or comes."""
    tool: ToolRecord
    """The program that wrote the photo."""
    created: AwareDatetime
    """When, in UTC, to the second."""
    source: SourceRecord
    """The photo that went in."""
    output: OutputRecord
    """The photo that came out."""
    method: str = METHOD
    """The method behind verdicts of `anonymized`."""
    repeatable: bool
    """Whether a seed was given; the seed itself is not recorded."""
    settings: SettingsRecord
    """The settings of the run."""
    models: tuple[ModelRecord, ...]
    """The models of the run."""
    faces: tuple[FaceRecord, ...]
    """One entry per face that was found."""
    notes: tuple[str, ...] = ()
    """A sentence each: what reading or a file format lost, or that no face was found."""

    def to_json(self) -> bytes:
        """The record as UTF-8 JSON, indented, with a final newline."""
        return self.model_dump_json(indent=2).encode() + b"\n"


def record_path(output: Path) -> Path:
    """Where the record of an output lies: beside it, with `.json` appended."""
    return output.with_name(f"{output.name}.json")


def image_record(
    result: AnonymizedPhoto,
    *,
    source: str,
    output: OutputRecord,
    settings: Settings,
    models: Iterable[ModelCard],
    notes: Iterable[str] = (),
) -> ImageRecord:
    """The record of a photo that was just written.

    Args:
        result: what was done.
        source: file name of the photo that went in.
        output: the file that came out.
        settings: those of the run.
        models: those of the run.
        notes: sentences to add.
    """
    return ImageRecord(
        tool=this_tool(),
        created=datetime.now(UTC).replace(microsecond=0),
        source=SourceRecord(file=source),
        output=output,
        repeatable=settings.seed is not None,
        settings=SettingsRecord.of(settings),
        models=model_records(models),
        faces=tuple(_face(index, face) for index, face in enumerate(result.faces)),
        notes=tuple(notes),
    )


def save_photo(
    result: AnonymizedPhoto,
    path: Path,
    *,
    source: str,
    file: str | None = None,
    settings: Settings,
    models: Iterable[ModelCard],
    notes: Iterable[str] = (),
    credentials: Credentials | None = None,
) -> ImageRecord:
    """Write a photo, and make its record, which is not written.

    Args:
        result: what was done.
        path: where the photo goes.
        source: file name of the photo that went in.
        file: name of the photo in the record; that of `path` by default.
        settings: those of the run.
        models: those of the run.
        notes: sentences to add to those of reading and writing.
        credentials: what signs that AI was used, if anything.

    Raises:
        OutputError: the photo cannot be written.
    """
    from reverse_personalization.media.images import can_carry_mark

    mark, watermark = settings.mark and result.has_strangers, settings.watermark and result.has_strangers
    lost = result.save(
        path,
        keep_metadata=settings.keep_metadata,
        mark=mark,
        watermark=watermark,
        credentials=credentials,
        allow_no_faces=True,
    )
    marked = mark and can_carry_mark(path)
    output = OutputRecord(
        file=file or path.name,
        sha256=file_sha256(path),
        marked=marked,
        credentials=marked and credentials is not None,
        watermarked=watermark and _has_watermark(path, settings),
    )
    if watermark and not output.watermarked:
        lost += ("The watermark did not hold: the picture is too small, or has no room for it.",)
    if credentials is not None and result.faces and not mark:
        lost += ("No face was replaced, so there are no content credentials, which would say that AI was used.",)
    all_notes = (*result.photo.notes, *lost, *notes)
    return image_record(result, source=source, output=output, settings=settings, models=models, notes=all_notes)


def _has_watermark(path: Path, settings: Settings) -> bool:
    from reverse_personalization.media.watermark import read_watermark

    found = read_watermark(path, max_pixels=settings.max_pixels)
    return found is not None and found.is_there


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def this_tool() -> ToolRecord:
    """The running program, for a record."""
    return ToolRecord(name=DISTRIBUTION, version=tool_version())


def model_records(models: Iterable[ModelCard]) -> tuple[ModelRecord, ...]:
    """Models, for a record."""
    return tuple(
        ModelRecord(name=card.name, file=card.file, sha256=card.sha256, licence=card.licence) for card in models
    )


def likeness_records(likenesses: Iterable[Likeness]) -> tuple[LikenessRecord, ...]:
    """Likenesses, for a record."""
    return tuple(
        LikenessRecord(recogniser=one.recogniser, similarity=one.similarity, threshold=one.threshold)
        for one in likenesses
    )


def read_record(path: Path) -> ImageRecord | None:
    """The record in a file, or None where there is none of this schema version."""
    try:
        return ImageRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _face(index: int, face: FaceResult) -> FaceRecord:
    x, y, width, height = (float(value) for value in face.box)
    return FaceRecord(
        index=index,
        box=(x, y, width, height),
        score=float(face.score),
        verdict=Verdict(face.verdict),
        reason=face.reason,
        tries=face.tries,
        similarities=tuple(_similarity(similarity) for similarity in face.similarities),
        likenesses=likeness_records(face.likenesses),
    )


def _similarity(similarity: Similarity) -> SimilarityRecord:
    return SimilarityRecord(
        recogniser=similarity.recogniser,
        role=similarity.role,
        before=_number(similarity.before),
        after=_number(similarity.after),
        threshold=similarity.threshold,
    )


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
