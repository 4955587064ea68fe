"""All settings of a run, in one frozen model that is printed into every record."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

EngineName = Literal["compact", "sdxl"]
Fallback = Literal["pixelate", "blur", "solid"]


# The paper's, where the fields' own defaults are the compact engine's.
_SDXL: dict[str, float] = {"guidance": -10.0, "surrogate": 0.0, "steps": 100, "skip": 0.7}


class Settings(BaseModel):
    """What a run does. A method setting that is `None` becomes the engine's own default."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    engine: EngineName = "compact"
    """What draws the new faces; compact runs anywhere, sdxl wants a GPU."""
    guidance: float = Field(-1.0, ge=-100, le=100, allow_inf_nan=False)
    """Guidance on the face's own identity; negative moves away from it (paper: -5 to -20)."""
    surrogate: float = Field(1.0, ge=0, le=100, allow_inf_nan=False)
    """Guidance toward a random stranger's identity, drawn per face from the run's key."""
    steps: int = Field(12, ge=1, le=1000)
    """Number N of denoising steps."""
    skip: float = Field(0.3, ge=0, lt=1)
    """Share of the time axis that is left out at the noisy end (paper: 0.7)."""
    attributes: str | None = None
    """What the stranger should be, e.g. "an old man"."""
    seed: int | None = Field(None, ge=0)
    """Makes a run repeatable; without it every run draws a fresh secret."""
    max_tries: int = Field(16, ge=1, le=50)
    """How often a face is regenerated, more strongly each time, before it is obscured."""
    fallback: Fallback = "pixelate"
    """How a face is obscured when it cannot be replaced and verified."""
    detection_threshold: float = Field(0.6, gt=0, lt=1)
    """Least detector score of a face; lower finds more faces and more things that are none."""
    max_pixels: int = Field(100_000_000, ge=1)
    """Pictures with more pixels than this are refused."""
    keep_metadata: tuple[str, ...] = ()
    """Names of metadata to keep; everything else is stripped."""
    mark: bool = True
    """Write the IPTC digital source type that says the picture was composed with AI."""

    @model_validator(mode="before")
    @classmethod
    def _engine_defaults(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        chosen = {name: value for name, value in given.items() if value is not None}
        return {**(_SDXL if chosen.get("engine") == "sdxl" else {}), **chosen}
