"""The page in a real browser: a photo through clicks, and no word to anybody else."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reverse_personalization.webui.page import painted_boxes

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    scratch = tmp_path_factory.mktemp("scratch")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "reverse_personalization", "ui", "--port", str(port), "--no-browser"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, env=os.environ | {"no_proxy": "*", "TMPDIR": str(scratch)}
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(address, timeout=2).read()
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(20)
    assert not [path for path in scratch.rglob("*") if path.suffix in (".png", ".zip", ".jpg", ".webp")]


def test_painted_places_are_boxes() -> None:
    layer = np.zeros((50, 60, 4), np.uint8)
    layer[10:20, 5:25, 3] = 255
    layer[40:44, 50:58, 3] = 90
    assert painted_boxes({"layers": [layer]}) == [(5, 10, 20, 10), (50, 40, 8, 4)]
    assert painted_boxes(None) == painted_boxes({"layers": []}) == []


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1200, 390])
def test_a_photo_through_clicks(address: str, astronaut: Any, tmp_path: Path, width: int) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    Image.fromarray(astronaut.image_rgb).save(tmp_path / "photo.png")
    asked: list[str] = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.locator("#photo input[type=file]").set_input_files(tmp_path / "photo.png")
        page.get_by_text("1 faces found").wait_for(timeout=60_000)
        assert page.locator("#face-1").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width + 1
        page.locator("#start").click()
        page.get_by_text("no recogniser matches it").wait_for(timeout=90_000)
        page.screenshot(path=tmp_path / "page.png", full_page=True)
        with page.expect_download() as waiting:
            page.locator("#download").click()
        waiting.value.save_as(tmp_path / "got.zip")
        browser.close()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    with zipfile.ZipFile(tmp_path / "got.zip") as archive:
        image = Image.open(io.BytesIO(archive.read("anonymous.png")))
        record = json.loads(archive.read("anonymous.png.json"))
    assert image.size == astronaut.image_rgb.shape[1::-1]
    assert [face["verdict"] for face in record["faces"]] == ["anonymized"]
    assert record["output"]["file"] == "anonymous.png"
