"""k-same (Newton, Sweeney and Malin 2005): every face becomes the mean of the k faces most like it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from reverse_personalization.bench.embedding import MAX_PIXELS, middlemost
from reverse_personalization.bench.methods import Outcome, Progress, Status, one_by_one
from reverse_personalization.faces.alignment import arcface_crop, invert_transform
from reverse_personalization.faces.compositing import ellipse
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.faces.face import ByteArray, FloatArray
from reverse_personalization.media.images import read_photo

K = 10
MARGIN = 0.05


class KSame:
    """Aligned pixels, averaged over the k nearest faces among the photos of the run."""

    workers = 1

    def __init__(self) -> None:
        """Load the detector."""
        self.name, self.key = "k-same", f"k-same {K}"
        self._detector = YuNetDetector(turned=False)
        self._faces: FloatArray = np.zeros((0, 112, 112, 3), np.float32)

    def __call__(self, image_rgb: ByteArray) -> tuple[ByteArray, Status]:
        """The picture with its subject's face averaged."""
        face = middlemost(self._detector.detect(image_rgb), image_rgb)
        if face is None:
            return image_rgb, "no face found"
        crop, to_crop = arcface_crop(image_rgb, face.keypoints)
        distance = ((self._faces - crop) ** 2).mean((1, 2, 3))
        nearest = self._faces[np.argsort(distance)[:K]].mean(0)
        height, width = image_rgb.shape[:2]
        back = cv2.warpAffine(nearest, invert_transform(to_crop), (width, height))
        seen = cv2.warpAffine(np.ones((112, 112), np.uint8), invert_transform(to_crop), (width, height)) > 0
        mask = ellipse(slice(0, height), slice(0, width), face, MARGIN) & seen
        alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.04 * face.size)[..., None] * mask[..., None]
        return cast(ByteArray, np.rint(image_rgb + alpha * (back - image_rgb)).astype(np.uint8)), "anonymized"

    def run(self, photos: Sequence[Path], folder: Path, progress: Progress) -> list[Outcome]:
        """See `Method.run`."""
        if not (folder / "done").exists():
            crops = [crop for photo in photos if (crop := self._crop(photo)) is not None]
            self._faces = np.stack(crops) if crops else self._faces
        outcomes = one_by_one(self, photos, folder, progress)
        (folder / "done").touch()
        return outcomes

    def _crop(self, photo: Path) -> FloatArray | None:
        image_rgb = read_photo(photo, max_pixels=MAX_PIXELS).image_rgb
        face = middlemost(self._detector.detect(image_rgb), image_rgb)
        return None if face is None else arcface_crop(image_rgb, face.keypoints)[0].astype(np.float32)
