"""`revpers serve`: the HTTP server."""

from __future__ import annotations

import contextlib
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

from reverse_personalization.cli.fetching import fetch_weights
from reverse_personalization.cli.signing import CERTIFICATE_HELP, KEY_HELP, credentials_of
from reverse_personalization.errors import UsageError
from reverse_personalization.settings import Settings

KEYS_VARIABLE: Final = "REVPERS_API_KEYS"

app = typer.Typer(add_completion=False)


@app.command()
def serve(  # noqa: PLR0913, PLR0917 - what a server can be told, by name
    host: Annotated[str, typer.Option(help="Address to listen on; others than loopback need keys.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    folder: Annotated[
        Path | None, typer.Option(help="For jobs and results; in the user's data folder by default.")
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="Host name by which clients may call it; may be repeated.")
    ] = None,
    keep_minutes: Annotated[float, typer.Option(min=0.1, help="Results are shredded after so long.")] = 60,
    max_upload: Annotated[float, typer.Option(min=0.001, help="Largest photo, in megabytes.")] = 25,
    max_video: Annotated[float, typer.Option(min=0.001, help="Largest video, in megabytes.")] = 100,
    max_seconds: Annotated[float, typer.Option(min=0.1, help="Longest video.")] = 60,
    max_waiting: Annotated[int, typer.Option(min=1, help="Jobs that may wait; more are told to come back.")] = 32,
    per_minute: Annotated[int, typer.Option(min=1, help="Jobs a minute of one client.")] = 60,
    seed: Annotated[int | None, typer.Option(min=0, help="Makes results repeatable; not for publishing.")] = None,
    attributes: Annotated[str | None, typer.Option(help="What the strangers should be.")] = None,
    c2pa_cert: Annotated[Path | None, typer.Option(help=CERTIFICATE_HELP)] = None,
    c2pa_key: Annotated[Path | None, typer.Option(help=KEY_HELP)] = None,
) -> None:
    """Serve anonymization of photos and short videos over HTTP, to this machine only.

    API keys, one in each request's X-API-Key, are the comma-separated words in the environment variable
    REVPERS_API_KEYS.
    """
    if missing := [part for part in ("fastapi", "uvicorn", "prometheus_client") if find_spec(part) is None]:
        raise UsageError(f"The server needs {missing[0]}: pip install 'reverse-personalization[server]'.")
    from reverse_personalization.listening import LOCAL_HOSTS, LOOPBACK, listen
    from reverse_personalization.server.app import Config, Limits, create_app

    keys = tuple(key.strip() for key in os.environ.get(KEYS_VARIABLE, "").split(",") if key.strip())
    local = host in LOOPBACK
    if not local and not keys:
        raise UsageError(f"--host {host}: others could reach it; set {KEYS_VARIABLE} to keys that they must show.")
    if not local:
        typer.echo(f"warning: other machines can reach {host}:{port}; use a proxy with TLS in front of it.", err=True)
    import platformdirs
    import uvicorn

    from reverse_personalization.anonymizer import Anonymizer

    credentials = credentials_of(c2pa_cert, c2pa_key)
    settings = Settings(seed=seed, attributes=attributes)
    listener = listen(host, port)
    fetch_weights()
    limits = Limits(
        round(max_upload * 1e6),
        max_waiting,
        per_minute,
        keep_seconds=60 * keep_minutes,
        video_bytes=round(max_video * 1e6),
        video_seconds=max_seconds,
    )
    config = Config(
        folder=folder or Path(platformdirs.user_data_dir("reverse-personalization")) / "server",
        load=lambda chosen: Anonymizer(settings=chosen),
        settings=settings,
        keys=keys,
        limits=limits,
        credentials=credentials,
        hosts=(*LOCAL_HOSTS, *(() if local else (host,)), *(name or ())),
    )
    server = uvicorn.Server(
        uvicorn.Config(create_app(config), log_level="warning", access_log=False, proxy_headers=False)
    )
    typer.echo(f"Listening on http://{host}:{port}; nothing leaves this machine.", err=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.run([listener])
