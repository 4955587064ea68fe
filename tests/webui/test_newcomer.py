"""A newcomer's path: one photo through the command, through clicks and through curl ends in the same file."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

SEED = "11"
CURL = shutil.which("curl")


@pytest.mark.skipif(CURL is None, reason="curl is not installed")
@pytest.mark.skipif(find_spec("fastapi") is None, reason="needs the server extra")
def test_one_photo_three_ways(opened: Any, started: Any, astronaut: Any, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(astronaut.image_rgb).save(photo)
    hashes = {
        "command": _by_command(photo, tmp_path / "command.png"),
        "clicks": _by_clicks(opened(1200), photo, tmp_path / "clicks.zip"),
    }
    serve = ("serve", "--seed", SEED, "--folder", str(tmp_path / "jobs"))
    with started(*serve, path="/healthz", scratch=tmp_path) as server:
        hashes["curl"] = _by_curl(server, photo, tmp_path / "curl.png")
    assert len(set(hashes.values())) == 1, hashes
    assert hashes["command"] != hashlib.sha256(photo.read_bytes()).hexdigest()


def _by_command(photo: Path, output: Path) -> str:
    command = [sys.executable, "-m", "reverse_personalization", "anonymize"]
    subprocess.run([*command, str(photo), "-o", str(output), "--seed", SEED], check=True, capture_output=True)
    return hashlib.sha256(output.read_bytes()).hexdigest()


def _by_clicks(page: Any, photo: Path, packed: Path) -> str:
    page.locator("#photo input[type=file]").set_input_files(photo)
    page.get_by_text("1 face found").wait_for(timeout=60_000)
    page.get_by_text("Repeatable results").locator("visible=true").click()
    page.get_by_label("Seed").locator("visible=true").fill(SEED)
    page.get_by_label("Seed").locator("visible=true").press("Tab")
    page.locator("#start").click()
    page.locator("#outcome-1").get_by_text("Replaced and checked").wait_for(timeout=90_000)
    with page.expect_download() as waiting:
        page.locator("#download").click()
    waiting.value.save_as(packed)
    with zipfile.ZipFile(packed) as archive:
        return hashlib.sha256(archive.read("anonymous.png")).hexdigest()


def _by_curl(server: str, photo: Path, output: Path) -> str:
    command = [str(CURL), "-sSf", "--noproxy", "*", "-H", "Content-Type: image/png", "--data-binary", f"@{photo}"]
    subprocess.run([*command, f"{server}/v1/anonymize", "-o", str(output)], check=True, timeout=120)
    return hashlib.sha256(output.read_bytes()).hexdigest()
