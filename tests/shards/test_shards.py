"""Data sets in, data sets out, read back by the libraries that people use."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reverse_personalization.anonymizer import Anonymizer
from reverse_personalization.cli import main
from reverse_personalization.errors import InputError
from reverse_personalization.record import ImageRecord, file_sha256
from reverse_personalization.settings import Settings
from reverse_personalization.shards.anonymizing import anonymize_shard
from reverse_personalization.shards.record import read_shard_record

Encode = Callable[..., bytes]


@pytest.fixture(scope="module")
def encode(astronaut: Any) -> Encode:
    """A face, turned by some degrees, as a file."""
    portrait = Image.fromarray(astronaut.image_rgb[:256, 96:352])

    def of(degrees: float, kind: str = "JPEG") -> bytes:
        file = io.BytesIO()
        portrait.rotate(degrees).save(file, kind)
        return file.getvalue()

    return of


@pytest.fixture(scope="module")
def no_face() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (80, 80), "navy").save(file, "PNG")
    return file.getvalue()


def tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as file:
        return {member.name: file.extractfile(member).read() for member in file}  # type: ignore[union-attr]


def test_a_tar_file(tmp_path: Path, encode: Encode, no_face: bytes, capsys: Any) -> None:
    source = tar(
        tmp_path / "in.tar",
        {
            "a/0.jpg": encode(0),
            "a/0.json": b'{"caption": "a person"}',
            "a/0.depth.npy": b"a face in metres",
            "1.png": no_face,
            "1.cls": b"4",
            "2.left.png": encode(5, "PNG"),
            "2.right.png": encode(-5, "PNG"),
            "3.jpg": b"damaged",
            "3.txt": b"somebody",
            "../../evil.png": encode(3, "PNG"),
        },
    )
    output = tmp_path / "out.tar"
    assert main(["anonymize", str(source), "-o", str(output), "--seed", "1"]) == 4
    told = capsys.readouterr().err
    assert "1.png: no face was found" in told
    assert "3.jpg: is no picture" in told
    found = members(output)
    assert list(found) == [
        "a/0.jpg",
        "a/0.json",
        "a/0.revpers.json",
        "2.left.png",
        "2.right.png",
        "2.left.png.revpers.json",
        "2.right.png.revpers.json",
        "../../evil.png",
        "../../evil.revpers.json",
    ]
    assert found["a/0.json"] == b'{"caption": "a person"}'
    record = ImageRecord.model_validate_json(found["a/0.revpers.json"])
    assert [face.verdict for face in record.faces] == ["anonymized"]
    for name, before in members(source).items():
        if name in found and name.endswith(("jpg", "png")):
            one, other = (np.asarray(Image.open(io.BytesIO(each))).astype(int) for each in (before, found[name]))
            assert np.abs(one - other).max() > 40
    whole = read_shard_record(tmp_path / "out.tar.json")
    assert whole is not None
    assert (whole.samples, dict(whole.faces)) == (3, {"anonymized": 4})
    assert [each.key for each in whole.left_out] == ["a/0", "1", "3"]
    assert whole.output.sha256 == file_sha256(output)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.tar", "out.tar", "out.tar.json"]
    assert main(["anonymize", str(source), "-o", str(output), "--seed", "1", "--resume"]) == 0
    assert "1 skipped" in capsys.readouterr().err


def test_webdataset_reads_it(tmp_path: Path, encode: Encode) -> None:
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    source = tmp_path / "in.tar"
    with webdataset.TarWriter(str(source)) as writer:
        for number in range(2):
            writer.write({"__key__": f"{number:04}", "jpg": encode(4 * number), "json": {"age": 40 + number}})
    record = anonymize_shard(source, tmp_path / "out.tar", Settings(seed=1), Anonymizer(seed=1))
    assert not record.left_out
    samples = list(webdataset.WebDataset(str(tmp_path / "out.tar"), shardshuffle=False).decode("rgb8"))
    assert [sample["json"]["age"] for sample in samples] == [40, 41]
    assert all(sample["jpg"].shape == (256, 256, 3) for sample in samples)
    assert all(sample["revpers.json"]["faces"][0]["verdict"] == "anonymized" for sample in samples)


def test_datasets_reads_it(tmp_path: Path, encode: Encode, no_face: bytes) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    pictures = [{"bytes": each, "path": "home/me/x.jpg"} for each in (encode(0), no_face, encode(4))]
    given = datasets.Dataset.from_dict({"image": pictures, "label": [5, 6, 7]}, features=features)
    given.to_parquet(str(tmp_path / "in.parquet"))
    assert main(["anonymize", str(tmp_path / "in.parquet"), "-o", str(tmp_path / "out.parquet"), "--seed", "1"]) == 4
    cache = str(tmp_path / "cache")
    found = datasets.load_dataset("parquet", data_files=str(tmp_path / "out.parquet"), split="train", cache_dir=cache)
    assert found.features["image"] == datasets.Image()
    assert found["label"][:] == [5, 7]
    assert all(picture.size == (256, 256) for picture in found["image"])
    assert all(json.loads(told)[0]["faces"][0]["verdict"] == "anonymized" for told in found["revpers"])
    paths = found.cast_column("image", datasets.Image(decode=False))["image"][:]
    assert [each["path"] for each in paths] == ["x.jpg", "x.jpg"]


def test_parquet_that_might_hide_pictures(tmp_path: Path, encode: Encode) -> None:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    anonymizer, settings = Anonymizer(seed=1), Settings(seed=1)
    picture = {"bytes": encode(0), "path": "a.jpg"}
    for row, words in (
        ({"image": picture, "thumbnail": encode(0)}, "thumbnail holds bytes"),
        ({"image": picture, "more": [picture]}, "more holds bytes"),
        ({"label": 3}, "no column"),
    ):
        parquet.write_table(arrow.Table.from_pylist([row]), tmp_path / "in.parquet")
        with pytest.raises(InputError, match=words):
            anonymize_shard(tmp_path / "in.parquet", tmp_path / "out.parquet", settings, anonymizer)
    rows = [{"image": {"bytes": None, "path": "/elsewhere.jpg"}}, {"image": picture}, {"image": None}]
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "in.parquet")
    record = anonymize_shard(tmp_path / "in.parquet", tmp_path / "out.parquet", settings, anonymizer)
    assert [each.key for each in record.left_out] == ["0"]
    assert parquet.read_table(tmp_path / "out.parquet").column("image").to_pylist()[1] is None


@pytest.mark.parametrize("name", ["in.tar", "in.parquet"])
def test_a_damaged_shard_writes_nothing(tmp_path: Path, encode: Encode, name: str, capsys: Any) -> None:
    source = tmp_path / name
    if name == "in.parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        source.write_bytes(b"PAR1 and no more")
    else:
        tar(source, {"0.jpg": encode(0), "1.jpg": encode(3)})
        source.write_bytes(source.read_bytes()[:-14_000])
    output = tmp_path / f"out{source.suffix}"
    output.write_bytes(b"what was there")
    assert main(["anonymize", str(source), "-o", str(output), "--force"]) == 4
    assert "make it anew" in capsys.readouterr().err
    assert output.read_bytes() == b"what was there"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, output.name])


def test_a_shard_stays_what_it_is(tmp_path: Path, encode: Encode, capsys: Any) -> None:
    source = tar(tmp_path / "in.tar", {"0.jpg": encode(0)})
    assert main(["anonymize", str(source), "-o", str(tmp_path / "out.parquet")]) == 5
    assert "end the name in .tar" in capsys.readouterr().err
