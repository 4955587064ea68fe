from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from reverse_personalization import weights
from reverse_personalization.errors import WeightsError
from reverse_personalization.weights import HubRepo, Part, WeightFolder, hub, places
from tiny_hub import ADAPTER, DIFFUSER, FILE, FOLDER, TinyHub, make_tiny_hub, write

DOCS = Path(__file__).parents[1] / "docs" / "weights.md"


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyHub:
    return make_tiny_hub(tmp_path, monkeypatch)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_folder_is_laid_out_as_its_repository_and_holds_nothing_else(tiny: TinyHub) -> None:
    lines: list[str] = []
    assert weights.status("diffuser") == "missing"
    folder = weights.path("diffuser", progress=lines.append)
    assert contents(folder) == FOLDER
    assert weights.status("diffuser") == "here"
    assert lines == ["Downloading diffuser from tiny/diffuser (3 files, 0 MB, once; licence: OpenRAIL++-M)"]
    assert len(tiny.fetched()) == len(FOLDER), "nothing of the download is left"
    weights.path("diffuser", progress=lines.append)
    assert len(lines) == 1
    assert len(tiny.asked) == len(FOLDER)


def test_the_pin_of_a_folder_is_of_every_file(tiny: TinyHub) -> None:
    row = weights.entry("diffuser")
    assert isinstance(row, WeightFolder)
    lines = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in FOLDER.items())
    assert row.sha256 == hashlib.sha256(lines.encode()).hexdigest()
    for index, part in enumerate(row.parts):
        changed = (*row.parts[:index], replace(part, sha256="0" * 64), *row.parts[index + 1 :])
        assert replace(row, parts=changed).sha256 != row.sha256


@pytest.mark.parametrize("name", list(FOLDER))
def test_another_file_than_pinned_is_never_kept(tiny: TinyHub, name: str) -> None:
    content = bytes([FOLDER[name][0] ^ 1]) + FOLDER[name][1:]
    write(tiny.remote, DIFFUSER, {name: content})
    with pytest.raises(WeightsError, match=rf"^diffuser: the hub offers another {name} of tiny/diffuser "):
        weights.path("diffuser")
    assert not any(content == path.read_bytes() for path in tiny.cache.rglob("*") if path.is_file())
    assert weights.status("diffuser") == "missing"


def test_a_damaged_file_of_a_folder_is_never_used_and_pull_fetches_only_it(tiny: TinyHub) -> None:
    folder = weights.path("diffuser")
    damaged = folder / "unet/config.json"
    damaged.write_bytes(b"[]")
    assert weights.status("diffuser") == "damaged"
    with pytest.raises(WeightsError, match=r"is damaged or unreadable; run `revpers models pull diffuser`"):
        weights.path("diffuser")
    tiny.asked.clear()
    weights.pull(["diffuser"])
    assert tiny.asked == ["unet/config.json"]
    assert contents(weights.path("diffuser")) == FOLDER


def test_a_missing_file_of_a_folder_is_fetched_alone(tiny: TinyHub) -> None:
    (weights.path("diffuser") / "unet/weights.safetensors").unlink()
    tiny.asked.clear()
    assert contents(weights.path("diffuser")) == FOLDER
    assert tiny.asked == ["unet/weights.safetensors"]


def test_an_interrupted_download_goes_on(tiny: TinyHub) -> None:
    def interrupt(name: str) -> None:
        if name == "unet/weights.safetensors":
            raise KeyboardInterrupt

    tiny.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        weights.pull(["diffuser"])
    tiny.before = lambda _: None
    tiny.asked.clear()
    assert contents(weights.path("diffuser")) == FOLDER
    assert tiny.asked == ["unet/weights.safetensors"]


def test_force_fetches_what_is_here(tiny: TinyHub) -> None:
    weights.pull(["adapter"])
    weights.pull(["adapter"], force=True)
    assert tiny.asked == ["models/adapter.bin"] * 2
    assert weights.path("adapter").read_bytes() == FILE


def test_what_the_hubs_own_cache_has_is_taken_without_a_network_or_a_copy(
    tiny: TinyHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REVPERS_OFFLINE", "1")
    write(tiny.own_cache, DIFFUSER, FOLDER)
    folder = weights.path("diffuser")
    assert contents(folder) == FOLDER
    assert tiny.asked == []
    own = tiny.own_cache / DIFFUSER.repo / DIFFUSER.revision
    assert folder.joinpath("unet/weights.safetensors").samefile(own / "unet/weights.safetensors")


def test_a_damaged_file_in_the_hubs_own_cache_is_left_there(tiny: TinyHub) -> None:
    write(tiny.own_cache, ADAPTER, {"models/adapter.bin": FILE[:-1] + b"!"})
    assert weights.path("adapter").read_bytes() == FILE
    assert tiny.asked == ["models/adapter.bin"]


def test_two_at_once_fetch_once(tiny: TinyHub) -> None:
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: weights.path("diffuser"), range(4)))
    assert [contents(folder) for folder in folders] == [FOLDER] * 4
    assert sorted(tiny.asked) == sorted(FOLDER)


def test_offline_says_what_to_run_and_where(tiny: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match=r"^Models from tiny/adapter are missing or damaged") as caught:
        weights.path("adapter")
    assert str(tiny.cache) in str(caught.value)
    assert tiny.asked == []


def test_without_the_client(tiny: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"^tiny/adapter is fetched with .*; run `pip install huggingface-hub`\.$"):
        weights.path("adapter")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("404 Not Found.\n\nmore"), r"^tiny/adapter could not be downloaded \(404 Not Found\);"),
        (TimeoutError(), r"^tiny/adapter could not be downloaded \(TimeoutError\); check the network"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), r"could not be downloaded \(.*refused\);"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            r"^Models cannot be kept in .*No space left on device",
        ),
    ],
)
def test_a_failed_download_is_one_sentence(tiny: TinyHub, error: Exception, message: str) -> None:
    def fail(_: str) -> None:
        raise error

    tiny.before = fail
    with pytest.raises(WeightsError, match=message) as caught:
        weights.path("adapter")
    assert "\n" not in str(caught.value)
    assert weights.status("adapter") == "missing"


def test_a_file_is_known_by_its_hash_wherever_it_lies(tiny: TinyHub, tmp_path: Path) -> None:
    given = tmp_path / "renamed"
    given.write_bytes(FILE)
    assert weights.identify(given) == weights.entry("adapter")
    given.write_bytes(FILE[:-1] + b"!")
    assert weights.identify(given) is None


def test_a_model_is_given_as_a_folder_a_name_or_a_repository(tiny: TinyHub, tmp_path: Path) -> None:
    assert weights.snapshot(tmp_path) == tmp_path
    assert contents(weights.snapshot("diffuser")) == FOLDER
    folder = weights.snapshot("tiny/diffuser")
    assert folder == tiny.own_cache / DIFFUSER.repo / DIFFUSER.revision
    assert contents(folder) == FOLDER, "the pickle is not taken"
    for wrong in ("nowhere", "adapter", "a/b/c", "../diffuser", "tiny/diffuser@", tmp_path / "nowhere"):
        with pytest.raises(WeightsError, match=r"there is no such folder; give a folder, diffuser, or a"):
            weights.snapshot(wrong)


def test_a_file_is_given_as_a_path_or_a_name(tiny: TinyHub, tmp_path: Path) -> None:
    given = tmp_path / "some.onnx"
    given.touch()
    assert weights.file(given) == given
    assert weights.file("adapter").read_bytes() == FILE
    for wrong in ("diffuser", "compact", tmp_path):
        with pytest.raises(WeightsError, match=r"there is no such file; give a file, or one of adapter\.$"):
            weights.file(wrong)


def test_what_nothing_pins_is_said(tiny: TinyHub, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    lines: list[str] = []
    with caplog.at_level(logging.WARNING):
        weights.snapshot("tiny/diffuser", progress=lines.append)
    said = f"tiny/diffuser: nothing pins this model; tiny/diffuser@{'a' * 40} names what was taken."
    assert caplog.messages == [said]
    assert lines == ["Fetching tiny/diffuser (3 files, 0 MB, once; licence: tiny-licence)"]
    caplog.clear()
    weights.snapshot(f"tiny/diffuser@{DIFFUSER.revision}")
    assert caplog.messages == []


def test_a_repository_offline(tiny: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVPERS_OFFLINE", "1")
    with pytest.raises(WeightsError, match=r"^tiny/diffuser is not here, and downloads are switched off"):
        weights.snapshot("tiny/diffuser")
    monkeypatch.delenv("REVPERS_OFFLINE")
    folder = weights.snapshot("tiny/diffuser")
    monkeypatch.setenv("REVPERS_OFFLINE", "1")
    assert weights.snapshot("tiny/diffuser") == folder


def test_a_repository_that_is_no_model_and_one_out_of_reach(tiny: TinyHub) -> None:
    with pytest.raises(WeightsError, match=r"^tiny/adapter: no diffusers model with safetensors files"):
        weights.snapshot("tiny/adapter")

    def fail(_: str) -> None:
        raise RuntimeError("no route")

    tiny.before = fail
    with pytest.raises(WeightsError, match=r"^tiny/diffuser could not be downloaded \(no route\)"):
        weights.snapshot("tiny/diffuser")


BOTH = (
    "model_index.json",
    "README.md",
    "sd_xl_base_1.0.safetensors",
    "scheduler/scheduler_config.json",
    "tokenizer/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.bin",
    "unet/diffusion_pytorch_model.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.non_ema.safetensors",
    "image_encoder/model.safetensors",
    "safety_checker/model.fp16.safetensors",
    "unet/onnx/model.safetensors",
)


def test_of_a_repository_the_half_precision_files_are_needed_or_else_the_plain_ones() -> None:
    assert hub.needed("a/b", BOTH) == (
        "model_index.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
        "scheduler/scheduler_config.json",
        "tokenizer/vocab.json",
    )


def test_of_a_repository_in_shards_all_shards_and_their_index_are_needed() -> None:
    shards = [
        *("unet/w-00001-of-00002.safetensors", "unet/w-00002-of-00002.safetensors"),
        "unet/w.safetensors.index.json",
    ]
    assert set(hub.needed("a/b", ("model_index.json", *shards))) == {"model_index.json", *shards}


@pytest.mark.parametrize("lacks", ["model_index.json", "unet/"])
def test_a_repository_without_what_makes_a_model(lacks: str) -> None:
    with pytest.raises(WeightsError, match=r"^a/b: no diffusers model with safetensors files; give one such"):
        hub.needed("a/b", (name for name in BOTH if not name.startswith(lacks)))


def test_the_tables_folders_hold_what_is_needed_and_nothing_else() -> None:
    for name in ("sdxl", "sd15"):
        paths = [part.path for part in weights.entry(name).parts]
        assert sorted(hub.needed(name, paths)) == sorted(paths)


def test_progress_is_told_of_large_files_in_tens_of_per_cent() -> None:
    pytest.importorskip("tqdm")
    lines: list[str] = []
    for total in (1_000, 2_000_000_000):
        bar = hub._reporter("model.safetensors", lines.append)(total=total, initial=0, unit="B", desc="x")
        for _ in range(200):
            bar.update(total / 200)
            bar.refresh()
        bar.close()
    assert lines == [f"model.safetensors: {share} % of 2000 MB" for share in range(10, 101, 10)]


def test_telemetry_of_the_client_is_off(tiny: TinyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_DISABLE_TELEMETRY", raising=False)
    weights.path("adapter")
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"


def test_the_client_takes_what_it_is_given() -> None:
    """The real client's functions have the parameters that the stand-in has."""
    huggingface_hub = pytest.importorskip("huggingface_hub")
    from inspect import signature

    for function, names in (
        (huggingface_hub.hf_hub_download, {"revision", "local_dir", "tqdm_class"}),
        (huggingface_hub.snapshot_download, {"revision", "allow_patterns", "local_files_only"}),
        (huggingface_hub.try_to_load_from_cache, {"revision"}),
        (huggingface_hub.HfApi().model_info, {"revision", "files_metadata"}),
    ):
        assert names <= set(signature(function).parameters)


class OneFile(BaseHTTPRequestHandler):
    """Answers as the hub does when it is asked for a file at a commit."""

    path_of_file = f"/{ADAPTER.repo}/resolve/{ADAPTER.revision}/models/adapter.bin"
    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.asked.append(self.command)
        if self.path != self.path_of_file:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("X-Repo-Commit", ADAPTER.revision)
        self.send_header("ETag", f'"{hashlib.sha256(FILE).hexdigest()}"')
        self.send_header("Content-Length", str(len(FILE)))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        if self.path == self.path_of_file:
            self.wfile.write(FILE)

    def log_message(self, *_: object) -> None:
        pass


def test_the_real_client_on_a_hub_of_this_machine(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    server = HTTPServer(("127.0.0.1", 0), OneFile)
    Thread(target=server.serve_forever, daemon=True).start()
    code = f"""
from pathlib import Path
from reverse_personalization.weights import HubRepo, Part, hub
source, part = HubRepo({ADAPTER.repo!r}, {ADAPTER.revision!r}), Part("models/adapter.bin", "", {len(FILE)})
print(hub.cached(source, part))
for _ in range(2):
    print(hub.download(source, part, Path("here"), print))
hub.download(source, Part("models/none.bin", "", 1), Path("here"), print)
"""
    # Another process, since the client reads where the hub is when it is imported.
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environment |= {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path / "own")}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment | {"HF_HUB_OFFLINE": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    server.shutdown()
    server.server_close()
    assert ran.stdout.splitlines() == ["None", *[str(tmp_path / "here/models/adapter.bin")] * 2]
    assert (tmp_path / "here/models/adapter.bin").read_bytes() == FILE
    assert OneFile.asked.count("GET") == 1
    assert re.search(r"WeightsError: tiny/adapter could not be downloaded \(.*404", ran.stderr)


def test_a_file_of_the_wrong_size_is_not_even_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_sha256", lambda *_: pytest.fail("hashed"))
    (tmp_path / "file").write_bytes(b"12")
    assert not places.is_whole(tmp_path / "file", Part("file", "0" * 64, 3))


def test_the_document_names_every_model_and_commit() -> None:
    text = DOCS.read_text("utf-8")
    for row in weights.entries():
        assert f"`{row.name}`" in text
        if isinstance(row.source, HubRepo):
            assert row.source.revision in text
            assert row.source.repo in text
