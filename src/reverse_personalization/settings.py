"""All settings of a run, in one frozen model that is printed into every record."""

from __future__ import annotations

from os import PathLike, fspath
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

EngineName = Literal["compact", "sdxl"]
"""The engines that are built in."""
Fallback = Literal["fill", "pixelate", "blur", "solid"]


MethodName = Literal["reverse", "nullface"]
Mode = Literal["economical", "exact"]
Quality = Literal["draft", "standard", "paper"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Offload = Literal["none", "model", "group"]
Region = Literal["eyes", "brows", "nose", "mouth"]
DType = Literal["auto", "float32", "float16", "bfloat16"]
Folder = Annotated[str, BeforeValidator(lambda given: fspath(given) if isinstance(given, PathLike) else given)]

# What an engine, its quality and the method choose where the user does not; later ones go before earlier.
_ENGINE: Final[dict[str, dict[str, float]]] = {
    "compact": {"guidance": -4.0, "surrogate": 1.0, "skip": 0.3, "gaze_tries": 1},
    "sdxl": {"guidance": -10.0, "surrogate": 0.0, "skip": 0.7},
}
_QUALITY: Final[dict[tuple[str, str], dict[str, int]]] = {
    ("compact", "draft"): {"steps": 12, "max_tries": 3, "gaze_tries": 0},
    ("compact", "standard"): {"steps": 12, "max_tries": 16},
    ("compact", "paper"): {"steps": 100, "max_tries": 16},
    ("sdxl", "draft"): {"steps": 20, "max_tries": 2},
    ("sdxl", "standard"): {"steps": 50, "max_tries": 4},
    ("sdxl", "paper"): {"steps": 100, "max_tries": 4},
}
_METHOD: Final[dict[tuple[str, str], dict[str, float]]] = {
    ("compact", "nullface"): {"guidance": 8.0, "surrogate": 0.0},
    ("sdxl", "nullface"): {"guidance": 10.0, "surrogate": 0.0, "steps": 30},
}


class Settings(BaseModel):
    """What a run does. A method setting that is `None` becomes the engine's own default."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    engine: str = "compact"
    """What draws the new faces; compact runs anywhere, sdxl wants a GPU; or a plugin's name."""
    method: MethodName = "reverse"
    """reverse: negative guidance on the own identity; nullface: positive guidance on its opposite."""
    quality: Quality = "standard"
    """How many steps and tries; paper is 100 steps."""
    guidance: float = Field(default=-5.0, ge=-100, le=100, allow_inf_nan=False)
    """Guidance on the face's own identity; negative moves away from it (paper: -5 to -20). The compact engine's default
    is -4; -5 hides more and shows more, docs/privacy.md tells by how much."""
    strength: float = Field(default=1.0, gt=0, le=10, allow_inf_nan=False)
    """Multiplies how hard each try pushes; docs/privacy.md tells what it leaves of people."""
    surrogate: float = Field(default=1.0, ge=0, le=100, allow_inf_nan=False)
    """Guidance toward a random stranger, drawn per face from the run's key; 1 is all the way (compact)."""
    steps: int = Field(default=12, ge=1, le=1000)
    """Number N of denoising steps."""
    skip: float = Field(default=0.3, ge=0, lt=1)
    """Share of the time axis that is left out at the noisy end (paper: 0.7)."""
    attributes: str | None = None
    """What the stranger should be, e.g. "an old man"; compact keeps apparent age and gender otherwise."""
    identity_strength: float | None = Field(default=None, ge=0, le=100, allow_inf_nan=False)
    """How far away from the own identity, apart from guidance; else it is -guidance."""
    attribute_strength: float | None = Field(default=None, ge=0, le=100, allow_inf_nan=False)
    """How far toward the attributes, apart from guidance; else it is 1 - guidance."""
    keep: tuple[Region, ...] = ()
    """Parts of the face that stay as they are: eyes, brows, nose, mouth."""
    consistent: bool = False
    """One stranger for all photos of a person in a run (compact)."""
    keep_people: Folder | None = None
    """Folder of photos of people who stay visible; whoever is not clearly one of them is replaced."""
    only: Folder | None = None
    """Folder of photos of the only people to replace; whoever may be one of them is replaced."""
    seed: int | None = Field(default=None, ge=0)
    """Makes a run repeatable; without it every run draws a fresh secret."""
    max_tries: int = Field(default=8, ge=1, le=50)
    """How often at most a face is regenerated, more strongly each time, before it is obscured."""
    gaze_tries: int = Field(default=0, ge=0, le=50)
    """How often at most a face that is safe but looks elsewhere is tried again; 0 does not look at gazes (compact)."""
    fallback: Fallback = "fill"
    """How a face is obscured when it cannot be replaced and verified."""
    detector: str | None = None
    """Name of a plugin that finds the faces of photos in place of YuNet."""
    verifiers: tuple[str, ...] = ()
    """Names of plugins whose recognisers must not match a result either."""
    detection_threshold: float = Field(default=0.6, gt=0, lt=1)
    """Least detector score of a face; lower finds more faces and more things that are none."""
    max_pixels: int = Field(default=100_000_000, ge=1)
    """Pictures with more pixels than this are refused."""
    keep_metadata: tuple[str, ...] = ()
    """Names of metadata to keep; everything else is stripped."""
    mark: bool = True
    """Write the IPTC digital source type that says the picture was composed with AI."""
    watermark: bool = False
    """Hide the same in the pixels of photos, where it survives the loss of metadata, compression and scaling."""
    mode: Mode = "economical"
    """exact: four network rows a step, as published; economical: three, as one text condition suffices."""
    model: str | None = None
    """The sdxl engine's diffusion model: sdxl or sd15, a hub id, or a folder; sdxl by default."""
    ip_adapter: str | None = None
    """IP-Adapter-FaceID for that model: faceid-sdxl, faceid-sd15 or a file; the model's by default."""
    recogniser: str | None = None
    """ArcFace for the sdxl engine: buffalo_l's w600k_r50.onnx; non-commercial research only."""
    device: Device = "auto"
    """Where the sdxl engine runs."""
    dtype: DType = "auto"
    """In which precision the sdxl engine runs; auto is float16 on GPUs and float32 on CPUs."""
    offload: Offload = "none"
    """What of the sdxl engine waits in main memory: nothing, whole models, or groups of layers."""
    compile: bool = False
    """Compile the sdxl engine's network, which takes minutes and pays off over many photos."""
    memory: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Gigabytes that a run of the sdxl engine's network may take; most of what is free by default."""

    @model_validator(mode="before")
    @classmethod
    def _engine_defaults(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        chosen = {name: value for name, value in given.items() if value is not None}
        engine, quality, method = (
            str(chosen.get(name, cls.model_fields[name].default)) for name in ("engine", "quality", "method")
        )
        return {
            **_ENGINE.get(engine, {}),
            **_QUALITY.get((engine, quality), {}),
            **_METHOD.get((engine, method), {}),
            **chosen,
        }

    @model_validator(mode="after")
    def _consistency_is_the_compact_engines(self) -> Self:
        if self.consistent and self.engine != "compact":
            raise ValueError("consistent: only the compact engine can; leave it away, or use --engine compact.")
        return self

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.keep_people is not None and self.only is not None:
            raise ValueError("--keep-people and --only contradict each other; give one of them")
        return self

    @property
    def moves_away(self) -> bool:
        """Whether the guidance leads away from the faces' own identity."""
        away = self.guidance if self.method == "nullface" else -self.guidance
        if self.method == "reverse" and self.identity_strength is not None:
            away = self.identity_strength
        return away > 0  # toward a stranger alone, recognisers still know who it was
