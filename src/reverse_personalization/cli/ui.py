"""`revpers ui`: a page in the browser."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Annotated

import typer

from reverse_personalization.cli.fetching import fetch_weights
from reverse_personalization.errors import UsageError

app = typer.Typer(add_completion=False)


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 7860,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it at once.")] = True,
) -> None:
    """Open a page on which photos are dropped; nothing leaves this machine."""
    if find_spec("gradio") is None:
        raise UsageError("The page needs gradio: pip install 'reverse-personalization[ui]'.")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    from reverse_personalization.webui.page import serve_page

    fetch_weights()
    typer.echo(f"Open http://127.0.0.1:{port}; stop with Ctrl-C.", err=True)
    serve_page(port=port, browser=browser)
