"""Photos in and out: the names that the rest of the program uses."""

from reverse_personalization.media.formats import (
    READABLE_SUFFIXES,
    WRITABLE_SUFFIXES,
    can_carry_mark,
    is_supported,
    output_suffix,
    photos_below,
)
from reverse_personalization.media.marking import read_mark
from reverse_personalization.media.photo import Photo
from reverse_personalization.media.reading import read_photo
from reverse_personalization.media.writing import write_photo

__all__ = [
    "READABLE_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "Photo",
    "can_carry_mark",
    "is_supported",
    "output_suffix",
    "photos_below",
    "read_mark",
    "read_photo",
    "write_photo",
]
