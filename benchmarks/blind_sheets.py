"""Whether people who do not know which faces were replaced see it: sheets to look at, and what raters say of them.

python benchmarks/blind_sheets.py sheets PHOTOS RESULTS OUT [--faces 224] [--seed 0]
python benchmarks/blind_sheets.py rates OUT RATINGS.csv

RESULTS holds the photos of PHOTOS under the same names, as `revpers anonymize -r PHOTOS -o RESULTS` writes them. Of
each photo either itself or its result is shown, cut to its largest face: OUT/sheet-*.png, and beside OUT the key, which
raters must not see. They write a line for each number, no,broken,edited, each 0 or 1: whether somebody who glances at
the face would call it broken, and whether they would bet that it was edited. Seeds 0 and 1 show the two halves.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from reverse_personalization.bench.statistics import Rate
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.media.images import photos_below, read_photo

SIDE, TITLE, COLUMNS, ROWS = 300, 24, 4, 4
# Half the side of what is shown, in units of a face's size.
REACH = 0.62


def main() -> None:
    """Make sheets, or print what raters said."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    sheets = commands.add_parser("sheets")
    for name in ("photos", "results", "out"):
        sheets.add_argument(name, type=Path)
    sheets.add_argument("--faces", type=int, default=224)
    sheets.add_argument("--seed", type=int, default=0)
    sheets.set_defaults(run=make_sheets)
    rates = commands.add_parser("rates")
    for name in ("out", "ratings"):
        rates.add_argument(name, type=Path)
    rates.set_defaults(run=print_rates)
    arguments = parser.parse_args()
    arguments.run(arguments)


def make_sheets(arguments: Any) -> None:
    names = [path.relative_to(arguments.photos) for path in photos_below(arguments.photos)]
    names = [name for name in names if (arguments.results / name).exists()]
    np.random.default_rng(arguments.seed // 2).shuffle(names)
    names = names[: arguments.faces]
    if not names:
        raise SystemExit(f"{arguments.results}: has no photo of {arguments.photos} under its name.")
    edited = {name: (index + arguments.seed) % 2 == 1 for index, name in enumerate(names)}
    np.random.default_rng(arguments.seed).shuffle(names)
    detector, shown, key = YuNetDetector(), [], []
    for name in names:
        face = _largest_face(detector, arguments.photos / name, arguments.results / name if edited[name] else None)
        if face is not None:
            shown.append(face)
            key.append((len(shown), str(name), int(edited[name])))
    arguments.out.mkdir(parents=True, exist_ok=True)
    for first in range(0, len(shown), COLUMNS * ROWS):
        sheet = _sheet(shown[first : first + COLUMNS * ROWS], first + 1)
        sheet.save(arguments.out / f"sheet-{first // (COLUMNS * ROWS):02d}.png")
    with key_of(arguments.out).open("w", newline="") as file:
        csv.writer(file).writerows([("no", "photo", "edited"), *key])
    print(f"{len(shown)} faces, {sum(row[2] for row in key)} of them results")


def key_of(sheets: Path) -> Path:
    return sheets.with_name(f"{sheets.name}-key.csv")


def _largest_face(detector: YuNetDetector, photo: Path, result: Path | None) -> Image.Image | None:
    before = read_photo(photo, max_pixels=10**8).image_rgb
    found = detector.detect(before)
    if not found:
        return None
    x, y, width, height = found[0].box
    reach = REACH * max(width, height)
    box = [
        round(v) for v in (x + width / 2 - reach, y + height / 2 - reach, x + width / 2 + reach, y + height / 2 + reach)
    ]
    shown = before if result is None else read_photo(result, max_pixels=10**8).image_rgb
    return Image.fromarray(shown).crop(tuple(box)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _sheet(faces: list[Image.Image], number: int) -> Image.Image:
    sheet = Image.new("RGB", (COLUMNS * SIDE, ROWS * (SIDE + TITLE)), "white")
    for index, face in enumerate(faces):
        left, top = index % COLUMNS * SIDE, index // COLUMNS * (SIDE + TITLE)
        sheet.paste(face, (left, top + TITLE))
        ImageDraw.Draw(sheet).text((left + 8, top + 4), f"#{number + index}", fill="black", font_size=16)
    return sheet


def print_rates(arguments: Any) -> None:
    with key_of(arguments.out).open() as file:
        key = {row["no"]: row["edited"] == "1" for row in csv.DictReader(file)}
    with arguments.ratings.open() as file:
        rows = [row for row in csv.DictReader(file) if row["no"] in key]
    print(f"{len(rows)} of {len(key)} faces rated")
    for kind, is_result in (("results", True), ("photos", False)):
        said = [row for row in rows if key[row["no"]] == is_result]
        for what in ("broken", "edited"):
            print(f"{kind} called {what}: {Rate(sum(row[what] == '1' for row in said), len(said))}")


if __name__ == "__main__":
    main()
