"""Metadata: all of it is left behind, except what is asked for by name.

Only EXIF fields and the resolution can be kept, and only those of the table below. What is never kept: the
EXIF thumbnail and maker notes (both may hold the original face), serial numbers, XMP, IPTC, comments,
embedded second pictures. The colour profile is not metadata here: it says what the numbers mean, and stays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from PIL import Image
from PIL.ExifTags import IFD, Base

from reverse_personalization.errors import UsageError

MAIN_DIRECTORY: Final = 0
"""Stands for the main EXIF directory, which has no tag of its own."""

_DATE: Final = (
    *((MAIN_DIRECTORY, tag) for tag in (Base.DateTime,)),
    *((IFD.Exif, tag) for tag in (Base.DateTimeOriginal, Base.DateTimeDigitized)),
    *((IFD.Exif, tag) for tag in (Base.OffsetTime, Base.OffsetTimeOriginal, Base.OffsetTimeDigitized)),
    *((IFD.Exif, tag) for tag in (Base.SubsecTime, Base.SubsecTimeOriginal, Base.SubsecTimeDigitized)),
)
_CAMERA: Final = (
    *((MAIN_DIRECTORY, tag) for tag in (Base.Make, Base.Model)),
    *((IFD.Exif, tag) for tag in (Base.LensMake, Base.LensModel, Base.LensSpecification)),
)
_EXPOSURE: Final = tuple(
    (IFD.Exif, tag)
    for tag in (
        *(Base.ExposureTime, Base.FNumber, Base.ExposureProgram, Base.ISOSpeedRatings, Base.SensitivityType),
        *(Base.ShutterSpeedValue, Base.ApertureValue, Base.BrightnessValue, Base.ExposureBiasValue),
        *(Base.MaxApertureValue, Base.MeteringMode, Base.LightSource, Base.Flash, Base.FocalLength),
        *(Base.FocalLengthIn35mmFilm, Base.ExposureMode, Base.WhiteBalance),
    )
)
_RESOLUTION: Final = tuple((MAIN_DIRECTORY, tag) for tag in (Base.XResolution, Base.YResolution, Base.ResolutionUnit))
_INCHES: Final = 2

FIELDS: Final[Mapping[str, tuple[tuple[int, int], ...]]] = {
    "datetime": _DATE,
    "camera": _CAMERA,
    "exposure": _EXPOSURE,
    "copyright": ((MAIN_DIRECTORY, Base.Copyright), (MAIN_DIRECTORY, Base.Artist)),
    "description": ((MAIN_DIRECTORY, Base.ImageDescription),),
    "resolution": _RESOLUTION,
    "gps": tuple((IFD.GPSInfo, tag) for tag in range(32)),
}
"""What can be kept: each name with its fields, as (directory, tag); directory 0 is the main one."""

ALL: Final = "all"
"""Stands for every name but `gps`, which tells where people were and must be named itself."""


@dataclass(frozen=True)
class Metadata:
    """What of a file's metadata may be kept, if it is asked for.

    Attributes:
        fields: values by (directory, tag).
        dpi: pixels per inch, horizontally and vertically, or None.
    """

    fields: Mapping[tuple[int, int], Any] = field(default_factory=dict)
    dpi: tuple[float, float] | None = None


def checked_names(names: Iterable[str]) -> frozenset[str]:
    """`names` with `all` spelled out.

    Raises:
        UsageError: a name is unknown; the sentence lists those there are.
    """
    asked = frozenset(names)
    if unknown := sorted(asked - FIELDS.keys() - {ALL}):
        known = ", ".join(FIELDS)
        raise UsageError(
            f"There is no metadata called {', '.join(unknown)}; choose from {known} and all (all but gps)."
        )
    return asked - {ALL} | (FIELDS.keys() - {"gps"} if ALL in asked else frozenset())


def read_metadata(image: Image.Image) -> Metadata:
    """Collects what may be kept. Raises whatever Pillow raises on damaged EXIF data."""
    exif = image.getexif()
    directories: dict[int, Mapping[int, Any]] = {
        MAIN_DIRECTORY: exif,
        IFD.Exif: exif.get_ifd(IFD.Exif),
        IFD.GPSInfo: exif.get_ifd(IFD.GPSInfo),
    }
    fields = {
        (directory, tag): directories[directory][tag]
        for keys in FIELDS.values()
        for directory, tag in keys
        if tag in directories[directory]
    }
    return Metadata(fields, _dpi(image))


def kept_fields(metadata: Metadata, names: frozenset[str]) -> dict[tuple[int, int], Any]:
    """EXIF values to write, by (directory, tag): those of `names` that the source has."""
    keys = {key for name in names - {"resolution"} for key in FIELDS[name]}
    kept = {key: value for key, value in metadata.fields.items() if key in keys}
    if "resolution" in names and metadata.dpi:
        values = (*metadata.dpi, _INCHES)
        kept |= dict(zip(FIELDS["resolution"], values, strict=True))
    return kept


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    """Pillow's reading of the resolution, from EXIF or from the format's own field."""
    try:
        x, y = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if all(math.isfinite(value) and 1 <= value <= 65_535 for value in (x, y)) else None
