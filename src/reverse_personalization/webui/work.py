"""What the page's buttons do: find, replace, several photos, a video."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import gradio as gr

from reverse_personalization.anonymizer import Anonymizer
from reverse_personalization.canvas import AnonymizedPhoto, Choice
from reverse_personalization.errors import NoFaceError, ReversePersonalizationError
from reverse_personalization.media.images import is_supported, output_suffix, read_photo
from reverse_personalization.media.shredding import shred
from reverse_personalization.record import record_path, save_photo
from reverse_personalization.settings import Settings
from reverse_personalization.webui import words
from reverse_personalization.webui.painting import crop, numbered, painted_boxes, preview

REPLACE, OBSCURE, KEEP = "replace by a stranger", "only obscure", "leave as it is"
CHOICES: Final[dict[str, Choice]] = {REPLACE: "replace", OBSCURE: "obscure", KEEP: "keep"}
DEFAULTS: Final = Settings()
MOST_FACES: Final = 12
HIDDEN: Final = {"visible": False}
Handler = Callable[..., Any]


@lru_cache(maxsize=2)
def _anonymizer(settings: Settings) -> Anonymizer:
    return Anonymizer(settings=settings)


def settings_of(strength: float, attributes: str, seed: float | None) -> Settings:
    """Settings as the page's fields give them."""
    return Settings(
        strength=float(strength),
        attributes=(attributes or "").strip() or None,
        seed=None if seed is None else max(0, int(seed)),
    )


def found(path: str | None) -> list[Any]:
    """What a photo shows: a sentence, the place to paint closed and empty, whose faces these are, a card for each."""
    unpainted = [gr.update(open=False), None]
    if path is None:
        return ["", *unpainted, None, *_cards([])]
    try:
        photo = read_photo(Path(path), max_pixels=DEFAULTS.max_pixels)
    except ReversePersonalizationError as error:
        return [words.sentence(error, path, "This photo"), *unpainted, path, *_cards([])]
    faces = _anonymizer(DEFAULTS).find(photo)
    more = f" The {len(faces) - MOST_FACES} smallest are replaced." if len(faces) > MOST_FACES else ""
    count = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
    what = f"**{count} found.** Say what becomes of each.{more}" if faces else "**No face found.** Paint over it below."
    crops = [crop(photo.image_rgb, face.box) for face in faces[:MOST_FACES]]
    return [what, *unpainted, path, *_cards(crops)]


def to_paint(path: str | None, brushed: dict[str, Any] | None) -> Any:
    """A photo with its faces numbered, to paint on; None where none can be read. What was painted already stays."""
    if brushed is not None and brushed.get("background") is not None:
        return gr.skip()
    if path is None:
        return None
    try:
        photo = read_photo(Path(path), max_pixels=DEFAULTS.max_pixels)
    except ReversePersonalizationError:
        return None
    shown = numbered(photo.image_rgb, _anonymizer(DEFAULTS).find(photo)[:MOST_FACES])
    return {"background": shown, "layers": [], "composite": shown}


def _cards(crops: Sequence[Any]) -> list[Any]:
    """For every card: the group, its picture, its choice, its outcome; the choice is always reset."""
    updates = []
    for number in range(MOST_FACES):
        there = number < len(crops)
        picture = crops[number] if there else None
        updates += [gr.update(visible=there), gr.update(value=picture), gr.update(value=REPLACE), ""]
    return updates


def replacing(folder: Path) -> Handler:
    """What the button of a single photo does."""

    def replaced(
        path: str | None,
        known: str | None,
        brushed: dict[str, Any] | None,
        strength: float,
        attributes: str,
        seed: float | None,
        *choices: str,
    ) -> list[Any]:
        nothing = [""] * MOST_FACES
        if path is None:
            return [None, "Drop a photo first.", gr.update(**HIDDEN), *nothing]
        if known != path:  # choices would be those for the faces of another photo
            return [None, "Wait until the faces of this photo are found.", gr.update(**HIDDEN), *nothing]
        try:
            anonymizer = _anonymizer(settings_of(strength, attributes, seed))
            photo = read_photo(Path(path), max_pixels=anonymizer.settings.max_pixels)
            # Cards without a face say so, too, and name none.
            wanted = {i: CHOICES[choice] for i, choice in enumerate(choices) if choice != REPLACE}
            boxes = painted_boxes(brushed, (photo.width, photo.height))
            result = anonymizer.anonymize(photo, choices=wanted, boxes=boxes)
            if not result.faces:
                told = f"**{words.NO_FACE}** Paint over faces that were missed."
                return [None, told, gr.update(**HIDDEN), *nothing]
            with _Package(folder) as package:
                package.add(result, anonymizer, _name("anonymous", path))
        except ReversePersonalizationError as error:
            return [None, words.sentence(error, path, "This photo"), gr.update(**HIDDEN), *nothing]
        pair = (preview(photo.image_rgb), preview(result.image))
        cards = [words.outcome(face) for face in result.faces[:MOST_FACES]]
        download = gr.update(visible=True, value=str(package.path))
        return [pair, words.summary(result.faces), download, *cards, *nothing[len(cards) :]]

    return replaced


def many(folder: Path) -> Handler:
    """What the button of several photos does: a zip file, and a line for each photo."""

    def replaced(
        paths: list[str] | None,
        strength: float,
        attributes: str,
        seed: float | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> list[Any]:
        if not paths:
            return ["Drop photos first.", gr.update(**HIDDEN)]
        try:
            anonymizer = _anonymizer(settings_of(strength, attributes, seed))
        except ReversePersonalizationError as error:
            return [f"**{error}**", gr.update(**HIDDEN)]
        lines = []
        with _Package(folder) as package:
            for number, path in enumerate(paths, 1):
                progress((number - 1, len(paths)), desc="Replacing faces", unit="photos")
                name = _name(f"anonymous-{number}", path)
                try:
                    result = anonymizer.anonymize(path)
                    if not result.faces:
                        raise NoFaceError
                    package.add(result, anonymizer, name)
                    lines.append(f"{number}. {name}: {words.summary(result.faces)}")
                except ReversePersonalizationError as error:
                    lines.append(f"{number}. Left out. {words.sentence(error, path, 'This photo')}")
        download = gr.update(visible=package.count > 0, value=str(package.path))
        return ["\n".join(lines), download if package.count else gr.update(**HIDDEN)]

    return replaced


def film(folder: Path) -> Handler:
    """What the button of a video does."""

    def replaced(
        path: str | None,
        strength: float,
        attributes: str,
        seed: float | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> list[Any]:
        from reverse_personalization.video.anonymizing import anonymize_video

        if path is None:
            return ["Drop a video first.", None, gr.update(**HIDDEN)]
        made = Path(tempfile.mkdtemp(dir=folder)) / "anonymous.mp4"

        def tell(what: str, frame: int, total: int) -> None:
            progress((frame, max(total, frame, 1)), desc=what, unit="frames")

        try:
            settings = settings_of(strength, attributes, seed)
            record = anonymize_video(Path(path), made, settings, anonymizer=_anonymizer(settings), progress=tell)
        except ReversePersonalizationError as error:
            return [words.sentence(error, path, "This video"), None, gr.update(**HIDDEN)]
        packed = made.with_suffix(".zip")
        with zipfile.ZipFile(packed, "w") as archive:
            for file in (made, record_path(made)):
                archive.write(file, file.name)
        people = len(record.tracks)
        told = f"**Done:** {people} face{'s' if people != 1 else ''} followed; the record says what became of each."
        return [told, str(made), gr.update(visible=True, value=str(packed))]

    return replaced


def _name(stem: str, path: str) -> str:
    """An output of the same format as the photo, where that can be written."""
    return stem + (output_suffix(Path(path).suffix.lower()) if is_supported(Path(path)) else ".png")


class _Package:
    """A zip file of anonymized photos and their records.

    Attributes:
        path: the file.
        count: how many photos are in it.
    """

    def __init__(self, folder: Path) -> None:
        self._made = Path(tempfile.mkdtemp(dir=folder))
        self.path, self.count = self._made / "anonymous.zip", 0

    def __enter__(self) -> _Package:
        self._archive = zipfile.ZipFile(self.path, "w")
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def add(self, result: AnonymizedPhoto, anonymizer: Anonymizer, name: str) -> None:
        """Write a photo and its record, byte for byte as `revpers anonymize` writes the photo."""
        picture = self._made / name
        record = save_photo(result, picture, source="photo", settings=anonymizer.settings, models=anonymizer.models)
        self._archive.write(picture, name)
        self._archive.writestr(f"{name}.json", record.to_json())
        shred(picture)
        self.count += 1
