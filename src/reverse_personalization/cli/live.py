"""`revpers live`: a camera's picture with every face replaced, on a page of this machine."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from reverse_personalization.cli.fetching import fetch_weights
from reverse_personalization.settings import Settings

app = typer.Typer(add_completion=False)


@app.command()
def live(
    source: Annotated[str, typer.Argument(help="Number of the camera, or a video file.")] = "0",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes a free one.")] = 7861,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page at once.")] = True,
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed makes the same strangers.")] = None,
) -> None:
    """Show a camera's picture with every face replaced or obscured, and how many pictures a second that makes."""
    from reverse_personalization.video.live import LiveAnonymizer
    from reverse_personalization.video.streaming import Stream, camera

    stream = Stream(port)  # a port that is taken is told before models load
    try:
        pictures = camera(source)
        first = next(pictures, None)
        if first is None:
            return
        fetch_weights()
        anonymizer = LiveAnonymizer(Settings(seed=seed) if seed is not None else Settings())
        anonymizer.anonymize(first)
        typer.echo(f"Open {stream.address}; stop with Ctrl-C.", err=True)
        if browser:
            webbrowser.open(stream.address)
        shown = stream.run(pictures, anonymizer.anonymize)
    finally:
        stream.close()
    typer.echo(f"{shown} pictures, {stream.rate:.1f} a second at the end.", err=True)
