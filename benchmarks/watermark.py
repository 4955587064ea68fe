"""How well the invisible watermark survives, how much it changes, and whether it is found where it is not.

python benchmarks/watermark.py FOLDER [--most 200]
"""

from __future__ import annotations

import argparse
import io
import statistics
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from reverse_personalization.errors import ReversePersonalizationError
from reverse_personalization.media.images import is_supported, read_photo
from reverse_personalization.media.watermark import LEAST_SIDE, SURE, find_watermark, watermarked

ATTACKS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "none": lambda image: image,
    "JPEG 90": lambda image: jpeg(image, 90),
    "JPEG 75": lambda image: jpeg(image, 75),
    "JPEG 50": lambda image: jpeg(image, 50),
    "WebP 80": lambda image: jpeg(image, 80, "WEBP"),
    "half size": lambda image: image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS),
    "half size, JPEG 90": lambda image: jpeg(ATTACKS["half size"](image), 90),
    "brighter by 20 %": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "blurred, radius 1": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
    "cropped by 1 %": lambda image: image.crop((0, 0, round(0.99 * image.width), round(0.99 * image.height))),
    "cropped by 10 %": lambda image: image.crop((0, 0, round(0.9 * image.width), round(0.9 * image.height))),
    "turned by 90 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_90),
}


def jpeg(image: Image.Image, quality: int, kind: str = "JPEG") -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=quality)
    return Image.open(buffer).convert("RGB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=200, help="photos to mark; false marks are looked for in all")
    options = parser.parse_args()
    chance: list[float] = []
    psnr: list[float] = []
    found: dict[str, list[float]] = {name: [] for name in ATTACKS}
    paths = [path for path in sorted(options.folder.rglob("*")) if is_supported(path)]
    step = max(1, len(paths) // options.most)
    for number, path in enumerate(paths):
        try:
            picture = read_photo(path, max_pixels=50_000_000).image_rgb
        except ReversePersonalizationError:
            continue
        if min(picture.shape[:2]) < LEAST_SIDE:
            continue
        chance.append(find_watermark(picture).deviations)
        if number % step:
            continue
        marked = watermarked(picture)
        psnr.append(cv2.PSNR(picture, marked))
        image = Image.fromarray(marked)
        for name, attack in ATTACKS.items():
            found[name].append(find_watermark(np.asarray(attack(image))).deviations)
    print(f"not marked: {len(chance)} photos, {sum(z >= SURE for z in chance)} found by chance, ", end="")
    print(f"largest deviation {max(chance):.2f} (found from {SURE:g})")
    print(f"marked: {len(psnr)} photos, PSNR median {statistics.median(psnr):.1f} dB, least {min(psnr):.1f} dB")
    for name, deviations in found.items():
        hits = sum(z >= SURE for z in deviations)
        print(f"{name:22} found in {hits} of {len(deviations)}, deviation median {statistics.median(deviations):.1f}")


if __name__ == "__main__":
    main()
