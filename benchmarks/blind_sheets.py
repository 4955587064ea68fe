"""Whether people who do not know which faces were replaced see it: sheets to look at, and what raters say of them.

python benchmarks/blind_sheets.py sheets PHOTOS RESULTS [RESULTS ...] --out OUT [--faces 224] [--seed 0] [--glance]
python benchmarks/blind_sheets.py rates OUT [OUT ...]

Each RESULTS folder is a version to compare, and holds the photos of PHOTOS under the same names, as
`revpers anonymize -r PHOTOS -o RESULTS` writes them. Of each photo one version is shown, the photo itself or a result,
cut to its largest face or, for a glance, with the head around it and half as large: OUT/sheet-*.png, and beside OUT the
key, which raters must not see. With k RESULTS folders, seeds 0 to k make k + 1 packs, each for another rater, in which
every photo is shown in every version once. Raters write OUT/ratings.csv with a line no,score,kind for each number: 0,
nothing strikes; 1, a close look finds something odd; 2, somebody who glances notices that something is wrong; 3,
grotesque; and what it is, in a word. For glances they may be asked instead which faces somebody who scrolls by would
call broken (visibly wrong, damaged, torn, smeared, not like a photograph of a person): 2, only a little odd: 1.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from reverse_personalization.bench.statistics import Rate
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.media.images import photos_below, read_photo
from reverse_personalization.media.thumbnails import square

WIDTH, TITLE = 1200, 24
# A score from which on somebody who glances notices.
NOTICED = 2


@dataclass(frozen=True)
class Layout:
    """How faces are shown: so many pixels wide each, and half as far around as so many times a face's size."""

    side: int
    reach: float

    @property
    def columns(self) -> int:
        return WIDTH // self.side


CLOSE, GLANCE = Layout(300, 0.62), Layout(150, 1.1)


def main() -> None:
    """Make sheets, or print what raters said."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    sheets = commands.add_parser("sheets")
    sheets.add_argument("photos", type=Path)
    sheets.add_argument("results", type=Path, nargs="+")
    sheets.add_argument("--out", type=Path, required=True)
    sheets.add_argument("--faces", type=int, default=224)
    sheets.add_argument("--seed", type=int, default=0)
    sheets.add_argument("--glance", dest="layout", action="store_const", const=GLANCE, default=CLOSE)
    sheets.set_defaults(run=make_sheets)
    rates = commands.add_parser("rates")
    rates.add_argument("out", type=Path, nargs="+")
    rates.set_defaults(run=print_rates)
    arguments = parser.parse_args()
    arguments.run(arguments)


def make_sheets(arguments: Any) -> None:
    versions = [arguments.photos, *arguments.results]
    names = [path.relative_to(arguments.photos) for path in photos_below(arguments.photos)]
    names = [name for name in names if all((version / name).exists() for version in versions)]
    # The same order for every rater, so that seeds show every photo in every version.
    np.random.default_rng(0).shuffle(names)
    names = names[: arguments.faces]
    if not names:
        raise SystemExit(f"No photo of {arguments.photos} is in every folder of results under its name.")
    shown_as = {name: versions[(index + arguments.seed) % len(versions)] for index, name in enumerate(names)}
    np.random.default_rng(arguments.seed).shuffle(names)
    layout, detector, shown, key = arguments.layout, YuNetDetector(), [], []
    for name in names:
        face = _largest_face(detector, arguments.photos / name, shown_as[name] / name, layout)
        if face is not None:
            shown.append(face)
            key.append((len(shown), str(name), str(shown_as[name])))
    arguments.out.mkdir(parents=True, exist_ok=True)
    many = layout.columns**2
    for first in range(0, len(shown), many):
        sheet = _sheet(shown[first : first + many], first + 1, layout)
        sheet.save(arguments.out / f"sheet-{first // many:02d}.png")
    with key_of(arguments.out).open("w", newline="") as file:
        csv.writer(file).writerows([("no", "photo", "version"), *key])
    print(f"{len(shown)} faces; " + ", ".join(f"{n} of {v}" for v, n in Counter(row[2] for row in key).items()))


def key_of(sheets: Path) -> Path:
    return sheets.with_name(f"{sheets.name}-key.csv")


def _largest_face(detector: YuNetDetector, photo: Path, version: Path, layout: Layout) -> Image.Image | None:
    found = detector.detect(read_photo(photo, max_pixels=10**8).image_rgb)
    if not found:
        return None
    x, y, width, height = found[0].box
    centre, reach = (x + width / 2, y + height / 2), layout.reach * max(width, height)
    # As large as it is first: only resizing averages what shrinks.
    shown = square(read_photo(version, max_pixels=10**8).image_rgb, centre, reach, round(2 * reach))
    return Image.fromarray(shown).resize((layout.side, layout.side), Image.Resampling.LANCZOS)


def _sheet(faces: list[Image.Image], number: int, layout: Layout) -> Image.Image:
    side, columns = layout.side, layout.columns
    sheet = Image.new("RGB", (columns * side, columns * (side + TITLE)), "white")
    for index, face in enumerate(faces):
        left, top = index % columns * side, index // columns * (side + TITLE)
        sheet.paste(face, (left, top + TITLE))
        ImageDraw.Draw(sheet).text((left + 8, top + 4), f"#{number + index}", fill="black", font_size=16)
    return sheet


def print_rates(arguments: Any) -> None:
    said: dict[str, list[tuple[int, str]]] = {}
    for sheets in arguments.out:
        with key_of(sheets).open() as file:
            versions = {row["no"]: row["version"] for row in csv.DictReader(file)}
        with (sheets / "ratings.csv").open() as file:
            for row in csv.DictReader(file):
                if row["no"] in versions and row["score"]:
                    said.setdefault(versions[row["no"]], []).append((int(row["score"]), row["kind"]))
    for version, scores in said.items():
        noticed = [kind for score, kind in scores if score >= NOTICED]
        kinds = ", ".join(f"{kind} {number}" for kind, number in Counter(noticed).most_common())
        mean = np.mean([score for score, _ in scores])
        print(f"{version}: noticed {Rate(len(noticed), len(scores))}, mean {mean:.2f} ({kinds})")


if __name__ == "__main__":
    main()
