"""What lies on a face and is no part of it: glasses, hair, hands, as a small network of ours sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from reverse_personalization import weights
from reverse_personalization.engines.compact.frame import SIZE, CanonicalFrame
from reverse_personalization.engines.compact.textures import luma_of, normalise
from reverse_personalization.faces.compositing import smoothstep
from reverse_personalization.faces.face import ByteArray, FloatArray
from reverse_personalization.identity.onnx_graph import OnnxGraph

LEVELS: Final = (24, 40, 64, 80)
"""Channels of the network's levels, each half as large as the one before."""
# From so sure on, and from so many texels on, something is an obstacle: glasses come in small pieces as far as so many
# texels from the eyes, which come to as much as one elsewhere, and hair as near to the outline; elsewhere what is small
# is a shadow of beards, noses or folds.
SURE, LEAST, LEAST_ELSEWHERE = 0.55, 16, 60
OF_GLASSES, OF_HAIR = 18.0, 4.0
# Near eyes, lines that lead on from obstacles are rims, too, from so sure on, and if they are seen so well; then they
# count as so sure.
FAINT, SEEN, TRUSTED = 0.25, 0.3, 0.75
# What codes miss tells more, in units of its median around the eyes. Glasses that they miss by less than so much on
# average are none; if they reach across so many texels, as both rims do, and neither sockets nor brows, than so much,
# which is all that they miss of rims in small photos.
NOTHING, ACROSS, LITTLE = 2.2, 64, 1.4
# Lines that codes miss by so much are rims even if they are only so sure, as far as so many texels from the eyes.
MISSED, UNSURE, REACHING = 3.0, 0.06, 28.0
# Within so many texels of the mirror image of rims, which are narrower than so much, the other rims are seen, from so
# sure on.
MIRRORED, FRAME, EXPECTED = 3, 7, 0.15
# Around it, so many texels wide, how surely a texel is hidden, blurred over so many, is how much: all from the sum on.
NEAR, SOFT, FROM, RAMP = 5, 0.6, 0.25, 0.5
# What is wider than so many texels has sharp borders only where luma has an edge, of a contrast beyond so much, and
# else borders as soft as so many texels: shadows that pass for obstacles show none.
THIN, EDGE, FEATHER = 5, 0.045, 3
STRETCHED = 0.1, 0.8
LEAST_WEIGHT = 1e-3


def packed(planes: FloatArray, seen: FloatArray) -> FloatArray:
    """What the network is shown: float32 16 x SIZE/2 x SIZE/2, 2 x 2 texels as channels of one.

    Args:
        planes: float32 SIZE x SIZE x 3, normalised luma, B - Y and R - Y.
        seen: float32 SIZE x SIZE, 0 to 1.
    """
    shown = np.concatenate([planes, np.ones_like(seen)[..., None]], 2) * seen[..., None]
    halves = shown.reshape(SIZE // 2, 2, SIZE // 2, 2, 4).transpose(4, 1, 3, 0, 2)
    return np.ascontiguousarray(halves.reshape(16, SIZE // 2, SIZE // 2), np.float32)


class Look(NamedTuple):
    """What the network sees on a face.

    Attributes:
        luma: float32 SIZE x SIZE.
        surely: float32 SIZE x SIZE, 0 to 1, how surely each texel is hidden.
        seen: float32 SIZE x SIZE, 0 to 1.
        obstacles: uint8 SIZE x SIZE, 0 or 1, where it is sure.
    """

    luma: FloatArray
    surely: FloatArray
    seen: FloatArray
    obstacles: ByteArray


class ObstacleFinder:
    """The network in OpenCV; not for several threads at a time."""

    def __init__(self, frame: CanonicalFrame) -> None:
        """Read the weights that `training.obstacle_network` wrote; `frame` says where glasses and hair are."""
        self._usual = frame.from_eyes < OF_GLASSES, frame.inward < OF_HAIR
        self._reached_by_rims = frame.from_eyes < REACHING
        tensors = load_file(weights.path("obstacles"))
        self._net = cv2.dnn.readNetFromONNX(np.frombuffer(_model(tensors), np.uint8))

    def look(self, texture_rgb: FloatArray, seen: FloatArray) -> Look:
        """Look at a float32 SIZE x SIZE x 3 texture, 0 to 1, of which so much is seen (float32 SIZE x SIZE, 0 to 1)."""
        surely = self._surely(normalise(texture_rgb, seen)[0], seen)
        return Look(luma_of(texture_rgb), surely, seen, self._without_specks(surely > SURE))

    def hidden(self, look: Look, *, missed: FloatArray | None = None) -> FloatArray:
        """Where something lies on a face, with soft borders, float32 SIZE x SIZE, 0 to 1.

        Args:
            look: at the face.
            missed: float32 SIZE x SIZE, by how much codes that were fitted to what is not hidden miss a texel.
        """
        obstacles = look.obstacles
        if missed is None:
            rims = self._led_on(obstacles, look.surely > FAINT, look.seen)
        else:
            times = self._times_usual(missed, obstacles, look.seen)
            obstacles = self._without_nothings(obstacles, times, look.seen)
            missing = (times > MISSED) & (look.surely > UNSURE)
            rims = self._led_on(obstacles, (look.surely > FAINT) | missing, look.seen)
            rims |= self._mirrored(obstacles | rims, look)
        surely = np.where(rims > 0, np.maximum(look.surely, TRUSTED), look.surely)
        near = cv2.dilate(obstacles | rims, np.ones((NEAR, NEAR), np.uint8))
        share = near * smoothstep((cv2.GaussianBlur(surely, (0, 0), SOFT) - FROM) / RAMP)
        return _softened(np.asarray(share, np.float32), look.luma, look.seen)

    def worn(self, look: Look) -> bool:
        """Whether something seems to be worn before the eyes."""
        return bool(self._worn(look.obstacles, look.seen).any())

    def _without_specks(self, found: NDArray[np.bool_]) -> ByteArray:
        """Obstacles among what is found, 0 or 1, SIZE x SIZE both: what is small is one only where such are worn."""
        _, parts, statistics, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8))
        areas = statistics[:, cv2.CC_STAT_AREA]
        glasses, hair = (_reached(parts, near) for near in self._usual)
        pieces = areas >= LEAST
        pieces[0] = False  # is what is no part
        worn = areas[pieces & glasses].sum() >= LEAST_ELSEWHERE
        obstacles = pieces & (hair | (glasses & worn) | (areas >= LEAST_ELSEWHERE))
        return np.asarray(obstacles[parts], np.uint8)

    def _worn(self, obstacles: ByteArray, seen: FloatArray) -> NDArray[np.bool_]:
        """Which texels of obstacles glasses may have, bool SIZE x SIZE; fewer than glasses come to are none."""
        glasses = (obstacles > 0) & self._usual[0] & (seen > SEEN)
        return np.asarray(glasses & (glasses.sum() >= LEAST_ELSEWHERE))

    def _times_usual(self, missed: FloatArray, obstacles: ByteArray, seen: FloatArray) -> FloatArray:
        """How many times as much as usual around the eyes codes miss a texel, SIZE x SIZE."""
        bare = self._usual[0] & (seen > SEEN) & (obstacles == 0)
        return missed / max(float(np.median(missed[bare])) if bare.any() else 0.0, LEAST_WEIGHT)

    def _without_nothings(self, obstacles: ByteArray, times: FloatArray, seen: FloatArray) -> ByteArray:
        """Obstacles, 0 or 1, without glasses that are missed as little as faces are, so many `times` as much as usual.

        What lies beside the eyes as well, as hands do, is none.
        """
        glasses = self._worn(obstacles, seen)
        _, parts = cv2.connectedComponents(np.asarray(obstacles * (seen > SEEN), np.uint8))
        mostly = np.bincount(parts.ravel(), glasses.ravel()) > np.bincount(parts.ravel()) / 2
        glasses &= mostly[parts]
        least = LITTLE if glasses.any(0).sum() >= ACROSS else NOTHING
        is_nothing = glasses.any() and times[glasses].mean() < least
        return np.asarray(obstacles * ~glasses, np.uint8) if is_nothing else obstacles

    def _led_on(self, obstacles: ByteArray, faint: NDArray[np.bool_], seen: FloatArray) -> ByteArray:
        """Faint lines near the eyes that go on from obstacles, by hysteresis (Canny 1986), 0 or 1, SIZE x SIZE all."""
        worn = self._worn(obstacles, seen)
        lines = _thin(faint & self._reached_by_rims & (seen > SEEN), THIN)
        _, parts = cv2.connectedComponents(np.asarray(lines, np.uint8))
        return np.asarray(lines & _reached(parts, worn)[parts], np.uint8)

    def _mirrored(self, rims: ByteArray, look: Look) -> ByteArray:
        """What may be the other half's rims, near the eyes, 0 or 1, SIZE x SIZE both."""
        narrow = np.asarray(_thin(self._worn(rims, look.seen), FRAME)[:, ::-1], np.uint8)
        other = cv2.dilate(narrow, np.ones((MIRRORED, MIRRORED), np.uint8))
        return np.asarray(other * (look.surely > EXPECTED) * (look.seen > SEEN), np.uint8)

    def _surely(self, planes: FloatArray, seen: FloatArray) -> FloatArray:
        """How surely each texel is hidden, float32 SIZE x SIZE, 0 to 1, given what `packed` is given."""
        self._net.setInput(packed(planes, seen)[None])
        logits = self._net.forward()[0].reshape(2, 2, SIZE // 2, SIZE // 2).transpose(2, 0, 3, 1)
        return np.asarray(1 / (1 + np.exp(-logits.reshape(SIZE, SIZE))), np.float32)


def _reached(parts: cv2.typing.MatLike, where: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of so many parts, each numbered where it is (SIZE x SIZE), are also where something else is."""
    return np.asarray(np.bincount(parts.ravel(), where.ravel()) > 0)


def _thin(found: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """What of something, SIZE x SIZE, is less wide than so many texels."""
    wide = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, np.ones((width, width), np.uint8))
    return np.asarray(found & (cv2.dilate(wide, np.ones((3, 3), np.uint8)) == 0))


def _softened(share: FloatArray, luma: FloatArray, seen: FloatArray) -> FloatArray:
    """A share, SIZE x SIZE, without borders that luma does not show, but for what is thin."""
    wide = np.asarray(cv2.morphologyEx(share, cv2.MORPH_OPEN, np.ones((THIN, THIN), np.uint8)), np.float32)
    low, high = STRETCHED
    softened = np.clip((_guided(wide, luma, seen) - low) / (high - low), 0, 1)
    return np.asarray(np.minimum(share - wide + softened, 1), np.float32)


def _guided(share: FloatArray, luma: FloatArray, seen: FloatArray) -> FloatArray:
    """A share, SIZE x SIZE, as a linear function of luma around each texel: it has luma's edges (He et al. 2010)."""

    def around(values: FloatArray) -> FloatArray:
        total, weight = (cv2.boxFilter(one, -1, (2 * FEATHER + 1,) * 2) for one in (values * seen, seen))
        return np.asarray(total / (weight + LEAST_WEIGHT), np.float32)

    mean, middle = around(share), around(luma)
    slope = (around(share * luma) - mean * middle) / (around(luma**2) - middle**2 + EDGE**2)
    return np.asarray(around(slope) * luma + around(mean - slope * middle), np.float32)


def _model(tensors: Mapping[str, NDArray[np.floating]]) -> bytes:
    graph = OnnxGraph("obstacles", (1, 16, SIZE // 2, SIZE // 2))

    def block(name: str, value: str, stride: int = 1) -> str:
        kernel, bias = (np.asarray(tensors[f"{name}.{part}"], np.float32) for part in ("kernel", "bias"))
        return graph.convolve(value, kernel, bias, stride=stride)

    def enlarged(name: str, value: str) -> str:
        weights = [np.asarray(tensors[f"{name}.{part}"], np.float32) for part in ("kernel", "bias")]
        return graph.add("ConvTranspose", value, weights=weights, kernel_shape=(2, 2), strides=(2, 2))

    value, passed = graph.add("Relu", block("entry", "input")), []
    for level in range(len(LEVELS) - 1):
        passed.append(value)
        value = graph.add("Relu", block(f"down{level}", value, 2))
        value = graph.add("Relu", block(f"deep{level}", value))
    for level in range(len(LEVELS) - 1):
        value = graph.add("Add", enlarged(f"up{level}", value), passed.pop())
        value = graph.add("Relu", block(f"merge{level}", value))
    return graph.serialized({block("exit", value): (1, 4, SIZE // 2, SIZE // 2)})
