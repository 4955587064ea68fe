"""From a `Photo` and its edited pixels to a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from reverse_personalization.errors import OutputError, UsageError
from reverse_personalization.media.atomic import write_atomically
from reverse_personalization.media.colour_profile import reduced
from reverse_personalization.media.credentials import Credentials, media_type
from reverse_personalization.media.encoding import Extras, encode
from reverse_personalization.media.formats import HEIC_HINT, Format, heif_available, output_format
from reverse_personalization.media.marking import XMP_PACKET
from reverse_personalization.media.metadata import checked_names, kept_fields
from reverse_personalization.media.photo import ByteArray, NativeArray, Photo, upper_byte, widened
from reverse_personalization.media.watermark import can_carry_watermark, watermarked

_GREY_PROFILE: Final = b"GRAY"
# Where an ICC profile states the colour space of its pixels (ICC.1:2022, 7.2).
_PROFILE_SPACE: Final = slice(16, 20)


def write_photo(
    photo: Photo,
    path: Path | str,
    *,
    image_rgb: ByteArray,
    changed: NDArray[np.bool_],
    keep_metadata: Iterable[str] = (),
    mark: bool = True,
    credentials: Credentials | None = None,
    watermark: bool = False,
) -> tuple[str, ...]:
    """Writes an edited photo, whole or not at all; the suffix of `path` chooses the format.

    Pixels that were not changed are written as they were read, at full depth, and transparency stays. PNG,
    TIFF and BMP files, and WebP files made from lossless WebP files, decode to exactly these pixels. JPEG
    files made from JPEG files reuse their quantisation tables and subsampling.

    Args:
        photo: the photo as it was read.
        path: where to; an existing file is replaced.
        image_rgb: uint8 H x W x 3, upright, of the size of `photo`.
        changed: bool H x W, True where the pixels of `image_rgb` are to be written.
        keep_metadata: names from `metadata.FIELDS`, or `all` (all but gps); everything else is stripped.
        mark: state in the file that AI was used.
        credentials: sign that statement, where the format can carry it.
        watermark: hide it in the pixels, too, nearly all of which it changes by a shade.

    Returns:
        What the format could not hold, a sentence each.

    Raises:
        UsageError: unknown metadata name, or arrays of another size than the photo.
        OutputError: the format cannot hold the picture, it cannot be signed, or the place cannot be written.
    """
    path = Path(path)
    names = checked_names(keep_metadata)
    target = output_format(path)
    _check_target(photo, target, path)
    _check_arrays(photo, image_rgb, changed)
    native = merged(photo, image_rgb=image_rgb, changed=changed)
    if watermark and can_carry_watermark(photo.width, photo.height):
        native = watermarked(native)
    pixels, notes = _fitted(native, target)
    icc_profile, profile_notes = _fitting_profile(photo, pixels, target)
    extras = Extras(
        icc_profile=icc_profile,
        exif=kept_fields(photo.metadata, names),
        xmp=XMP_PACKET if mark and target.metadata else None,
        dpi=photo.metadata.dpi if "resolution" in names else None,
    )
    if mark and not target.metadata:
        profile_notes += (f"{target.name} files cannot carry the mark that AI was used.",)
    content = _encoded(pixels, photo, target, extras, path)
    if mark and credentials is not None and target.metadata:
        content = credentials.signed(content, media_type(path))
    write_atomically(path, content)
    return notes + profile_notes


def merged(photo: Photo, *, image_rgb: ByteArray, changed: NDArray[np.bool_]) -> NativeArray:
    """A copy of the native pixels of `photo` with those of `image_rgb` where `changed` is True."""
    native = photo.native.copy()
    edited = image_rgb[changed]
    if photo.is_grey and len(edited):
        # Luma of ITU-R BT.601; leaves equal red, green and blue as they are.
        edited = np.asarray(cv2.cvtColor(edited[:, None], cv2.COLOR_RGB2GRAY), np.uint8).reshape(-1, 1)
    values = widened(edited) if photo.is_deep else edited
    if native.ndim == 2:
        native[changed] = values[:, 0]
    else:
        native[changed, : values.shape[1]] = values
    return native


def _check_target(photo: Photo, target: Format, path: Path) -> None:
    if photo.has_alpha and not target.alpha:
        raise OutputError(f"{path}: {target.name} files cannot hold transparency; end the name in .png.")
    if target.name == "HEIF" and not heif_available():
        raise OutputError(f"{path}: to write HEIC files, run {HEIC_HINT}, or end the name in .png.")


def _check_arrays(photo: Photo, image_rgb: ByteArray, changed: NDArray[np.bool_]) -> None:
    size = (photo.height, photo.width)
    if image_rgb.shape != (*size, 3) or image_rgb.dtype != np.uint8:
        raise UsageError(f"image_rgb is {image_rgb.dtype} {image_rgb.shape}; give uint8 {(*size, 3)}.")
    if changed.shape != size or changed.dtype != np.bool_:
        raise UsageError(f"changed is {changed.dtype} {changed.shape}; give bool {size}.")


def _fitted(pixels: NativeArray, target: Format) -> tuple[NativeArray, tuple[str, ...]]:
    """`pixels` at the depth and number of channels that the format can hold."""
    notes: tuple[str, ...] = ()
    if pixels.dtype == np.uint16 and not target.deep:
        pixels = upper_byte(pixels)
        notes = (f"16 bits per channel were reduced to the 8 that {target.name} files hold here.",)
    if not target.grey and pixels.ndim == 2:
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), np.uint8)
    elif not target.grey and pixels.shape[2] == 2:
        pixels = np.ascontiguousarray(pixels[..., [0, 0, 0, 1]])
    return pixels, notes


def _fitting_profile(photo: Photo, pixels: NativeArray, target: Format) -> tuple[bytes | None, tuple[str, ...]]:
    profile = photo.icc_profile
    if profile is None:
        return None, ()
    if not target.metadata:
        return None, (f"{target.name} files cannot hold the colour profile.",)
    if profile[_PROFILE_SPACE] == _GREY_PROFILE and pixels.ndim == 3 and pixels.shape[2] > 2:
        return None, ("The colour profile is for grey pictures and was left out.",)
    kept = reduced(profile)
    return kept, () if kept else ("The colour profile is damaged and was left out.",)


def _encoded(pixels: NativeArray, photo: Photo, target: Format, extras: Extras, path: Path) -> bytes:
    try:
        return encode(pixels, target.name, photo.coding, extras)
    except Exception as error:  # Each encoder has its own errors for sizes and values that it cannot take.
        height, width = pixels.shape[:2]
        kept = ", and keep no metadata" if extras.exif else ""
        what = f"{width} x {height} pixels could not be encoded as {target.name}"
        raise OutputError(f"{path}: {what}; end the name in .png{kept}.") from error
