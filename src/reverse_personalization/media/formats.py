"""Which picture formats are read and written, by file suffix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from reverse_personalization.errors import OutputError

HEIC_HINT: Final = "pip install 'reverse-personalization[heic]'"


@dataclass(frozen=True)
class Format:
    """What a file format can hold.

    Attributes:
        name: Pillow's name of it.
        suffixes: lower case, with the dot; the first is the usual one.
        alpha: it can hold transparency.
        deep: it can hold 16 bits per channel.
        grey: it can hold pictures of one channel.
        metadata: it can hold a colour profile, EXIF and XMP, hence the AI mark.
    """

    name: str
    suffixes: tuple[str, ...]
    alpha: bool = True
    deep: bool = False
    grey: bool = True
    metadata: bool = True


VIDEO_SUFFIXES: Final = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")
SHARD_SUFFIXES: Final = (".tar", ".parquet")

_WRITABLE: Final = (
    Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), alpha=False),
    Format("PNG", (".png",), deep=True),
    Format("TIFF", (".tif", ".tiff"), deep=True),
    Format("WEBP", (".webp",), grey=False),
    Format("AVIF", (".avif",)),
    Format("HEIF", (".heic", ".heif", ".hif")),
    Format("BMP", (".bmp",), alpha=False, metadata=False),
)
_BY_SUFFIX: Final = {suffix: item for item in _WRITABLE for suffix in item.suffixes}
# Read, but not written: the suffix to write instead.
_READ_ONLY: Final = {".gif": ".png", ".apng": ".png", ".mpo": ".jpg"}

WRITABLE_SUFFIXES: Final = tuple(_BY_SUFFIX)
READABLE_SUFFIXES: Final = (*WRITABLE_SUFFIXES, *_READ_ONLY)


def is_video(path: Path) -> bool:
    """Whether a file's name is a video's."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def is_shard(path: Path) -> bool:
    """Whether a file's name is one of a shard of a data set."""
    return path.suffix.lower() in SHARD_SUFFIXES


def is_supported(path: Path) -> bool:
    """Whether `path` is named like a picture that `read_photo` takes; the file itself is not looked at."""
    return path.suffix.lower() in READABLE_SUFFIXES


def output_suffix(suffix: str) -> str:
    """The suffix to write for a picture that was read with `suffix`: the same where it can be written."""
    return _READ_ONLY.get(suffix.lower(), suffix)


def output_format(path: Path) -> Format:
    """The format that the suffix of `path` stands for.

    Raises:
        OutputError: nothing can be written with this suffix.
    """
    try:
        return _BY_SUFFIX[path.suffix.lower()]
    except KeyError:
        what = f"{path.suffix} files cannot be written" if path.suffix else "has no suffix"
        known = ", ".join(item.suffixes[0] for item in _WRITABLE)
        raise OutputError(f"{path}: {what}; end the name in one of {known}.") from None


def can_carry_mark(path: Path) -> bool:
    """Whether a file named `path` can hold the AI mark (BMP cannot)."""
    return output_format(path).metadata


@cache
def heif_available() -> bool:
    """Whether pillow-heif is installed; if so, Pillow reads and writes HEIC from now on."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def photos_below(folder: Path) -> Iterator[Path]:
    """The photos in a folder and the folders below it, without hidden ones, in the order of their names."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and is_supported(path) and not hidden:
            yield path
