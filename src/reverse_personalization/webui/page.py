"""The page: drop photos or a clip, decide face by face, compare, download. Nothing leaves the machine."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from reverse_personalization.listening import LOCAL_HOSTS, NO_TELEMETRY, SameOriginMiddleware
from reverse_personalization.media.formats import READABLE_SUFFIXES, VIDEO_SUFFIXES
from reverse_personalization.media.shredding import shred_below
from reverse_personalization.webui import work

# Fonts of the machine: others would be fetched.
FONTS: Final = ["system-ui", "sans-serif"]
KEEP_SECONDS: Final = 3600.0
LARGEST: Final = "1gb"
# One run at a time: the machine's cores are busy with it.
ENGINE: Final[dict[str, Any]] = {"concurrency_id": "engine", "concurrency_limit": 1}
INTRODUCTION = """# Replace every face by a stranger's
Every face becomes somebody who does not exist, and is checked by face recognisers; what cannot be replaced is obscured.
**Nothing leaves this machine.** Hair, clothes and places can identify people, too."""
STRENGTH = (
    "1 is as measured. Below: milder first tries, more of the person is left for those who know them. "
    "Above: plainly somebody else. The recognisers must find different people in any case."
)
WISHES = "Empty: about the age and gender that the face shows now. Hair and outline stay in any case."
SEED = "The same number gives the same strangers again. Leave it empty for anything you publish."


@dataclass(frozen=True)
class _Card:
    """A face: what it looks like, what is to become of it, what became of it."""

    group: gr.Group
    picture: gr.Image
    choice: gr.Radio
    outcome: gr.Markdown


def build_page(folder: Path) -> gr.Blocks:
    """The page; results are kept in `folder` until the page is stopped."""
    with gr.Blocks(title="Reverse Personalization", analytics_enabled=False) as page:
        page.theme = gr.themes.Base(font=FONTS, font_mono=["monospace"])
        gr.Markdown(INTRODUCTION)
        with gr.Tab("A photo"):
            _photo_tab(folder)
        with gr.Tab("Several photos"):
            _several_tab(folder)
        with gr.Tab("A video"):
            _video_tab(folder)
    return page


def _photo_tab(folder: Path) -> None:
    known = gr.State(None)
    with gr.Row():
        with gr.Column(min_width=300):
            # A file, since an image would be encoded anew: no depth, transparency or profile may be lost.
            photo = gr.File(label="Photo", file_types=list(READABLE_SUFFIXES), elem_id="photo", height=140)
            told = gr.Markdown(elem_id="told")
            cards = [_card(number) for number in range(1, work.MOST_FACES + 1)]
            with gr.Accordion("A face was missed? Paint over it", open=False, elem_id="missed") as missed:
                brushed = gr.ImageEditor(
                    type="numpy",
                    label="Everything that is painted over is hidden",
                    brush=gr.Brush(default_size=40, default_color="#ffd200", color_mode="fixed"),
                    sources=[],
                    transforms=(),
                    layers=False,
                    elem_id="editor",
                )
            fields = _fields()
            start = gr.Button("Replace faces", variant="primary", elem_id="start")
        with gr.Column(min_width=300):
            compared = gr.ImageSlider(label="Before and after", interactive=False, elem_id="compared")
            verdicts = gr.Markdown(elem_id="verdicts")
            download = gr.DownloadButton("Download photo and record", visible=False, elem_id="download")
    parts = [part for card in cards for part in (card.group, card.picture, card.choice, card.outcome)]
    photo.change(work.found, photo, [told, missed, brushed, known, *parts], **ENGINE)
    # Only who paints pays for the editor.
    missed.expand(work.to_paint, [photo, brushed], brushed, **ENGINE)
    start.click(
        work.replacing(folder),
        [photo, known, brushed, *fields, *(card.choice for card in cards)],
        [compared, verdicts, download, *(card.outcome for card in cards)],
        **ENGINE,
    )


def _several_tab(folder: Path) -> None:
    photos = gr.File(
        label="Photos", file_count="multiple", file_types=list(READABLE_SUFFIXES), elem_id="photos", height=180
    )
    fields = _fields()
    start = gr.Button("Replace all faces", variant="primary", elem_id="start-photos")
    told = gr.Markdown(elem_id="told-photos")
    download = gr.DownloadButton("Download photos and records", visible=False, elem_id="download-photos")
    start.click(work.many(folder), [photos, *fields], [told, download], show_progress_on=told, **ENGINE)


def _video_tab(folder: Path) -> None:
    clip = gr.File(label="Video", file_types=list(VIDEO_SUFFIXES), elem_id="clip", height=140)
    fields = _fields()
    start = gr.Button("Replace all faces", variant="primary", elem_id="start-clip")
    told = gr.Markdown(elem_id="told-clip")
    shown = gr.Video(label="Result", interactive=False, elem_id="shown-clip")
    download = gr.DownloadButton("Download video and record", visible=False, elem_id="download-clip")
    start.click(work.film(folder), [clip, *fields], [told, shown, download], show_progress_on=told, **ENGINE)


def _card(number: int) -> _Card:
    with gr.Group(visible=False) as group, gr.Row():
        picture = gr.Image(
            label=f"Face {number}", interactive=False, height=150, min_width=110, scale=1, buttons=[], type="numpy"
        )
        with gr.Column(min_width=150, scale=2):
            choice = gr.Radio(
                list(work.CHOICES), value=work.REPLACE, label=f"What becomes of face {number}", elem_id=f"face-{number}"
            )
            outcome = gr.Markdown(elem_id=f"outcome-{number}")
    return _Card(group, picture, choice, outcome)


def _fields() -> list[Any]:
    """Strength, wishes and seed."""
    strength = gr.Slider(0.5, 2, value=work.DEFAULTS.strength, step=0.05, label="How different", info=STRENGTH)
    attributes = gr.Dropdown(
        [
            *("", "younger", "older", "a child", "a young woman", "a young man", "an old woman", "an old man"),
            *("a man with a beard", "clean-shaven"),
        ],
        value="",
        allow_custom_value=True,
        label="Who they should be",
        info=WISHES,
    )
    with gr.Accordion("Repeatable results", open=False):
        seed = gr.Number(None, label="Seed", info=SEED, precision=0, minimum=0)
    return [strength, attributes, seed]


def create_app(folder: Path) -> FastAPI:
    """The page as an ASGI application that answers only to this machine's names, and to no other site's pages."""
    page = build_page(folder)
    guards = [Middleware(TrustedHostMiddleware, allowed_hosts=LOCAL_HOSTS), Middleware(SameOriginMiddleware)]
    # Around Gradio's own, which would allow the pages of whatever site it is addressed as.
    app = FastAPI(openapi_url=None, telemetry=NO_TELEMETRY, middleware=guards)
    return gr.mount_gradio_app(
        app,
        page,
        path="/",
        app_kwargs={"telemetry": NO_TELEMETRY},
        theme=page.theme,
        max_file_size=LARGEST,
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
    )


def serve_page(listener: socket.socket, folder: Path) -> None:
    """Serve the page until it is stopped; then everything is shredded.

    Args:
        listener: a socket that listens.
        folder: for results, and for uploads if the environment variable GRADIO_TEMP_DIR names it.
    """
    ended = threading.Event()
    server = uvicorn.Server(uvicorn.Config(create_app(folder), log_level="warning", proxy_headers=False))
    # Beside this thread, since it would not end before the photos that are worked on.
    serving = threading.Thread(target=server.run, args=([listener],), daemon=True, name="revpers-page")
    threading.Thread(target=_sweep, args=(folder, ended), daemon=True, name="revpers-sweeper").start()
    serving.start()
    try:
        serving.join()
    except KeyboardInterrupt:
        return
    finally:
        server.should_exit = True
        ended.set()
        shred_below(folder)


def _sweep(folder: Path, ended: threading.Event) -> None:
    """Shred what is older than an hour, until the page ends."""
    while not ended.wait(60):
        shred_below(folder, older_than=time.time() - KEEP_SECONDS)
