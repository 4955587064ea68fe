"""Which encoder of this build of FFmpeg makes a codec, and with which options."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Final

import av
import numpy as np
from av.codec import codecs_available
from av.error import FFmpegError

from reverse_personalization.errors import OutputError
from reverse_personalization.video.options import Codec

EIGHT_BITS, TEN_BITS = "yuv420p", "yuv420p10le"


@dataclass(frozen=True)
class Encoder:
    """An encoder.

    Attributes:
        name: FFmpeg's.
        quality: name of its option for the constant rate factor.
        options: further ones.
    """

    name: str
    quality: str = "crf"
    options: tuple[tuple[str, str], ...] = ()

    def arguments(self, crf: int) -> dict[str, str]:
        """All options."""
        return {self.quality: str(crf), **dict(self.options)}


_SOFTWARE: Final[dict[Codec, tuple[Encoder, ...]]] = {
    "h264": (Encoder("libx264", options=(("preset", "veryfast"),)),),
    "hevc": (Encoder("libx265", options=(("preset", "veryfast"), ("x265-params", "log-level=none"))),),
    "vp9": (Encoder("libvpx-vp9", options=(("b", "0"), ("deadline", "realtime"), ("cpu-used", "5"))),),
    "av1": (
        Encoder("libsvtav1", options=(("preset", "8"),)),
        Encoder("libaom-av1", options=(("b", "0"), ("cpu-used", "8"))),
    ),
}
_CARDS: Final = (("nvenc", "cq"), ("qsv", "global_quality"), ("videotoolbox", "q"), ("amf", "qp_i"))


def encoder(codec: Codec, *, hardware: bool = False, deep: bool = False) -> Encoder:
    """The encoder to use.

    Args:
        codec: what it makes.
        hardware: take a graphics card's, if one works here.
        deep: it must take 10 bits.

    Raises:
        OutputError: there is none.
    """
    cards = tuple(Encoder(f"{codec}_{card}", quality) for card, quality in _CARDS) if hardware else ()
    pixels = TEN_BITS if deep else EIGHT_BITS
    for candidate in (*cards, *_SOFTWARE[codec]):
        if works(candidate, pixels):
            return candidate
    what = "in 10 bits, which the source has" if deep else "at all"
    raise OutputError(f"{codec}: this build of FFmpeg cannot encode it {what}; give another --codec.")


@cache
def works(candidate: Encoder, pixels: str) -> bool:
    """Whether an encoder is in this build and encodes a picture here: cards are often listed, and not there."""
    if candidate.name not in codecs_available:
        return False
    try:
        with ordinary_priority():
            context: Any = av.CodecContext.create(candidate.name, "w")
            context.options = dict(candidate.options)
            context.width = context.height = 256
            context.pix_fmt, context.time_base = pixels, Fraction(1, 25)
            picture = av.VideoFrame.from_ndarray(np.zeros((256, 256, 3), np.uint8), format="rgb24")
            picture.pts = 0
            context.encode(picture.reformat(format=pixels))
            context.encode(None)
    except (FFmpegError, OSError, ValueError):
        return False
    return True


@contextmanager
def ordinary_priority() -> Iterator[None]:
    """Undo what an encoder does to this thread's scheduling.

    SVT-AV1, run by root, puts the thread that opens it before all others (SCHED_FIFO, 99), for good and for every
    process begun after it: two such threads that wait for a third one hang a machine of two cores.
    """
    if not hasattr(os, "sched_getscheduler"):  # not Linux
        yield
        return
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != before[0]:
            os.sched_setscheduler(0, *before)
