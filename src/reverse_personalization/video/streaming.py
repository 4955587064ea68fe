"""Live pictures as a page of this machine: anonymized frames go out as they come, and nothing is kept."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, cast

import cv2
from PIL import Image

from reverse_personalization.errors import InputError
from reverse_personalization.faces.face import ByteArray
from reverse_personalization.listening import listen

HOST: Final = "127.0.0.1"
BOUNDARY: Final = "picture"
JPEG_QUALITY: Final = 85
# Pictures over which the rate is told.
RECENT: Final = 20
PAGE: Final = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>revpers live</title>
<style>body{margin:0;background:#111;color:#eee;font:15px system-ui;text-align:center}img{max-width:100%}</style>
<img src="/pictures" alt="live picture">
<p>Every face is replaced or obscured. Nothing leaves this machine.</p></html>"""


def camera(source: str) -> Iterator[ByteArray]:
    """Pictures, uint8 H x W x 3, of a camera by its number, or of a video file.

    Raises:
        InputError: it cannot be opened.
    """
    capture = cv2.VideoCapture(int(source) if source.isdigit() else source)
    if not capture.isOpened():
        raise InputError(f"{source}: no camera or video can be opened there; try 0 or 1, or a file.")
    # What waits in a buffer is late.
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    try:
        while True:
            there, picture = capture.read()
            if not there:
                return
            yield cast(ByteArray, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    finally:
        capture.release()


class Stream:
    """A server on loopback that shows the newest picture to whoever looks."""

    def __init__(self, port: int) -> None:
        """Listen on a port; 0 takes a free one.

        Raises:
            UsageError: the port is taken, or not ours to take.
        """
        self._news, self._jpeg, self._number, self._over = threading.Condition(), b"", 0, False
        self._times: deque[float] = deque(maxlen=RECENT)
        self._server = _server(listen(HOST, port), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    @property
    def rate(self) -> float:
        """Pictures per second of late."""
        return (len(self._times) - 1) / (self._times[-1] - self._times[0]) if len(self._times) > 1 else 0.0

    def run(self, pictures: Iterator[ByteArray], anonymize: Callable[[ByteArray], ByteArray]) -> int:
        """Show pictures until they end; how many there were."""
        for image_rgb in pictures:
            self._show(anonymize(image_rgb))
        return self._number

    def close(self) -> None:
        """Let go of everybody who looks, and of the port."""
        with self._news:
            self._over = True
            self._news.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def jpegs(self) -> Iterator[bytes]:
        """The newest picture, again and again, as soon as there is another."""
        seen = 0
        while True:
            with self._news:
                self._news.wait_for(lambda seen=seen: self._over or self._number > seen)  # type: ignore[misc]
                if self._over:
                    return
                seen, jpeg = self._number, self._jpeg
            yield jpeg

    def _show(self, image_rgb: ByteArray) -> None:
        self._times.append(time.monotonic())
        told, place = f"{self.rate:.1f} pictures/s", (10, image_rgb.shape[0] - 12)
        shown = cv2.putText(image_rgb.copy(), told, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2)
        buffer = io.BytesIO()
        Image.fromarray(shown).save(buffer, "JPEG", quality=JPEG_QUALITY)
        with self._news:
            self._jpeg, self._number = buffer.getvalue(), self._number + 1
            self._news.notify_all()


def _server(listener: socket.socket, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """A server on a socket that listens already."""
    server = ThreadingHTTPServer(listener.getsockname(), handler, bind_and_activate=False)
    server.socket.close()
    server.socket, server.daemon_threads = listener, True
    return server


def _handler(stream: Stream) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Host") != stream.address.removeprefix("http://"):
                self.send_error(HTTPStatus.FORBIDDEN)  # another site's name that was made to lead here
            elif self.path == "/":
                self._begin("text/html; charset=utf-8")
                self.wfile.write(PAGE)
            elif self.path == "/pictures":
                self._begin(f"multipart/x-mixed-replace; boundary={BOUNDARY}")
                self._send_pictures()
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Who looks is nobody's business."""

        def _begin(self, content: str) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", content)
            self.send_header("Cache-Control", "no-store")
            self.send_header("Cross-Origin-Resource-Policy", "same-origin")
            self.end_headers()

        def _send_pictures(self) -> None:
            try:
                for jpeg in stream.jpegs():
                    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
            except OSError:
                return  # who looked has gone

    return Handler
