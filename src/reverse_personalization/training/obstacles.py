"""Faces with things drawn on them that lie on faces in photos: glasses, hair, hands, whatever is held before one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reverse_personalization.engines.compact.frame import SIZE, CanonicalFrame
from reverse_personalization.faces import topology
from reverse_personalization.faces.face import ByteArray, FloatArray

Values = NDArray[np.floating]
"""Of any precision: what is drawn is rounded at the end."""
# Drawn so many times as large, then averaged: rims are narrower than two texels.
FINE = 4
# Shares of pictures on which each kind is drawn.
GLASSES, HAIR, OBJECT, SHADE, SOCKETS, FOLDS = 0.5, 0.3, 0.35, 0.5, 0.2, 0.5
# Of the mesh: where folds begin beside the nose, and the corners of the mouth; right and left.
NOSTRILS, MOUTH = (129, 358), (61, 291)
# Opacity from which something hides a face.
HIDES = 0.3


@dataclass(frozen=True, eq=False)
class Drawn:
    """A texture with obstacles.

    Attributes:
        texture_rgb: float32 SIZE x SIZE x 3, 0 to 1.
        hidden: bool SIZE x SIZE.
    """

    texture_rgb: FloatArray
    hidden: NDArray[np.bool_]


class ObstacleDrawer:
    """Draws obstacles at random."""

    def __init__(self, frame: CanonicalFrame, materials: ByteArray, generator: np.random.Generator) -> None:
        """Take the frame, and n x h x w x 3 pictures out of which objects and hair are cut."""
        self._random, self._materials = generator, materials
        corners = frame.vertices
        self._eyes = tuple(corners[list(ring)].mean(0) for ring in (topology.RIGHT_EYE, topology.LEFT_EYE))
        self._nostrils, self._mouth = corners[list(NOSTRILS)], corners[list(MOUTH)]
        self._skin = frame.skin * frame.modelled

    def draw(self, texture_rgb: Values, worn: NDArray[np.bool_] | None = None) -> Drawn:
        """A texture as it would be seen behind none, one or several obstacles.

        Args:
            texture_rgb: float32 SIZE x SIZE x 3, 0 to 1.
            worn: bool SIZE x SIZE, where something lies on it already: then neither folds nor glasses are drawn.
        """
        bare = worn is None
        texture, hidden = texture_rgb, np.zeros((SIZE, SIZE), bool) if worn is None else worn
        if self._chance(SHADE):
            texture = self._shaded(texture)
        if bare and self._chance(FOLDS):
            texture = self._folded(texture)
        for share, kind in ((GLASSES * bare, self._glasses), (HAIR, self._hair), (OBJECT, self._object)):
            if self._chance(share):
                colour, opacity = kind(texture)
                texture = texture + opacity[..., None] * (colour - texture)
                hidden = hidden | (opacity > HIDES)
        return Drawn(self._photographed(texture), hidden)

    def _glasses(self, texture: Values) -> tuple[Values, Values]:
        """Rims of any shape, width and colour, with a bridge and temples, and what lenses reflect."""
        uniform = self._random.uniform
        half = np.array([uniform(13, 21), uniform(7, 15)])
        power, tilt = uniform(2, 5), uniform(-0.12, 0.12)
        shift = np.array([self._random.normal(0, 2.5), uniform(-2, 5)])
        # A turned head sees one lens narrower than the other.
        narrow = np.clip(1 + self._random.normal(0, 0.08) * np.array([1, -1]), 0.7, 1.3)
        width = uniform(0.7, 1.8) if self._chance(0.6) else uniform(1.8, 4.5)
        rims = [
            _oval(eye + shift + (side * uniform(0, 3), 0), half * (share, 1), power, side * tilt)
            for eye, side, share in zip(self._eyes, (-1, 1), narrow, strict=True)
        ]
        line = self._lines(rims, width)
        inner = [rim[np.abs(rim - np.mean(self._eyes, 0)).sum(1).argmin()] for rim in rims]
        arch = (inner[0] + inner[1]) / 2 - (0, uniform(-1, 4))
        outer = [rim[np.abs(rim[:, 0] - SIZE / 2).argmax()] for rim in rims]
        temples = [np.stack([end, (side, end[1] + uniform(-8, 3))]) for end, side in zip(outer, (0, SIZE), strict=True)]
        line = np.maximum(line, _strokes([np.stack([inner[0], arch, inner[1]]), *temples], width))
        lenses = _filled(rims)
        colour = self._frame_colour(texture)
        glare, reflected = self._glare(lenses)
        opacity = np.maximum(line * uniform(0.55, 1), glare)
        shown = np.where((glare > line)[..., None], reflected, colour * self._along(line))
        if self._chance(0.12):  # sunglasses
            dark = lenses * uniform(0.5, 0.98)
            shown = np.where((dark > opacity)[..., None], colour * 0.5, shown)
            opacity = np.maximum(opacity, dark)
        return shown.astype(np.float32), opacity.astype(np.float32)

    def _lines(self, rims: list[Values], width: float) -> Values:
        """Whole rims, or upper halves, the lower ones thinner or missing."""
        if self._chance(0.75):
            return _strokes([np.concatenate([rim, rim[:1]]) for rim in rims], width)
        upper = [rim[rim[:, 1] <= rim[:, 1].mean()] for rim in rims]
        upper = [rim[rim[:, 0].argsort()] for rim in upper]
        below = _strokes(rims, 0.6) * self._random.uniform(0, 0.8)
        return np.asarray(np.maximum(_strokes(upper, width), below))

    def _frame_colour(self, texture: Values) -> Values:
        skin = texture[self._skin > 0.5].mean(0)
        kinds = (
            self._random.uniform(0, 0.2) * np.ones(3),
            skin * self._random.uniform(0.2, 0.7),
            self._random.uniform(0.3, 0.95) * np.ones(3),
            np.array([0.75, 0.6, 0.35]) * self._random.uniform(0.5, 1.2),
            self._random.uniform(0, 1, 3),
        )
        return np.asarray(np.clip(kinds[self._random.choice(5, p=(0.4, 0.25, 0.15, 0.1, 0.1))], 0, 1), np.float32)

    def _along(self, line: Values) -> Values:
        """How light falls on frames: brighter and darker stretches."""
        slow = cv2.resize(self._random.uniform(0.5, 1.6, (6, 6)), line.shape, interpolation=cv2.INTER_CUBIC)
        return np.asarray(slow[..., None], np.float32)

    def _glare(self, lenses: Values) -> tuple[Values, Values]:
        """What lenses reflect: patches, mostly white, bluish or green."""
        opacity: Values = np.zeros((SIZE, SIZE), np.float32)
        if self._chance(0.25):
            patches = [
                self._blob(self._eyes[self._random.integers(2)], 3, 9) for _ in range(self._random.integers(1, 4))
            ]
            opacity = lenses * _filled(patches) * self._random.uniform(0.3, 0.9)
        tint = np.clip(self._random.uniform(0.75, 1) + self._random.normal(0, 0.08, 3), 0, 1)
        return _blurred(opacity, 0.7), tint

    def _hair(self, texture: Values) -> tuple[Values, Values]:
        """Strands that hang from the upper border or come from a side, single or in locks."""
        count, strands = self._random.integers(2, 90), []
        middle, spread = self._random.uniform(-10, SIZE + 10), self._random.uniform(3, 45)
        lean, length = self._random.normal(0, 25), self._random.uniform(15, 75)
        for _ in range(count):
            start = np.array([self._random.normal(middle, spread), self._random.uniform(-6, 4)])
            if self._chance(0.2):
                start = np.array([SIZE * (middle > SIZE / 2), self._random.uniform(0, 60)])
            reach = np.array([lean + self._random.normal(0, 6), length * self._random.uniform(0.5, 1.1)])
            end = start + reach
            bend = (start + end) / 2 + self._random.normal(0, 5, 2)
            strands.append(_curve(start, bend, end))
        opacity = _strokes(strands, self._random.uniform(0.6, 2.5)) * self._random.uniform(0.6, 1)
        shade = cv2.GaussianBlur(self._random.uniform(0.5, 1.5, (SIZE, SIZE)), (0, 0), 1, sigmaY=5)
        colour = self._hair_colour() * shade[..., None]
        return np.clip(colour, 0, 1).astype(np.float32), opacity

    def _hair_colour(self) -> Values:
        kinds = (0.08, 0.07, 0.06), (0.3, 0.2, 0.13), (0.65, 0.5, 0.3), (0.6, 0.6, 0.6), (0.45, 0.22, 0.12)
        base = np.array(kinds[self._random.integers(len(kinds))])
        return np.clip(base * self._random.uniform(0.6, 1.4) + self._random.normal(0, 0.02, 3), 0, 1)

    def _object(self, texture: Values) -> tuple[Values, Values]:
        """Fingers that reach in from the border, or anything, mostly there."""
        angle = self._random.uniform(0, 2 * np.pi)
        if self._chance(0.6):  # from below or beside, as hands and microphones do
            angle = self._random.uniform(0.1, 0.9) * np.pi
        edge = SIZE / 2 + SIZE * 0.62 * np.array([np.cos(angle), np.sin(angle)])
        if self._chance(0.5):
            opacity = self._fingers(edge)
            skin = texture[self._skin > 0.5].mean(0)
            colour = skin * self._random.uniform(0.55, 1.35) + self._random.normal(0, 0.03, 3)
            colour = colour * self._rounded(opacity)
        else:
            anywhere = self._random.uniform(0, SIZE, 2)
            opacity = _filled([self._blob(edge, 18, 62) if self._chance(0.7) else self._blob(anywhere, 9, 30)])
            colour = self._material()
        return np.clip(colour, 0, 1).astype(np.float32), opacity

    def _fingers(self, edge: Values) -> Values:
        inward = (np.array([SIZE / 2, SIZE / 2]) - edge) / (SIZE * 0.62)
        across, width = np.array([-inward[1], inward[0]]), self._random.uniform(7, 13)
        reach = self._random.uniform(20, 95)
        fingers = []
        for place in range(self._random.integers(1, 5)):
            start = edge + across * width * (place - 1.5)
            end = start + inward * reach * self._random.uniform(0.7, 1.1) + self._random.normal(0, 4, 2)
            fingers.append(_curve(start, (start + end) / 2 + self._random.normal(0, 3, 2), end))
        return _strokes(fingers, width)

    def _rounded(self, opacity: Values) -> Values:
        """Darker toward the edges of what is round, and noise."""
        depth = cv2.distanceTransform((opacity > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
        light = 0.65 + 0.4 * np.clip(depth / 5, 0, 1) + self._light(0.1)
        return np.asarray(light[..., None], np.float32)

    def _material(self) -> Values:
        """A piece of a photo, or one colour."""
        if self._chance(0.4):
            return np.asarray(self._random.uniform(0, 1, 3) * (1 + self._light(0.15))[..., None], np.float32)
        picture = self._materials[self._random.integers(len(self._materials))]
        side = self._random.integers(24, min(picture.shape[:2]) + 1)
        y, x = (self._random.integers(0, most - side + 1) for most in picture.shape[:2])
        piece = cv2.resize(picture[y : y + side, x : x + side], (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
        return np.asarray(piece.astype(np.float32) / 255)

    def _shaded(self, texture: Values) -> Values:
        """Light and shadow that fall on a face, and hide nothing."""
        strength = self._random.uniform(-0.75, 0.8)
        if self._chance(SOCKETS):  # from above, eyes lie in the dark
            strength = -abs(strength)
            mask = _filled([self._blob(eye, 9, 20) for eye in self._eyes])
            mask = _blurred(mask, self._random.uniform(1.5, 6))
        elif self._chance(0.6):
            mask = _filled([self._blob(self._random.uniform(0, SIZE, 2), 15, 70)])
            mask = _blurred(mask, self._random.uniform(0.7, 10))
        else:
            mask = self._light(0.6)
        return np.clip(texture * (1 + strength * mask[..., None]), 0, 1).astype(np.float32)

    def _folded(self, texture: Values) -> Values:
        """With folds of skin, which hide nothing either: beside nose and mouth, below eyes, anywhere."""
        dark = np.zeros((SIZE, SIZE), np.float32)
        for fold in self._folds():
            line = _blurred(_strokes([fold], self._random.uniform(0.5, 2)), self._random.uniform(0.6, 1.4))
            dark = np.maximum(dark, self._random.uniform(0.15, 0.6) * line)
        # A fold is redder than it is dark.
        return np.asarray(texture * (1 - dark[..., None] * np.array([0.75, 1, 1])), np.float32)

    def _folds(self) -> Iterator[Values]:
        uniform, places = self._random.uniform, (self._eyes, self._nostrils, self._mouth, (-1, 1))
        for eye, nostril, corner, side in zip(*places, strict=True):
            if self._chance(0.7):
                yield self._fold(nostril, np.array([0, -4]), corner, np.array([side * 7, uniform(-4, 8)]), side * 3)
            if self._chance(0.4):
                yield self._fold(corner, np.array([side * 2, 1]), corner, np.array([side * 5, uniform(8, 24)]))
            for _ in range(self._random.integers(3)):
                below, reach = uniform(5, 15), uniform(3, 16)
                yield self._fold(eye, np.array([side * -10, below]), eye, np.array([side * reach, below - 3]))
        for _ in range(self._random.integers(5)):
            place, angle = uniform(0, SIZE, 2), uniform(0, 2 * np.pi)
            yield self._fold(place, np.zeros(2), place, uniform(4, 14) * np.array([np.cos(angle), np.sin(angle)]))

    def _fold(self, start: Values, off: Values, end: Values, away: Values, outward: float = 0.0) -> Values:
        """A curve from near `off` a place to near `away` from another, bent outward."""
        start, end = (place + self._random.normal(0, 2, 2) for place in (start + off, end + away))
        bend = (start + end) / 2 + np.array([outward, 0]) + self._random.normal(0, 2.5, 2)
        return _curve(start, bend, end)

    def _light(self, strength: float) -> Values:
        """Something smooth, float32 SIZE x SIZE."""
        coarse = self._random.normal(0, strength, (4, 4)).astype(np.float32)
        return np.asarray(cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC), np.float32)

    def _photographed(self, texture: Values) -> Values:
        """As cameras see it: with less detail, other light and colours, and grain."""
        texture = np.clip(texture, 0, 1)
        if self._chance(0.5):
            side = int(self._random.uniform(36, SIZE))
            texture = _resized(self._compressed(_resized(texture, side, cv2.INTER_AREA)), SIZE, cv2.INTER_LINEAR)
        if self._chance(0.3):
            texture = _blurred(texture, self._random.uniform(0.4, 1.5))
        if self._chance(0.1):
            texture = np.repeat(texture.mean(2, keepdims=True), 3, 2)
        texture = texture ** self._random.uniform(0.7, 1.5) * self._random.uniform(0.6, 1.15)
        texture = texture * (1 + self._random.normal(0, 0.06, 3))
        texture = texture + self._random.normal(0, self._random.uniform(0, 0.03), texture.shape)
        return np.clip(texture, 0, 1).astype(np.float32)

    def _compressed(self, texture: Values) -> Values:
        """With sharpened edges and a JPEG's blocks, sometimes."""
        if self._chance(0.3):
            sharp = texture + self._random.uniform(0.3, 1.2) * (texture - _blurred(texture, 1.2))
            texture = np.clip(sharp, 0, 1)
        if self._chance(0.4):
            return texture
        levels = np.rint(255 * texture).astype(np.uint8)
        _, file = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, int(self._random.uniform(25, 90))])
        return np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), np.float32) / 255

    def _blob(self, centre: Values, low: float, high: float) -> Values:
        """A closed outline around a place, of radii between two bounds."""
        corners = self._random.integers(4, 10)
        angles = np.sort(self._random.uniform(0, 2 * np.pi, corners))
        radii = self._random.uniform(low, high) * self._random.uniform(0.6, 1.3, corners)
        points = centre + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        return _smooth_outline(points) if self._chance(0.7) else np.asarray(points, np.float32)

    def _chance(self, share: float) -> bool:
        return bool(self._random.random() < share)


def _blurred(values: Values, texels: float) -> Values:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), texels))


def _resized(values: Values, side: int, interpolation: int) -> Values:
    return np.asarray(cv2.resize(values, (side, side), interpolation=interpolation))


def _oval(centre: Values, half: Values, power: float, tilt: float) -> Values:
    """A superellipse's outline, n x 2."""
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    unit = np.stack([np.cos(angles), np.sin(angles)], 1)
    points = half * np.sign(unit) * np.abs(unit) ** (2 / power)
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    return np.asarray(centre + points @ turn.T, np.float32)


def _curve(start: Values, bend: Values, end: Values) -> Values:
    """A quadratic curve, n x 2."""
    t = np.linspace(0, 1, 12)[:, None]
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end, np.float32)


def _smooth_outline(points: Values) -> Values:
    """A closed outline without corners."""
    following = np.roll(points, -1, 0)
    middles = (points + following) / 2
    parts = [_curve(a, p, b) for a, p, b in zip(middles, following, np.roll(middles, -1, 0), strict=True)]
    return np.concatenate(parts)


def _strokes(lines: list[Values], width: float) -> Values:
    """How much of each texel lines cover that are so many texels wide, float32 SIZE x SIZE."""
    fine = np.zeros((SIZE * FINE, SIZE * FINE), np.uint8)
    for line in lines:
        cv2.polylines(fine, [_fixed(line)], False, 255, max(1, round(width * FINE)), cv2.LINE_8, shift=4)
    return _averaged(fine)


def _filled(outlines: list[Values]) -> Values:
    """How much of each texel outlines cover, float32 SIZE x SIZE."""
    fine = np.zeros((SIZE * FINE, SIZE * FINE), np.uint8)
    for outline in outlines:
        cv2.fillPoly(fine, [_fixed(outline)], 255, cv2.LINE_8, shift=4)
    return _averaged(fine)


def _fixed(points: Values) -> NDArray[np.int32]:
    """Texels as the numbers that OpenCV draws with."""
    return np.round(points * FINE * 16).astype(np.int32)


def _averaged(fine: ByteArray) -> Values:
    return cv2.resize(fine, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
