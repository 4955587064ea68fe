"""What results have in common that photos have not: the mean change of many faces, texel by texel.

python benchmarks/mean_change.py PHOTOS RESULTS --out map.png

One face's change is another person; what is left on average is no person but a fault of drawing: cheeks that get
darker, noses that get redder. RESULTS holds the photos of PHOTOS under the same names. The map shows luma, red and blue
apart from luma, eight times as strong, grey where nothing changes; the table has the mean by part of the face, in
levels of 255, with twice its standard error over faces.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reverse_personalization.engines.compact.codec import FaceCodec
from reverse_personalization.engines.compact.frame import SIZE
from reverse_personalization.engines.compact.parts import read_parts
from reverse_personalization.engines.compact.textures import luma_of
from reverse_personalization.errors import ReversePersonalizationError
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.faces.mesh import FaceMesher
from reverse_personalization.media.images import photos_below, read_photo

STRENGTH, ENLARGED, MOST_PIXELS = 8, 3, 10**8
PLANES = "luma", "red", "blue"


def main() -> None:
    """Print the table and write the map."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    codec = FaceCodec(read_parts()["codec"])
    detector, mesher, found = YuNetDetector(), FaceMesher(), []
    for path in photos_below(arguments.photos):
        result = arguments.results / path.relative_to(arguments.photos)
        if result.exists() and (change := _change(path, result, codec, detector, mesher)) is not None:
            found.append(change)
    if not found:
        raise SystemExit(f"No face of {arguments.photos} has a result under its photo's name in {arguments.results}.")
    changes, seen = (np.stack(one) for one in zip(*found, strict=True))
    mean = (changes * seen[..., None]).sum(0) / (seen.sum(0)[..., None] + 1e-3)
    tiles = np.hstack([np.clip(128 + STRENGTH * plane, 0, 255).astype(np.uint8) for plane in np.moveaxis(mean, 2, 0)])
    Image.fromarray(tiles).resize((ENLARGED * tiles.shape[1], ENLARGED * SIZE)).save(arguments.out)
    print(f"{len(found)} faces, {'  '.join(PLANES)}")
    for name, part in _parts(codec).items():
        print(f"{name:>9}  " + "  ".join(_told(changes[..., plane], seen * part) for plane in range(len(PLANES))))


def _change(photo: Path, result: Path, codec: FaceCodec, detector: Any, mesher: Any) -> tuple[Any, Any] | None:
    """The change of the surest face, SIZE x SIZE x 3, and how much of it is seen, SIZE x SIZE; None without a face."""
    before, after = (read_photo(one, max_pixels=MOST_PIXELS).image_rgb for one in (photo, result))
    faces = detector.detect(before)
    if not faces:
        return None
    try:
        mesh = mesher.fitted(before, faces[0])
    except ReversePersonalizationError:
        return None
    encoding = codec.encode(before, mesh)
    change = 255 * (codec.frame.sample(after, mesh.points) - encoding.texture)
    luma = luma_of(change)
    planes = np.stack([luma, change[..., 0] - luma, change[..., 2] - luma], 2)
    return planes, encoding.coverage * codec.frame.modelled


def _parts(codec: FaceCodec) -> dict[str, Any]:
    """Where parts of the face are, SIZE x SIZE, 0 to 1."""
    frame = codec.frame
    brows, eyes, nose = np.max(frame.features[:2], 0), np.max(frame.features[2:4], 0), np.max(frame.nose, 0)
    rows = np.arange(SIZE)[:, None]
    top, low = frame.vertices[10, 1], frame.vertices[152, 1]
    inner = frame.skin * (frame.inward > 9)
    height = (rows - top) / (low - top)
    return {
        "rim": frame.skin * (frame.inward <= 6),
        "forehead": inner * (height < 0.28),
        "cheeks": inner * (height >= 0.4) * (height < 0.7),
        "chin": inner * (height >= 0.85),
        "brows": brows,
        "eyes": eyes,
        "nose": nose,
        "lips": frame.lips,
    }


def _told(plane: Any, weight: Any) -> str:
    by_face = weight.sum((1, 2))
    usable = by_face > 1
    means = (plane * weight).sum((1, 2))[usable] / by_face[usable]
    error = 2 * means.std() / max(np.sqrt(len(means)), 1)
    return f"{means.mean():+6.1f} ± {error:.1f}"


if __name__ == "__main__":
    main()
