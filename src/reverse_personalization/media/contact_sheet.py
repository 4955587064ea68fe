"""One picture that shows, face by face, what was done: before, after, difference, verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from reverse_personalization.errors import UsageError
from reverse_personalization.media.photo import ByteArray

_GAIN: Final = 4
_HEADINGS: Final = ("before", "after", f"difference x {_GAIN}, white = unchanged")
_PAPER, _INK, _FAINT, _RULE = "#ffffff", "#1f2328", "#656d76", "#d8dee4"
_VERDICT_INK: Final = {"anonymized": "#1a7f37", "obscured": "#9a6700", "kept": "#0969da"}
# Largest number of entries that get cells of that many pixels; still more get the last.
_CELL_SIZES: Final = ((24, 256), (100, 192), (math.inf, 128))
_WIDTH_TO_HEIGHT: Final = 4 / 3
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, eq=False)
class SheetEntry:
    """A row of the sheet.

    Attributes:
        before_rgb: uint8 h x w x 3, the face and its surroundings in the source.
        after_rgb: uint8 h x w x 3, the same region of the result.
        title: what it is; lines are kept, and wrapped where they are too long.
        verdict: `anonymized`, `obscured` or `kept`, shown in a colour of its own; anything else in black.
    """

    before_rgb: ByteArray = field(repr=False)
    after_rgb: ByteArray = field(repr=False)
    title: str
    verdict: str


@dataclass(frozen=True)
class _Layout:
    """Sizes in pixels; `stacks` rows of entries stand side by side."""

    cell: int
    stacks: int
    rows: int

    @classmethod
    def of(cls, count: int) -> _Layout:
        cell = next(size for limit, size in _CELL_SIZES if count <= limit)
        single = cls(cell, 1, 1)
        stacks = round(math.sqrt(count * single.row_height / single.stack_width * _WIDTH_TO_HEIGHT))
        stacks = min(max(stacks, 1), count)
        rows = math.ceil(count / stacks)
        return cls(cell, math.ceil(count / rows), rows)

    @property
    def gap(self) -> int:
        return self.cell // 16

    @property
    def font_size(self) -> int:
        return max(10, self.cell // 16)

    @property
    def text_width(self) -> int:
        return max(self.cell, 192)

    @property
    def heading_height(self) -> int:
        return 2 * self.font_size

    @property
    def row_height(self) -> int:
        return self.cell + self.gap

    @property
    def stack_width(self) -> int:
        return 3 * (self.cell + self.gap) + self.text_width + 2 * self.gap

    @property
    def size(self) -> tuple[int, int]:
        height = self.gap + self.heading_height + self.rows * self.row_height
        return self.stacks * self.stack_width + self.gap, height


def contact_sheet(entries: Sequence[SheetEntry]) -> Image.Image:
    """Draws the sheet: a row per entry, in several stacks side by side when there are many.

    Cells are 256 pixels wide, fewer when there are more than 24 entries; pictures are scaled to fit.

    Raises:
        UsageError: no entries, or one whose two pictures differ in size.
    """
    if not entries:
        raise UsageError("A contact sheet needs at least one face; leave it out when none was found.")
    layout = _Layout.of(len(entries))
    sheet = Image.new("RGB", layout.size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    for stack in range(layout.stacks):
        _draw_headings(draw, layout, layout.gap + stack * layout.stack_width)
    for index, entry in enumerate(entries):
        stack, row = divmod(index, layout.rows)
        x = layout.gap + stack * layout.stack_width
        y = layout.gap + layout.heading_height + row * layout.row_height
        _draw_entry(sheet, draw, entry, layout, (x, y))
    return sheet


def _draw_headings(draw: ImageDraw.ImageDraw, layout: _Layout, x: int) -> None:
    font = _font(max(10, layout.font_size * 3 // 4))
    for column, heading in enumerate(_HEADINGS):
        left = x + column * (layout.cell + layout.gap)
        draw.text((left, layout.gap + layout.heading_height - layout.font_size * 3 // 2), heading, _FAINT, font)


def _draw_entry(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, entry: SheetEntry, layout: _Layout, corner: tuple[int, int]
) -> None:
    if entry.before_rgb.shape != entry.after_rgb.shape or entry.before_rgb.size == 0:
        shapes = f"{entry.before_rgb.shape} and {entry.after_rgb.shape}"
        raise UsageError(f"{entry.title}: the pictures before and after are {shapes}; give the same region of both.")
    x, y = corner
    for picture in (entry.before_rgb, entry.after_rgb, _difference(entry)):
        fitted = _fitted(picture, layout.cell)
        sheet.paste(fitted, (x, y))
        draw.rectangle((x, y, x + fitted.width - 1, y + fitted.height - 1), outline=_RULE)
        x += layout.cell + layout.gap
    _draw_text(draw, entry, layout, (x, y))


def _draw_text(draw: ImageDraw.ImageDraw, entry: SheetEntry, layout: _Layout, corner: tuple[int, int]) -> None:
    x, y = corner
    font, large = _font(layout.font_size), _font(layout.font_size * 5 // 4)
    line_height = layout.font_size * 4 // 3
    bottom = y + layout.cell
    draw.text((x, y), entry.verdict, _VERDICT_INK.get(entry.verdict, _INK), large)
    y += line_height * 3 // 2
    for line in _wrapped(draw, entry.title, font, layout.text_width):
        if y + line_height > bottom:
            break
        draw.text((x, y), line, _INK, font)
        y += line_height


def _wrapped(draw: ImageDraw.ImageDraw, text: str, font: _Font, width: int) -> list[str]:
    """Lines no wider than `width` pixels, broken at spaces, and within words that are too long."""
    lines = []
    for paragraph in text.splitlines():
        if draw.textlength(paragraph, font) <= width:
            lines.append(paragraph)
            continue
        line = ""
        for character in paragraph:
            if draw.textlength(line + character, font) <= width:
                line += character
                continue
            head, space, tail = line.rpartition(" ")
            lines.append(head if space else line)
            line = (tail if space else "") + character
        lines.append(line)
    return [line.strip() for line in lines]


@cache
def _font(size: int) -> _Font:
    return ImageFont.load_default(size)


def _difference(entry: SheetEntry) -> ByteArray:
    """White where nothing changed, darker and coloured the more it did."""
    difference = cv2.absdiff(entry.before_rgb, entry.after_rgb)
    return np.asarray(255 - np.minimum(difference.astype(np.uint16) * _GAIN, 255), np.uint8)


def _fitted(picture_rgb: ByteArray, cell: int) -> Image.Image:
    height, width = picture_rgb.shape[:2]
    scale = cell / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(picture_rgb).resize(size, Image.Resampling.LANCZOS)
