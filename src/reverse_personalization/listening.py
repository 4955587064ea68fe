"""Where requests are listened for, and from whom they are taken."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Final

from reverse_personalization.errors import UsageError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
# As they stand in requests.
LOCAL_HOSTS: Final = (*LOOPBACK, "[::1]")
# Newer FastAPI would send traces where the environment says, with the names of jobs in them.
NO_TELEMETRY: Final = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False}


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that whoever connects waits until requests are answered.

    Raises:
        UsageError: the port is taken, or the address is none of this machine's.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"Port {port} is taken; give another --port.") from None
        raise UsageError(f"Cannot listen on {host}, port {port}: {error.strerror}; give others.") from None


class SameOriginMiddleware:
    """Refuses with 403 what the pages of other sites ask for, before a body is read.

    Browsers say in Origin and Sec-Fetch-Site whose page asks; whatever is no browser says neither, and is answered.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Guard an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse a request or a websocket."""
        if scope["type"] == "lifespan" or _is_own(scope):
            await self._app(scope, receive, send)
        else:
            from starlette.responses import PlainTextResponse

            await PlainTextResponse("Pages of other sites are refused", 403)(scope, receive, send)


def _is_own(scope: Scope) -> bool:
    """Whether a request comes from the site itself, from no site, or from a link to it that was followed."""
    from starlette.datastructures import Headers  # an extra's, without which `listen` is used as well

    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        return False
    followed = scope.get("method") == "GET" and headers.get("sec-fetch-dest") == "document"
    return followed or headers.get("sec-fetch-site", "none") in ("none", "same-origin")
