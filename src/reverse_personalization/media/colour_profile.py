"""Colour profiles without what tells of devices and people: what is left says how to show colours, and nothing more."""

from __future__ import annotations

import io
import struct
from typing import Final

from PIL import ImageCms

# Offsets and sizes of https://www.color.org/specification/ICC.1-2022-05.pdf, 7.2 and 7.3.
_HEADER: Final = 128
_ENTRY: Final = struct.Struct(">4sII")
_COUNT: Final = struct.Struct(">I")
_VERSION: Final = 8
# When and on what it was made, for what device, by whom, and the checksum of all that.
_TELLING: Final = (slice(24, 36), slice(40, 44), slice(48, 64), slice(80, 100))
# Displays' profiles have serial numbers in private tags; these say what colours are.
_OF_COLOUR: Final = frozenset(
    [
        *(b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"wtpt", b"bkpt", b"chad", b"lumi", b"cicp"),
        *(b"A2B0", b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2", b"D2B0", b"D2B1", b"B2D0", b"B2D1", b"gamt", b"chrm"),
    ]
)
_NAME: Final = "Colour profile"


def reduced(profile: bytes) -> bytes | None:
    """A profile with nothing in it but what says how to show colours; None if it is none, or damaged."""
    try:
        content = _rebuilt(profile)
        ImageCms.ImageCmsProfile(io.BytesIO(content))
    except (ImageCms.PyCMSError, OSError, ValueError, struct.error):
        return None
    return content


def _rebuilt(profile: bytes) -> bytes:
    (count,) = _COUNT.unpack_from(profile, _HEADER)
    header = bytearray(profile[:_HEADER])
    tags = {b"desc": _described(header), b"cprt": _text(header)}
    start = _HEADER + _COUNT.size
    for name, offset, size in _ENTRY.iter_unpack(profile[start : start + count * _ENTRY.size]):
        if name in _OF_COLOUR:
            tags[name] = profile[offset : offset + size]
    for part in _TELLING:
        header[part] = bytes(part.stop - part.start)
    table, data = [_COUNT.pack(len(tags))], b""
    before = start + len(tags) * _ENTRY.size
    for name, content in tags.items():
        table.append(_ENTRY.pack(name, before + len(data), len(content)))
        data += content + bytes(-len(content) % 4)
    header[:4] = _COUNT.pack(before + len(data))
    return bytes(header) + b"".join(table) + data


def _described(header: bytearray) -> bytes:
    """The name that every profile must have, as its version writes it."""
    if header[_VERSION] >= 4:
        return _text(header)
    name = _NAME.encode() + b"\0"
    return b"desc" + bytes(4) + _COUNT.pack(len(name)) + name + bytes(4 + 4 + 2 + 1 + 67)


def _text(header: bytearray) -> bytes:
    if header[_VERSION] < 4:
        return b"text" + bytes(4) + _NAME.encode() + b"\0"
    encoded = _NAME.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(encoded), 28) + encoded
