"""Facts that containers state in their headers and Pillow does not pass on."""

from __future__ import annotations

import struct
from typing import BinaryIO, Final, NamedTuple

HEAD_BYTES: Final = 65_536
"""How much of the beginning of a file the functions on `head` want to see."""

_PNG_COLOUR: Final = (b"cHRM", b"gAMA", b"sRGB", b"cICP")
_PNG_DEEP_COLOUR_TYPES: Final = (2, 4, 6)
_HDR_TRANSFERS: Final = (16, 18)  # PQ and HLG, ITU-T H.273
_HEIF_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


class PngHeader(NamedTuple):
    """`deep`: 16 bits in several channels; `colour`: the chunks that say what the numbers mean."""

    deep: bool
    colour: tuple[tuple[bytes, bytes], ...]

    @property
    def is_hdr(self) -> bool:
        """Whether the cICP chunk names an HDR transfer function."""
        return any(name == b"cICP" and len(data) > 1 and data[1] in _HDR_TRANSFERS for name, data in self.colour)


def png_header(file: BinaryIO) -> PngHeader:
    """Reads the chunks in front of the pixels; leaves the position of `file` anywhere."""
    file.seek(8)
    deep, colour = False, []
    while len(start := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", start)
        if name in (b"IDAT", b"IEND"):
            break
        if name == b"IHDR":
            data = file.read(length)
            deep = data[8] == 16 and data[9] in _PNG_DEEP_COLOUR_TYPES
            file.seek(4, 1)
        elif name in _PNG_COLOUR and length <= 32:
            colour.append((name, file.read(length)))
            file.seek(4, 1)
        else:
            file.seek(length + 4, 1)
    return PngHeader(deep, tuple(colour))


def webp_is_lossless(file: BinaryIO) -> bool:
    """Whether the pixels of a WebP file are in a VP8L chunk."""
    file.seek(12)
    while len(start := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", start)
        if name in (b"VP8L", b"VP8 "):
            return bool(name == b"VP8L")
        file.seek(length + length % 2, 1)
    return False


def is_heif(head: bytes) -> bool:
    """Whether `head` is that of a HEIF file whose pixels are not AV1, as phones write it."""
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and b"avif" not in head[:64]


def bits_per_channel(head: bytes) -> int:
    """The most bits that a pixel information box (`pixi`) of an AVIF or HEIF file states; 8 without one."""
    bits, at = 8, head.find(b"pixi")
    while at >= 0:
        channels = head[at + 8 : at + 9]
        bits = max([bits, *head[at + 9 : at + 9 + channels[0]]]) if channels else bits
        at = head.find(b"pixi", at + 4)
    return bits


def is_hdr(head: bytes) -> bool:
    """Whether every colour box of an AVIF or HEIF file names an HDR transfer function, and there is one."""
    transfers, at = [], head.find(b"colrnclx")
    while at >= 0:
        transfers.append(int.from_bytes(head[at + 10 : at + 12], "big"))
        at = head.find(b"colrnclx", at + 8)
    return bool(transfers) and all(transfer in _HDR_TRANSFERS for transfer in transfers)
