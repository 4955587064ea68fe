"""A shard from beginning to end: every picture of every sample anonymized, or the sample left out."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from PIL import Image

from reverse_personalization.anonymizer import Anonymizer
from reverse_personalization.errors import InputError, NoFaceError, ReversePersonalizationError, UnreadableImageError
from reverse_personalization.media.atomic import write_atomically, written_atomically
from reverse_personalization.media.formats import SHARD_SUFFIXES
from reverse_personalization.media.restoring import restoring
from reverse_personalization.record import (
    OutputRecord,
    SettingsRecord,
    SourceRecord,
    Verdict,
    file_sha256,
    model_records,
    record_path,
    save_photo,
    this_tool,
)
from reverse_personalization.settings import Settings
from reverse_personalization.shards.parquet import Parquet
from reverse_personalization.shards.record import LeftOut, ShardRecord
from reverse_personalization.shards.samples import Sample, Shard
from reverse_personalization.shards.webdataset import WebDataset

Progress = Callable[[str, int, int], None]
# As a picture is written again; what Pillow reads besides these becomes PNG.
SUFFIXES: Final = {"JPEG": ".jpg", "MPO": ".jpg", "WEBP": ".webp", "TIFF": ".tif", "AVIF": ".avif"}


@dataclass
class _Done:
    samples: int = 0
    faces: Counter[Verdict] = field(default_factory=Counter)
    left_out: list[LeftOut] = field(default_factory=list)


def open_shard(path: Path) -> Shard:
    """A shard, by its name.

    Raises:
        UsageError: what reads it is not installed.
        InputError: it cannot be read, or is named like none.
    """
    kinds: dict[str, Callable[[Path], Shard]] = {".tar": WebDataset, ".parquet": Parquet}
    if path.suffix.lower() not in kinds:
        raise InputError(f"{path}: is named like no shard; these end in {' or '.join(SHARD_SUFFIXES)}.")
    return kinds[path.suffix.lower()](path)


def anonymize_shard(
    path: Path,
    output: Path,
    settings: Settings,
    anonymizer: Anonymizer,
    *,
    allow_no_faces: bool = False,
    progress: Progress | None = None,
) -> ShardRecord:
    """Replace every face of a shard's pictures, and write the shard and its record.

    A sample of which a picture cannot be read, or shows no face, is left out, and the record says so.

    Args:
        path: the shard.
        output: where it goes.
        settings: of the anonymizer.
        anonymizer: with these settings.
        allow_no_faces: take pictures along in which no face was found, too.
        progress: called with what is being done, the sample, and how many there are (0: not known).

    Raises:
        InputError: the shard cannot be read.
        OutputError: the output or its record cannot be written; then what was there before still is.
    """
    shard, done = open_shard(path), _Done()
    output.parent.mkdir(parents=True, exist_ok=True)
    with restoring(output, record_path(output)), TemporaryDirectory() as folder:
        pictures = _Pictures(anonymizer, settings, Path(folder), allow_no_faces)
        with written_atomically(output) as partial, shard.writer(partial) as writer:
            for number, sample in enumerate(shard, 1):
                done.left_out += [LeftOut(key=sample.key, reason=f"{name}: is neither picture nor text.")
                                  for name in sample.left_out]  # fmt: skip
                try:
                    records = pictures.replace(sample, done.faces)
                except ReversePersonalizationError as error:
                    done.left_out.append(LeftOut(key=sample.key, reason=str(error)))
                else:
                    writer.write(sample, records)
                    done.samples += 1
                if progress is not None:
                    progress("anonymizing", number, len(shard))
        record = _record(path, output, settings, anonymizer, done)
        write_atomically(record_path(output), record.model_dump_json(indent=2).encode() + b"\n")
    return record


class _Pictures:
    """Does the pictures of samples as photos are done, by way of files in a folder of its own."""

    def __init__(self, anonymizer: Anonymizer, settings: Settings, folder: Path, allow_no_faces: bool) -> None:
        self._anonymizer, self._settings, self._folder = anonymizer, settings, folder
        self._allow_no_faces = allow_no_faces

    def replace(self, sample: Sample, faces: Counter[Verdict]) -> dict[str, bytes]:
        """Replace a sample's pictures, count their faces, and return the pictures' records.

        Raises:
            InputError: a picture cannot be read.
            NoFaceError: one shows no face.
        """
        records, found = {}, Counter[Verdict]()
        for name, content in sample.pictures.items():
            sample.pictures[name], record, verdicts = self._one(name, content)
            records[name] = record
            found.update(verdicts)
        faces.update(found)
        return records

    def _one(self, name: str, content: bytes) -> tuple[bytes, bytes, list[Verdict]]:
        suffix = _suffix(name, content)
        source, target = self._folder / f"source{suffix}", self._folder / f"target{suffix}"
        source.write_bytes(content)
        try:
            result = self._anonymizer.anonymize(source)
            if not result.faces and not self._allow_no_faces:
                raise NoFaceError(f"{name}: no face was found; --allow-no-faces takes such pictures along.")
            record = save_photo(
                result,
                target,
                source=PurePosixPath(name).name,
                file=PurePosixPath(name).name,
                settings=self._settings,
                models=self._anonymizer.models,
            )
            return target.read_bytes(), record.to_json(), [face.verdict for face in record.faces]
        except InputError as error:
            raise type(error)(str(error).replace(str(source), name)) from error
        finally:
            source.unlink(missing_ok=True)
            target.unlink(missing_ok=True)


def _suffix(name: str, content: bytes) -> str:
    """How a picture is written again, by what it is, whatever it is called."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return SUFFIXES.get(image.format or "", ".png")
    except Image.DecompressionBombError:
        return ".png"  # what reads it next says how many pixels are allowed
    except Exception as error:
        raise UnreadableImageError(f"{name}: is no picture.") from error


def _record(path: Path, output: Path, settings: Settings, anonymizer: Anonymizer, done: _Done) -> ShardRecord:
    return ShardRecord(
        tool=this_tool(),
        created=datetime.now(UTC).replace(microsecond=0),
        source=SourceRecord(file=path.name),
        output=OutputRecord(file=output.name, sha256=file_sha256(output), marked=settings.mark),
        repeatable=settings.seed is not None,
        settings=SettingsRecord.of(settings),
        models=model_records(anonymizer.models),
        samples=done.samples,
        faces=dict(done.faces),
        left_out=tuple(done.left_out),
    )
