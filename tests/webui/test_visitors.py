"""Who is answered by the page: this machine's names, and no other site's pages."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from reverse_personalization.cli import main
from reverse_personalization.listening import SameOriginMiddleware

EVIL = "http://evil.example"
UPLOAD = "/gradio_api/upload"
TYPE = {"Content-Type": "multipart/form-data; boundary=B"}
BODY = b'--B\r\nContent-Disposition: form-data; name="files"; filename="face.jpg"\r\n\r\nface\r\n--B--\r\n'


def ask(address: str, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    """The status and the headers of an answer; `Host` among the headers replaces the right one."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
    connection.request(method, path, BODY if method == "POST" else None, headers)
    answer = connection.getresponse()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:80", "[::1]:7860"])
def test_names_of_this_machine_are_answered(address: str, host: str) -> None:
    assert ask(address, "GET", "/config", {"Host": host})[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "192.168.0.7", ""])
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", UPLOAD), ("OPTIONS", UPLOAD)])
def test_other_names_are_not(address: str, host: str, method: str, path: str) -> None:
    asked = {"Host": host, "Origin": f"http://{host}", "Access-Control-Request-Method": "POST"}
    status, headers = ask(address, method, path, TYPE | asked)
    assert status == 400
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    ],
)
def test_what_other_sites_send_is_refused(address: str, headers: dict[str, str]) -> None:
    status, answered = ask(address, "POST", UPLOAD, TYPE | headers)
    assert status == 403
    assert "access-control-allow-origin" not in answered


def test_what_other_sites_would_read_is_refused(address: str) -> None:
    for headers in ({"Origin": EVIL}, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}):
        for path in ("/", "/config", "/gradio_api/queue/data?session_hash=x"):
            assert ask(address, "GET", path, headers)[0] == 403


def test_the_page_itself_programs_and_links_are_answered(address: str) -> None:
    own = {"Origin": address, "Sec-Fetch-Site": "same-origin"}
    assert ask(address, "POST", UPLOAD, TYPE | own)[0] == 200
    assert ask(address, "POST", UPLOAD, TYPE)[0] == 200
    assert ask(address, "GET", "/", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"})[0] == 200


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_refused_before_anything_is_read(kind: str) -> None:
    sent: list[Any] = []

    async def never(*_: Any) -> Any:
        raise AssertionError("not to be asked")

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1:7860"), (b"origin", EVIL.encode())]
    scope = {"type": kind, "method": "POST", "headers": headers, "extensions": {"websocket.http.response": {}}}
    with ThreadPoolExecutor() as beside:  # playwright's loop runs in this thread
        beside.submit(asyncio.run, SameOriginMiddleware(never)(scope, never, send)).result()
    assert sent[0]["status"] == 403


class _Evil(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>evil</title>")

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def evil() -> Iterator[str]:
    """Another site, on another port of this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Evil) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_page_of_another_site_in_a_browser(chromium: Any, address: str, evil: str) -> None:
    """What it sends without asking first, as a form would, is refused, and answers stay unread."""
    page = chromium.new_page()
    answers: list[tuple[str, int]] = []
    page.on("response", lambda answer: answers.append((answer.request.method, answer.status)))
    page.goto(evil)
    answers.clear()
    page.evaluate(
        "async url => { const form = new FormData(); form.append('files', new Blob(['face']), 'face.jpg');"
        " await fetch(url, {method: 'POST', mode: 'no-cors', body: form}) }",
        address + UPLOAD,
    )
    assert page.evaluate("url => fetch(url).then(() => 'read', () => 'refused')", f"{address}/config") == "refused"
    page.close()
    assert ("POST", 403) in answers
    assert 200 not in {status for _, status in answers}


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["ui", "--no-browser", "--port", str(port)]) == 2
    assert capsys.readouterr().err == f"error: Port {port} is taken; give another --port.\n"
