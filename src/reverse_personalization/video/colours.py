"""What the numbers in a video's pictures mean as light; without it, players guess, and colours change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

# Code points of ITU-T H.273, as FFmpeg numbers them.
RGB: Final = 0
UNSPECIFIED: Final = 2
UNSPECIFIED_RANGE: Final = 0


@dataclass(frozen=True)
class Colours:
    """The colour description of a video (ITU-T H.273).

    Attributes:
        matrix: between RGB and YUV, for example 1 for BT.709; 2 where nothing is said.
        range: 1 for limited (16 to 235), 2 for full (0 to 255); 0 where nothing is said.
        primaries: of the red, green and blue that are meant; 2 where nothing is said.
        transfer: from values to light; 2 where nothing is said.
    """

    matrix: int
    range: int
    primaries: int
    transfer: int

    @classmethod
    def of(cls, stream: Any) -> Self:
        """Those that pictures of a video stream have once they are YUV."""
        context = stream.codec_context
        matrix, levels = context.colorspace, context.color_range
        if matrix == RGB or (context.format is not None and context.format.is_rgb):
            matrix, levels = UNSPECIFIED, UNSPECIFIED_RANGE
        return cls(matrix, levels, context.color_primaries, context.color_trc)

    def describe_frame(self, frame: Any) -> None:
        """Have a frame converted between RGB and YUV by this matrix and range."""
        frame.colorspace, frame.color_range = self.matrix, self.range

    def describe_stream(self, context: Any) -> None:
        """Have an encoder's stream say all of it."""
        context.colorspace, context.color_range = self.matrix, self.range
        context.color_primaries, context.color_trc = self.primaries, self.transfer
