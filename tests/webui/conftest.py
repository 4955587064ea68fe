"""The page as a process of its own, and a browser that notes whom it asks for something."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

# Without the ui extra there is nothing to test here.
collect_ignore_glob = [] if find_spec("gradio") else ["test_*.py"]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser that hangs ends its process: playwright's loop is deaf to the signal that ends other tests."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(240, method="thread"))


@contextmanager
def _started(*command: str, path: str = "", scratch: Path) -> Iterator[str]:
    """A server of `revpers`, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "reverse_personalization", *command, "--port", str(port)],
        stderr=subprocess.DEVNULL,
        env=os.environ | {"no_proxy": "*", "TMPDIR": str(scratch)},
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(address + path, timeout=2).read()  # noqa: S310
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def started() -> Any:
    return _started


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    scratch = tmp_path_factory.mktemp("scratch")
    with _started("ui", "--no-browser", scratch=scratch) as address:
        yield address
    # Nothing stays when the page is stopped.
    assert not list(scratch.iterdir())


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any, address: str) -> Iterator[Any]:
    """Opens the page at a width; in the end, nobody else may have been asked for anything."""
    asked: list[str] = []
    pages = []

    def at(width: int) -> Any:
        page = chromium.new_page(viewport={"width": width, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        pages.append(page)
        return page

    yield at
    for page in pages:
        page.close()
    assert asked
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
