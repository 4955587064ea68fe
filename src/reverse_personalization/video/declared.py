"""How many bytes a video's container says it has, to tell a file that was cut off from one that ends."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO, Final

# Identifier of the element that holds all of a Matroska file but its header (RFC 9559).
SEGMENT: Final = bytes.fromhex("18538067")


def declared_bytes(path: Path) -> int:
    """Bytes up to where the last element that begins in a file ends: more than the file has if it was cut off.

    Args:
        path: Matroska, WebM, AVI, MP4 or MOV.

    Returns:
        0 if the file does not say, as those that were written while they were being watched, or is of another kind.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0)
        if head.startswith(b"\x1a\x45\xdf\xa3"):
            return _matroska(file)
        if head.startswith(b"RIFF"):
            return _riff(file)
        return _boxes(file) if head.endswith(b"ftyp") else 0


def _matroska(file: BinaryIO) -> int:
    file.seek(4)
    header = _length(file)
    if header is None:
        return 0
    file.seek(header, os.SEEK_CUR)
    if file.read(len(SEGMENT)) != SEGMENT:
        return 0
    length = _length(file)
    return 0 if length is None else file.tell() + length


def _length(file: BinaryIO) -> int | None:
    """A length of 1 to 8 bytes, of which the number of leading zeros tells how many (RFC 8794); None if unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    marker = 1 << 7 * width
    value = int.from_bytes(first + file.read(width - 1), "big") - marker
    return None if value == marker - 1 else value


def _riff(file: BinaryIO) -> int:
    """AVI files beyond a gigabyte are several such chunks, one after the other."""
    end = 0
    while len(start := file.read(8)) == 8 and start[:4] == b"RIFF":
        (length,) = struct.unpack("<I", start[4:])
        # What is being written still, or was never finished, has no length.
        if not length:
            return 0
        end = file.tell() + length
        file.seek(end + length % 2)
    return end


def _boxes(file: BinaryIO) -> int:
    """Boxes of MP4 and MOV (ISO/IEC 14496-12), one after the other; a length of 0 reaches to the end of the file."""
    at = 0
    while len(start := file.read(8)) == 8:
        length = int.from_bytes(start[:4], "big")
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
        # Some cameras append what are no boxes.
        if length < len(start) or not start[4:].isalnum():
            return 0
        at += length
        file.seek(at)
    return at
