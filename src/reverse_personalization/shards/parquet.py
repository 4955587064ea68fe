"""Parquet as Hugging Face's `datasets` writes it: a picture is a struct of its bytes and its path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from reverse_personalization.errors import InputError, UsageError
from reverse_personalization.shards.samples import Sample

# Rows that are held at once, and written as one group: what `datasets` advises for pictures.
ROWS: Final = 100
RECORDS: Final = "revpers"
FEATURES: Final = b"huggingface"


class Parquet:
    """A Parquet file, read and written a group of rows at a time."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            UsageError: pyarrow is not installed.
            InputError: the file is damaged, or holds pictures in another form.
        """
        if find_spec("pyarrow") is None:
            raise UsageError("Parquet needs pyarrow: pip install 'reverse-personalization[parquet]'.")
        self._path, self._arrow = path, import_module("pyarrow")
        self._parquet: Any = import_module("pyarrow.parquet")
        try:
            self._file = self._parquet.ParquetFile(path)
        except self._arrow.ArrowException as error:
            raise InputError(f"{path}: is no whole Parquet file; make it anew.") from error
        schema = self._file.schema_arrow
        self._columns = [field.name for field in schema if self._is_picture(field.type)]
        for field in schema:
            if field.name not in self._columns and self._holds_bytes(field.type):
                raise InputError(
                    f"{path}: column {field.name} holds bytes that may be pictures; cast it to Image, or leave it out."
                )
        if not self._columns:
            raise InputError(f"{path}: no column holds pictures, structs of bytes and path.")

    def __len__(self) -> int:
        """How many rows."""
        return int(self._file.metadata.num_rows)

    def __iter__(self) -> Iterator[Sample]:
        """See `Shard`."""
        number = 0
        try:
            for batch in self._file.iter_batches(batch_size=ROWS):
                for row in batch.to_pylist():
                    yield self._sample(str(number), row)
                    number += 1
        except (self._arrow.ArrowException, OSError) as error:
            raise InputError(f"{self._path}: is no whole Parquet file ({error}); make it anew.") from error

    def _sample(self, key: str, row: dict[str, Any]) -> Sample:
        pictures = {}
        for column in self._columns:
            if row[column] is None:
                continue
            # A path alone leads to a file elsewhere: nothing, which is no picture, so that the row is left out.
            pictures[column] = row[column]["bytes"] or b""
        return Sample(key, pictures, row)

    @contextmanager
    def writer(self, path: Path) -> Iterator[_Writer]:
        """Begin a new file with the same columns, and one for records."""
        schema = self._file.schema_arrow
        if RECORDS not in schema.names:
            schema = schema.append(self._arrow.field(RECORDS, self._arrow.string()))
        with self._parquet.ParquetWriter(path, schema.with_metadata(_with_records(schema.metadata or {}))) as file:
            writer = _Writer(self._arrow, file)
            yield writer
            writer.flush()

    def _is_picture(self, kind: Any) -> bool:
        types = self._arrow.types
        if not types.is_struct(kind) or {field.name for field in kind} != {"bytes", "path"}:
            return False
        content = kind.field("bytes").type
        return bool(types.is_binary(content) or types.is_large_binary(content))

    def _holds_bytes(self, kind: Any) -> bool:
        types = self._arrow.types
        if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
            return True
        return any(self._holds_bytes(kind.field(index).type) for index in range(kind.num_fields))


def _with_records(metadata: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """What `datasets` says of the columns, the new one included: from this it knows which are pictures."""
    told = json.loads(metadata.get(FEATURES, b"{}"))
    features = told.get("info", {}).get("features")
    if features is None:
        return metadata
    features[RECORDS] = {"dtype": "string", "_type": "Value"}
    return metadata | {FEATURES: json.dumps(told).encode()}


class _Writer:
    def __init__(self, arrow: Any, file: Any) -> None:
        self._arrow, self._file = arrow, file
        self._rows: list[dict[str, Any]] = []

    def write(self, sample: Sample, records: dict[str, bytes]) -> None:
        """Add a row; of a picture's path its name alone stays."""
        row = dict(sample.rest)
        for column, content in sample.pictures.items():
            row[column] = {"bytes": content, "path": Path(sample.rest[column]["path"] or "").name or None}
        row[RECORDS] = "[" + ",".join(record.decode().strip() for record in records.values()) + "]"
        self._rows.append(row)
        if len(self._rows) >= ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait as one group."""
        if self._rows:
            self._file.write_batch(self._arrow.RecordBatch.from_pylist(self._rows, schema=self._file.schema))
            self._rows.clear()
