"""The page: drop a photo, decide face by face, compare, download. Nothing leaves the machine."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import cv2
import gradio as gr
import numpy as np

from reverse_personalization.anonymizer import Anonymizer, Choice
from reverse_personalization.canvas import AnonymizedPhoto
from reverse_personalization.errors import ReversePersonalizationError
from reverse_personalization.faces.face import ByteArray, Face
from reverse_personalization.media.images import read_photo
from reverse_personalization.record import save_photo
from reverse_personalization.settings import Settings

REPLACE, OBSCURE, KEEP = "replace by a stranger", "only obscure", "leave as it is"
CHOICES: Final[dict[str, Choice]] = {REPLACE: "replace", OBSCURE: "obscure", KEEP: "keep"}
DEFAULTS: Final = Settings()
MOST_FACES = 12
# Fonts of the machine: others would be fetched.
FONTS: Final = ["system-ui", "sans-serif"]
INTRODUCTION = """# Replace every face by a stranger's
Drop a photo. Every face becomes somebody who does not exist, and is checked by face recognisers; what cannot be
replaced is obscured. **Nothing leaves this machine.** Hair, clothes and places can identify people, too."""


def build_page(folder: Path) -> gr.Blocks:
    """The page; photos are kept in `folder` until they are downloaded."""
    theme = gr.themes.Base(font=FONTS, font_mono=["monospace"])
    with gr.Blocks(title="Reverse Personalization", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        page.theme = theme
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column(min_width=300):
                photo = gr.Image(type="filepath", sources=["upload"], label="Photo", elem_id="photo")
                told = gr.Markdown(elem_id="told")
                choices = [_choice(number) for number in range(MOST_FACES)]
                with gr.Accordion("A face was missed? Paint over it", open=False):
                    brushed = gr.ImageEditor(
                        type="numpy", label="Everything that is painted over is hidden", brush=gr.Brush(), sources=[]
                    )
                strength = gr.Slider(
                    2,
                    12,
                    value=-DEFAULTS.guidance,
                    step=0.5,
                    label="How different",
                    info="2: a relative could wonder. 12: plainly somebody else.",
                )
                attributes = gr.Textbox(
                    label="Who they should be", placeholder="as now; or: an old man, younger, a 40-year-old woman"
                )
                start = gr.Button("Replace faces", variant="primary", elem_id="start")
            with gr.Column(min_width=300):
                compared = gr.ImageSlider(label="Before and after", interactive=False)
                verdicts = gr.Markdown(elem_id="verdicts")
                download = gr.DownloadButton("Download photo and record", visible=False, elem_id="download")
        photo.change(_found, photo, [told, brushed, *choices])
        start.click(_replaced(folder), [photo, brushed, strength, attributes, *choices], [compared, verdicts, download])
    return page


def serve_page(*, port: int, browser: bool = True) -> None:
    """Serve the page to this machine until it is stopped; then everything is removed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the folder goes then, too
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        page = build_page(Path(folder))
        page.launch(
            server_name="127.0.0.1", server_port=port, share=False, inbrowser=browser, quiet=True, theme=page.theme
        )


def _choice(number: int) -> gr.Radio:
    return gr.Radio(
        list(CHOICES), value=REPLACE, label=f"Face {number + 1}", visible=False, elem_id=f"face-{number + 1}"
    )


@lru_cache(maxsize=2)
def _anonymizer(guidance: float, attributes: str) -> Anonymizer:
    return Anonymizer(settings=Settings(guidance=guidance, attributes=attributes or None))


def _found(path: str | None) -> list[Any]:
    """What was found, and a choice for every face."""
    hidden = [gr.update(visible=False) for _ in range(MOST_FACES)]
    if path is None:
        return ["", None, *hidden]
    try:
        photo = read_photo(Path(path), max_pixels=DEFAULTS.max_pixels)
    except ReversePersonalizationError as error:
        return [f"**{str(error).replace(path, 'This photo')}**", None, *hidden]
    faces = _anonymizer(DEFAULTS.guidance, "").find(photo)
    shown = [gr.update(visible=True, value=REPLACE) for _ in faces[:MOST_FACES]]
    more = f" The {len(faces) - MOST_FACES} smallest are replaced." if len(faces) > MOST_FACES else ""
    what = (
        f"{len(faces)} faces found, numbered in the picture below.{more}"
        if faces
        else "**No face found.** Paint over it below."
    )
    numbered = _numbered(photo.image_rgb, faces)
    return [what, {"background": numbered, "layers": [], "composite": numbered}, *shown, *hidden[len(shown) :]]


def _replaced(folder: Path) -> Callable[..., list[Any]]:
    """What the button does."""

    def replaced(
        path: str | None, brushed: dict[str, Any] | None, strength: float, attributes: str, *choices: str
    ) -> list[Any]:
        if path is None:
            return [None, "Drop a photo first.", gr.update(visible=False)]
        try:
            anonymizer = _anonymizer(-float(strength), attributes.strip())
            photo = read_photo(Path(path), max_pixels=anonymizer.settings.max_pixels)
            wanted = {i: CHOICES[choice] for i, choice in enumerate(choices)}
            result = anonymizer.anonymize(photo, choices=wanted, boxes=painted_boxes(brushed))
            if not result.faces:
                return [
                    None,
                    "**No face found**, so there is no result. Paint over faces that were missed.",
                    gr.update(visible=False),
                ]
            packed = _packed(folder, result, anonymizer)
        except ReversePersonalizationError as error:
            return [None, f"**{str(error).replace(path, 'This photo')}**", gr.update(visible=False)]
        return [(photo.image_rgb, result.image), _verdicts(result), gr.update(visible=True, value=str(packed))]

    return replaced


def painted_boxes(brushed: dict[str, Any] | None) -> list[tuple[float, float, float, float]]:
    """Boxes, x, y, width and height, around what was painted on the layers of an image editor."""
    boxes: list[tuple[float, float, float, float]] = []
    for layer in (brushed or {}).get("layers") or ():
        painted = np.asarray(layer)
        if painted.ndim != 3 or painted.shape[2] != 4:
            continue
        _, _, stats, _ = cv2.connectedComponentsWithStats((painted[..., 3] > 0).astype(np.uint8))
        boxes += [(float(x), float(y), float(w), float(h)) for x, y, w, h, _ in stats[1:]]
    return boxes


def _numbered(image_rgb: ByteArray, faces: Sequence[Face]) -> ByteArray:
    """The photo with its faces numbered."""
    shown = image_rgb.copy()
    for number, face in enumerate(faces[:MOST_FACES], 1):
        x, y, w, h = (round(v) for v in face.box)
        thickness = max(2, round(face.size / 50))
        cv2.rectangle(shown, (x, y), (x + w, y + h), (255, 210, 0), thickness)
        cv2.putText(
            shown, str(number), (x, y - 6), cv2.FONT_HERSHEY_SIMPLEX, face.size / 120 + 0.4, (255, 210, 0), thickness
        )
    return shown


def _verdicts(result: AnonymizedPhoto) -> str:
    lines = [f"{i}. **{face.verdict}**: {face.reason}" for i, face in enumerate(result.faces, 1)]
    return "\n".join(lines)


def _packed(folder: Path, result: AnonymizedPhoto, anonymizer: Anonymizer) -> Path:
    """A zip file of the anonymized photo and its record."""
    made = Path(tempfile.mkdtemp(dir=folder))
    picture = made / "anonymous.png"
    record = save_photo(result, picture, source="photo", settings=anonymizer.settings, models=anonymizer.models)
    with zipfile.ZipFile(made / "anonymous.zip", "w") as archive:
        archive.write(picture, picture.name)
        archive.writestr(f"{picture.name}.json", record.to_json())
    return made / "anonymous.zip"
