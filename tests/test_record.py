from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from reverse_personalization.anonymizer import ModelCard
from reverse_personalization.canvas import AnonymizedPhoto, FaceResult
from reverse_personalization.identity.verification import Similarity
from reverse_personalization.media.images import read_photo
from reverse_personalization.record import (
    SCHEMA_VERSION,
    FaceRecord,
    ImageRecord,
    OutputRecord,
    image_record,
    read_record,
    record_path,
)
from reverse_personalization.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"
OUTPUT = OutputRecord(file="out.jpg", sha256="a" * 64, marked=True)
SEED = 20_261_123


def record(**changes: Any) -> ImageRecord:
    pixels = np.zeros((8, 8, 3), np.uint8)
    nan = Similarity("sface", "guide", before=0.5, after=float("nan"), threshold=0.363)
    face = FaceResult((1.25, -2, 3, 4), np.float32(0.987654), "anonymized", "Replaced.", 1, (nan,))  # type: ignore[arg-type]
    result = AnonymizedPhoto(pixels, pixels.any(2), (face,), read_photo(pixels, max_pixels=100))
    arguments = {
        "source": "photo.jpg",
        "output": OUTPUT,
        "settings": Settings(seed=SEED, guidance=-7.5, keep_metadata=("camera",)),
        "models": [ModelCard("yunet", "yunet.onnx", "b" * 64, "MIT")],
        "notes": ["A note."],
    }
    return image_record(result, **(arguments | changes))


def test_round_trip(tmp_path: Path) -> None:
    path = record_path(tmp_path / "out.jpg")
    path.write_bytes(record().to_json())
    assert path.name == "out.jpg.json"
    assert read_record(path) == record().model_copy(update={"created": read_record(path).created})  # type: ignore[union-attr]


def test_the_seed_is_told_but_not_shown() -> None:
    text = record().to_json().decode()
    assert str(SEED) not in text
    assert '"seed"' not in text
    assert record().repeatable
    assert not record(settings=Settings()).repeatable
    assert set(json.loads(text)["settings"]) == set(Settings.model_fields) - {"seed"}


def test_what_json_cannot_hold_becomes_null() -> None:
    face = json.loads(record().to_json())["faces"][0]
    assert face["similarities"][0] == {
        "recogniser": "sface",
        "role": "guide",
        "before": 0.5,
        "after": None,
        "threshold": 0.363,
    }
    assert (face["box"], face["score"], face["verdict"]) == ([1.2, -2.0, 3.0, 4.0], 0.9877, "anonymized")


@pytest.mark.parametrize("name", ["/home/ann/photo.jpg", "ann/photo.jpg", "photo.jpg/", ""])
def test_folders_cannot_get_into_a_record(name: str) -> None:
    with pytest.raises(ValidationError):
        record(source=name)
    with pytest.raises(ValidationError):
        record(models=[ModelCard("yunet", name, "b" * 64, "MIT")])
    with pytest.raises(ValidationError):
        OutputRecord(file=name, sha256="a" * 64, marked=True)


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{}",
        b"[1, 2]",
        b"\xff\xfe",
        json.dumps(json.loads(record().to_json()) | {"schema_version": SCHEMA_VERSION + 1}).encode(),
        json.dumps(json.loads(record().to_json()) | {"embedding": [0.1]}).encode(),
    ],
)
def test_files_that_are_no_record(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "out.jpg.json"
    if content is not None:
        path.write_bytes(content)
    assert read_record(path) is None


def test_verdicts_are_those_of_the_anonymizer() -> None:
    verdicts = get_args(get_type_hints(FaceResult)["verdict"])
    assert [member.value for member in FaceRecord.model_fields["verdict"].annotation] == list(verdicts)  # type: ignore[union-attr]


def fields(model: type[BaseModel]) -> list[str]:
    return [name for name, field in model.model_fields.items() if not field.exclude]


def models_of(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The record's models by the heading that they have in the documentation."""
    found = {"The record": model}
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found |= {
                    f"`{name}`" if heading == "The record" else heading: inner
                    for heading, inner in models_of(kind).items()
                }
    return found


@pytest.mark.parametrize(("heading", "model"), models_of(ImageRecord).items())
def test_every_field_is_documented(heading: str, model: type[BaseModel]) -> None:
    section = re.split(r"^## ", (DOCS / "record.md").read_text("utf-8"), flags=re.MULTILINE)
    body = next(text for text in section if text.startswith(f"{heading}\n"))
    assert re.findall(r"^\| `(\w+)` \| .+ \|$", body, re.MULTILINE) == fields(model)


def test_the_published_schema_has_every_field() -> None:
    published = json.loads((DOCS / "record.schema.json").read_text("utf-8"))
    current = ImageRecord.model_json_schema(mode="serialization")
    assert properties(published) == properties(current)
    assert "seed" not in properties(current)["SettingsRecord"]


def properties(schema: dict[str, Any]) -> dict[str, list[str]]:
    return {name: list(part["properties"]) for name, part in schema["$defs"].items() if "properties" in part} | {
        "": list(schema["properties"])
    }
