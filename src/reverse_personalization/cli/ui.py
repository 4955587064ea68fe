"""`revpers ui`: a page in the browser."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import webbrowser
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

from reverse_personalization.cli.fetching import fetch_weights
from reverse_personalization.errors import UsageError

HOST: Final = "127.0.0.1"

app = typer.Typer(add_completion=False)


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 7860,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it at once.")] = True,
) -> None:
    """Open a page on which photos are dropped; nothing leaves this machine."""
    if find_spec("gradio") is None:
        raise UsageError("The page needs gradio: pip install 'reverse-personalization[ui]'.")
    from reverse_personalization.listening import listen

    listener, address = listen(HOST, port), f"http://{HOST}:{port}"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the folder goes then, too
    with tempfile.TemporaryDirectory() as folder:
        # Gradio reads them when it is imported.
        os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "GRADIO_TEMP_DIR": folder}
        from reverse_personalization.webui.page import serve_page

        fetch_weights()
        typer.echo(f"Open {address}; stop with Ctrl-C.", err=True)
        if browser:
            webbrowser.open(address)
        serve_page(listener, Path(folder))
