"""What is asked of a video besides its faces: which part of it, and how it is encoded."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reverse_personalization.errors import UsageError
from reverse_personalization.settings import Settings

Codec = Literal["h264", "hevc", "vp9", "av1"]
# Constant rate factors of about the same look, and the highest that the encoders take.
_DEFAULT_CRF: Final[dict[Codec, int]] = {"h264": 18, "hevc": 21, "vp9": 24, "av1": 25}
_HIGHEST_CRF: Final[dict[Codec, int]] = {"h264": 51, "hevc": 51, "vp9": 63, "av1": 63}


class VideoOptions(BaseModel):
    """Part and encoding of a video."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    start: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Seconds at which the part begins."""
    end: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Seconds at which it ends; the video's end by default."""
    codec: Codec | None = None
    """Of the pictures; by default vp9 for .webm, else h264."""
    crf: int | None = Field(None, ge=0, le=63)
    """The encoder's constant rate factor; lower is better; the codec's own by default."""
    hardware: bool = False
    """Encode on a graphics card where one can."""
    sound: bool = True
    """Copy sound and subtitles."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end is not None and self.end <= self.start:
            raise ValueError("--end must be after --start")
        if self.crf is not None and self.codec is not None and self.crf > _HIGHEST_CRF[self.codec]:
            raise ValueError(f"--crf of {self.codec} is at most {_HIGHEST_CRF[self.codec]}")
        return self

    def codec_for(self, suffix: str) -> Codec:
        """The codec of a file with this suffix."""
        return self.codec or ("vp9" if suffix.lower() == ".webm" else "h264")

    def crf_for(self, codec: Codec) -> int:
        """The constant rate factor for a codec."""
        return _DEFAULT_CRF[codec] if self.crf is None else min(self.crf, _HIGHEST_CRF[codec])


def check_followed(settings: Settings) -> None:
    """Find out whether videos follow settings of photos.

    Raises:
        UsageError: another engine than the compact one, or another detector than YuNet.
    """
    if settings.engine != "compact":
        raise UsageError(f"--engine {settings.engine}: videos are the compact engine's so far; leave it out.")
    if settings.detector is not None:
        raise UsageError("--detector: is for photos so far; leave it out with videos.")


def seconds_of(text: str) -> float:
    """Seconds of `90`, `1:30` or `0:01:30.5`.

    Raises:
        ValueError: it is no time.
    """
    parts = [float(part) for part in text.split(":")]
    if len(parts) > 3 or any(part < 0 or part >= 60 for part in parts[1:]) or not 0 <= parts[0] < float("inf"):
        raise ValueError(f"{text}: is no time")
    return sum(part * unit for part, unit in zip(reversed(parts), (1.0, 60.0, 3600.0), strict=False))
