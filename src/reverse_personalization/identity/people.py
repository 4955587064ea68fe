"""Who stays visible: people known from a folder of photos. Whatever is doubtful is replaced.

The two rules lean the same way. To be *kept*, a face must be like one photo of the folder, for every
recogniser, above its strict threshold. To be left out by *only*, it must be unlike all photos of the folder,
for every recogniser, at or below its usual, lower threshold, and large enough for that to mean something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from reverse_personalization.errors import InputError
from reverse_personalization.faces.detection import Detector
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.identity.kinds import youth
from reverse_personalization.identity.thresholds import threshold_of
from reverse_personalization.media.images import photos_below, read_photo

Rule = Literal["keep", "only"]
# Pixels of a face's longer side, below which being unlike somebody says little.
LEAST_SIZE: Final = 48
REASONS: Final[dict[Rule, str]] = {
    "keep": "Left visible: every recogniser finds one of the people to keep.",
    "only": "Left visible: no recogniser finds any of the people to replace.",
}


@dataclass(frozen=True)
class Likeness:
    """How alike one recogniser finds a face and the folder.

    Attributes:
        recogniser: its name.
        similarity: for "keep" that to the photo which decided, for "only" the highest to any.
        threshold: what it had to be above, or must not exceed.
    """

    recogniser: str
    similarity: float
    threshold: float


class People:
    """The people of a folder, and the rule for faces that are like them."""

    def __init__(self, rule: Rule, known: Mapping[str, FloatArray], recognisers: Sequence[Recogniser]) -> None:
        """Take what is known.

        Args:
            rule: "keep": these stay visible; "only": all others do.
            known: by recogniser, float32 n x d, a row per photo.
            recognisers: all that must agree.
        """
        self.rule, self._known, self._recognisers = rule, dict(known), tuple(recognisers)
        self._limits = {r.name: threshold_of(r, strict=rule == "keep") for r in recognisers}

    @classmethod
    def read(
        cls, rule: Rule, folder: Path, detector: Detector, recognisers: Sequence[Recogniser], *, max_pixels: int
    ) -> People:
        """Embed the photos in a folder and the folders below it; each must show exactly one face.

        Raises:
            InputError: there is no folder or photo, one cannot be read, or shows no face or several.
        """
        photos = list(photos_below(folder))
        if not photos:
            raise InputError(f"{folder}: is no folder with photos; give one with photos of the people, a face on each.")
        rows: dict[str, list[FloatArray]] = {recogniser.name: [] for recogniser in recognisers}
        for path in photos:
            image_rgb = read_photo(path, max_pixels=max_pixels).image_rgb
            faces = detector.detect(image_rgb)
            if len(faces) != 1:
                count = f"{len(faces)} faces" if faces else "no face"
                raise InputError(f"{path}: shows {count}, so whom it is of is not known; crop it to one person's face.")
            for recogniser in recognisers:
                rows[recogniser.name].append(recogniser.embed(image_rgb, faces[0]))
        return cls(rule, {name: np.stack(of) for name, of in rows.items()}, recognisers)

    @property
    def reason(self) -> str:
        """Why a face stays visible, in a sentence."""
        return REASONS[self.rule]

    def leaves(self, embeddings: Mapping[str, FloatArray], size: float) -> tuple[Likeness, ...]:
        """Why a face stays visible, by recogniser; empty where it does not.

        Args:
            embeddings: of the face, by recogniser.
            size: of its longer side, in pixels.
        """
        alike = np.stack([self._similarities(recogniser, embeddings) for recogniser in self._recognisers])
        # The smaller or younger faces are, the more alike all of them seem: that must keep nobody, nor let anybody out.
        seen = (size, youth(embeddings)) if self.rule == "keep" else (np.inf, 0.0)
        limits = np.array([self._limits[r.name](*seen) for r in self._recognisers])
        if not np.isfinite(alike).all():
            return ()
        if self.rule == "keep":
            margins = (alike - limits[:, None]).min(0)
            best = int(margins.argmax())
            return self._likenesses(alike[:, best], limits) if margins[best] > 0 else ()
        stays = size >= LEAST_SIZE and bool((alike <= limits[:, None]).all())
        return self._likenesses(alike.max(1), limits) if stays else ()

    def _similarities(self, recogniser: Recogniser, embeddings: Mapping[str, FloatArray]) -> FloatArray:
        return np.asarray(
            recogniser.similarity(embeddings[recogniser.name], self._known[recogniser.name])[0], np.float32
        )

    def _likenesses(self, similarities: FloatArray, limits: NDArray[np.floating]) -> tuple[Likeness, ...]:
        return tuple(
            Likeness(recogniser.name, float(value), float(limit))
            for recogniser, value, limit in zip(self._recognisers, similarities, limits, strict=True)
        )


def newest_change(folder: Path) -> int:
    """When anything in a folder changed last, in nanoseconds; a photo that came or went changes its folder."""
    times = (path.stat() for path in (folder, *folder.rglob("*")))
    return max(max(stat.st_mtime_ns, stat.st_ctime_ns) for stat in times)
