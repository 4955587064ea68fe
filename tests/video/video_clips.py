"""Clips with known faces on known paths, made of portraits that packages ship."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

SIZE = (360, 480)
FRAMES, RATE = 40, 20
# In these frames something passes in front of the face.
HIDDEN = range(18, 22)
CROWD_FRAMES = 16


def scene(portrait: Any, i: int, frames: int = FRAMES) -> Any:
    """A portrait that moves, turns and grows over a backdrop, uint8 360 x 480 x 3."""
    backdrop = np.zeros((*SIZE, 3), np.uint8) + np.array([90, 110, 120], np.uint8)
    x, y, w, h = portrait.face.box
    share = i / max(frames - 1, 1)
    scale = (110 + 40 * share) / h
    matrix = cv2.getRotationMatrix2D((x + w / 2, y + h / 2), 8 * np.sin(6 * share), scale)
    matrix[:, 2] += (150 + 160 * share - x - w / 2, 180 - y - h / 2)
    picture = cv2.warpAffine(portrait.image_rgb, matrix, SIZE[::-1])
    mask = cv2.warpAffine(np.ones(portrait.image_rgb.shape[:2], np.uint8), matrix, SIZE[::-1])
    backdrop[mask > 0] = picture[mask > 0]
    if i in HIDDEN:
        backdrop[:, 180:300] = (60, 40, 30)
    return backdrop


def beside(left: Any, right: Any, i: int) -> Any:
    """Two portraits, uint8 360 x 480 x 3, that drift apart."""
    picture = np.full((*SIZE, 3), 110, np.uint8)
    for portrait, centre in ((left, 120 - i), (right, 350 + i)):
        x, y, w, h = portrait.face.box
        scale = 110 / h
        matrix = np.array([[scale, 0, centre - scale * (x + w / 2)], [0, scale, 180 - scale * (y + h / 2)]])
        shown = cv2.warpAffine(portrait.image_rgb, matrix, SIZE[::-1])
        mask = cv2.warpAffine(np.ones(portrait.image_rgb.shape[:2], np.uint8), matrix, SIZE[::-1]) > 0
        half = slice(0, 240) if portrait is left else slice(240, 480)
        picture[:, half][mask[:, half]] = shown[:, half][mask[:, half]]
    return picture


def write_clip(path: Path, pictures: Any, *, times: Any = None, sound: bool = False) -> Path:
    """Encode pictures, with a tone for sound where asked."""
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "private title"
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "12"})
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        tone = container.add_stream("aac", rate=16_000) if sound else None
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = round(1000 * (times[i] if times is not None else i / RATE))
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if tone is not None:
            wave = np.sin(np.arange(16_000 * 2) * 0.1).astype(np.float32)[None]
            heard = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            heard.sample_rate, heard.pts = 16_000, 0
            container.mux(tone.encode(heard))
            container.mux(tone.encode(None))
    return path


def swinging(portrait: Any, i: int, hidden: range = range(0)) -> tuple[Any, Any]:
    """A portrait that swings to the right and back over 40 frames, and the middle of its face.

    Something covers the face in the frames `hidden`.
    """
    x, y, w, h = portrait.face.box
    scale = 110 / h
    centre = np.array([120 + 200 * np.sin(np.pi * i / 40), 180 + 20 * np.sin(np.pi * i / 10)])
    shift = centre - scale * np.array([x + w / 2, y + h / 2])
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    picture = cv2.warpAffine(portrait.image_rgb, matrix, SIZE[::-1], borderMode=cv2.BORDER_REPLICATE)
    if i in hidden:
        left = int(centre[0]) - 80
        picture[90:270, max(0, left) : left + 160] = (60, 40, 30)
    return picture, centre
