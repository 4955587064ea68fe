"""Whether results have the grain of their photos: how strong detail is on parts of a face, as a share of the photo's.

python benchmarks/grain.py PHOTOS RESULTS [--least 0] [--most 10000]

RESULTS holds the photos of PHOTOS under the same names, as `revpers anonymize -r PHOTOS -o RESULTS` writes them. Of
each the surest face counts, if it is from `--least` to `--most` pixels large and has a mesh in both. Detail comes in
bands, by texels of the canonical frame (128 across a face): up to half of one, one, two and four.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from reverse_personalization.engines.compact.codec import FaceCodec
from reverse_personalization.engines.compact.frame import HAIRLINE, SIZE, CanonicalFrame
from reverse_personalization.engines.compact.parts import read_parts
from reverse_personalization.errors import EngineError
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.faces.face import FloatArray, Mesh
from reverse_personalization.faces.mesh import FaceMesher
from reverse_personalization.media.images import photos_below, read_photo

# Pixels a texel, as finely as faces are looked at, and texels.
FINER, SCALES = 3, (0.5, 1.0, 2.0, 4.0)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--least", type=float, default=0)
    parser.add_argument("--most", type=float, default=1e4)
    arguments = parser.parse_args()
    frame = CanonicalFrame(FaceCodec(read_parts()["codec"]).mean_shape)
    parts, detector, mesher = parts_of(frame), YuNetDetector(turned=False), FaceMesher()

    def details(path: Path) -> tuple[float, FloatArray] | None:
        image_rgb = read_photo(path, max_pixels=10**8).image_rgb
        found = detector.detect(image_rgb)
        try:
            mesh = mesher.fitted(image_rgb, found[0]) if found else None
        except EngineError:
            return None
        return None if mesh is None else (found[0].size, bands(image_rgb, mesh, parts, frame))

    shares, levels, missed = [], [], 0
    for name in (path.relative_to(arguments.photos) for path in photos_below(arguments.photos)):
        before, after = details(arguments.photos / name), details(arguments.results / name)
        if before is None or after is None:
            missed += 1
        elif arguments.least <= before[0] <= arguments.most:
            shares.append(after[1] / before[1])
            levels.append(before[1])
    if not shares:
        raise SystemExit("No face of such a size has a mesh in photo and result.")
    print(f"{len(shares)} faces, {missed} photos without a mesh in either; medians by band (texels)")
    print(f"{'':10}" + "".join(f"{f'up to {scale:g}':>22}" for scale in SCALES))
    for part, share, level in zip(parts, np.median(shares, 0).T, np.median(levels, 0).T, strict=True):
        print(
            f"{part:10}"
            + "".join(f"{one:8.2f} of {there:4.1f} levels" for one, there in zip(share, level, strict=True))
        )


def parts_of(frame: CanonicalFrame) -> dict[str, FloatArray]:
    """Parts of a face, each SIZE x SIZE, 0 to 1."""
    skin, (*_, right_eye, left_eye, lips) = frame.skin * (frame.inward > HAIRLINE) * frame.modelled, frame.features
    above = np.arange(SIZE)[:, None] < SIZE / 2
    return {
        "brows": frame.brows * (1 - np.maximum(right_eye, left_eye)),
        "forehead": skin * above,
        "cheeks": skin * ~above,
        "lips": lips * frame.modelled,
        "nose": np.add(*frame.nose) * frame.modelled,
    }


def bands(image_rgb: np.ndarray, mesh: Mesh, parts: dict[str, FloatArray], frame: CanonicalFrame) -> FloatArray:
    """Root mean square of detail in levels, bands x parts."""

    def finer(canonical: FloatArray) -> FloatArray:
        return cv2.resize(canonical.astype(np.float32), (FINER * SIZE, FINER * SIZE))

    grid = finer(frame.spread(mesh.points))
    left = cv2.remap(image_rgb.astype(np.float32).mean(2), grid[..., 0], grid[..., 1], cv2.INTER_LINEAR)
    weights, found = [finer(part) for part in parts.values()], []
    for scale in SCALES:
        slow = cv2.GaussianBlur(left, (0, 0), FINER * scale)
        found.append([np.sqrt(np.vdot((left - slow) ** 2, weight) / weight.sum()) for weight in weights])
        left = slow
    return np.array(found, np.float32)


if __name__ == "__main__":
    main()
