"""Canonical face space: a face as few numbers, and a change of those numbers as a change of the face.

The mesh takes a face apart into *placement* (a similarity, which holds pose and size), *shape* (the mesh
without placement) and *texture* (what lies on the mesh, in the canonical frame, with tone and contrast
divided out). Shape and texture are linear in the codes, which are standardised: a standard normal vector is
a face. Decoding starts from the face that was encoded: its tone and its light stay, and the farther the codes move, the
more of its texture is replaced by the one that they stand for; an unchanged code leaves every pixel as it was. Both
halves of a face change alike: what makes them differ is light and pose, and nobody's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reverse_personalization.engines.compact.beards import grown
from reverse_personalization.engines.compact.finishing import Finish
from reverse_personalization.engines.compact.frame import CanonicalFrame
from reverse_personalization.engines.compact.obstacles import ObstacleFinder
from reverse_personalization.engines.compact.textures import (
    LEAST_LUMA,
    Tone,
    denormalise,
    mirrored,
    normalise,
    pack,
    pack_gradient,
    pack_mask,
    unpack,
)
from reverse_personalization.faces import topology
from reverse_personalization.faces.alignment import similarity_transform
from reverse_personalization.faces.face import ByteArray, FloatArray, Mesh

# Variance of a texel that the codes do not hold (luma has variance 1), and of a mesh's coordinate: the prior's weight
# in the fit. What would be farther from the average than faces are (root mean square) is noise, too: of texels that are
# seen obliquely, and of meshes of turned heads.
TEXEL_NOISE, MESH_NOISE = 0.3, 1e-7
MOST_TEXTURE, MOST_SHAPE, MORE_NOISE = 0.7, 1.3, 1.5
# One texel of so many stands for its neighbours, texels that miss less than this count as seen, and beyond this share
# of hidden ones those that are seen are summed in their place.
SPARSE, HARDLY, MOSTLY = 3, 0.1, 0.1
# Of what lies on a face, the share that a video's frame takes over from the one before: so nothing flickers.
OF_LAST = 0.5
# Texels that are covered so much have a light of their own, within these bounds.
SEEN, LIT = 0.3, (0.4, 1.6)
# Distance of codes (root mean square) at which all but 1 / e of the source's own texture is replaced: its fine lines
# are somebody's, too, and would draw the old brows over the new ones.
RENEWAL = 0.3


class Wished(NamedTuple):
    """What is asked of a stranger, as it shows in a face's place.

    Attributes:
        change: of codes, float32 d.
        hair: how much more of the skin it covers, float32 SIZE x SIZE, less below 0: beards are no part of codes, which
            keep what is dark below as light.
        roughness: how many times as rough as otherwise new skin may be, as it is asked to show age or youth.
    """

    change: FloatArray
    hair: FloatArray
    roughness: float


@dataclass(frozen=True, eq=False)
class Encoding:
    """A face taken apart.

    Attributes:
        codes: float32 d, standardised.
        placement: float32 3 x 4, the similarity from picture to canonical coordinates.
        tone: what was divided out of the texture.
        explained: float32 SIZE x SIZE, 0 to 1: where nothing lies on the face, and the codes can say what it is.
        coverage: float32 SIZE x SIZE, 0 to 1: where it is seen as well.
        shown: 0 to 1, how much of the face that is.
        texture: float32 SIZE x SIZE x 3 RGB, 0 to 1, as the picture shows it.
        detail: float32 SIZE x SIZE x 3 RGB, what of it the codes do not hold.
        nobody: float32 SIZE x SIZE x 3 RGB, the face under the null identity: nobody of its kind, in its light.
        light: float32 SIZE x SIZE, how bright skin is around each texel; 1 in the middle of a face's range.
        finish: what the photo lets another texture look like.
        wished: what is asked of the stranger in its place, if anything is.
        hair: float32 SIZE x SIZE x 3 RGB, what more of it than the face has changes.
    """

    codes: FloatArray
    placement: FloatArray
    tone: Tone
    explained: FloatArray
    coverage: FloatArray
    shown: float
    texture: FloatArray
    detail: FloatArray
    nobody: FloatArray
    light: FloatArray
    finish: Finish
    wished: Wished | None = None
    hair: FloatArray | float = 0.0

    @property
    def scale(self) -> float:
        """Canonical units a pixel; the placement's rotation is undone by its transpose over this, squared."""
        return float(np.cbrt(np.linalg.det(self.placement[:, :3])))

    def distance(self, codes: FloatArray) -> float:
        """Of codes from the face's own, root mean square."""
        return float(np.sqrt(((codes - self.codes) ** 2).mean()))


@dataclass(frozen=True, eq=False)
class Decoding:
    """A face as new codes make it.

    Attributes:
        texture: float32 SIZE x SIZE x 3 RGB, 0 to 1, in the source's tone and light, without the grain of its skin.
        renewal: 0 to 1, how much of the source's texture it replaces.
        offset: float32 468 x 3, pixels of the picture by which the mesh moves.
    """

    texture: FloatArray
    renewal: float
    offset: FloatArray


class Fitted(NamedTuple):
    """What components hold of a texture.

    Attributes:
        components: float32 t.
        detail: float32 SIZE x SIZE x 3 RGB, what they do not hold.
        tone: what was divided out.
    """

    components: FloatArray
    detail: FloatArray
    tone: Tone


class FaceCodec:
    """Encodes meshed faces, and decodes what other codes make of them."""

    def __init__(
        self, tensors: Mapping[str, NDArray[np.floating]], *, attributes: NDArray[np.floating] | None = None
    ) -> None:
        """Take the codec's tensors.

        Args:
            tensors: `mean_shape` 468 x 3; `shape_basis` s x 1404 and `texture_basis` t x p, whose rows are
                one standard deviation of a component; `mean_texture` p; `rotation` (t + s) x (t + s),
                orthonormal, from components (texture first) to codes; `kept` t + s, 1 for the codes that
                hold pose, expression and light, else 0.
            attributes: float32 k x d, how attributes that many people have show in codes.
        """
        self._tensors = {name: np.asarray(tensor, np.float32) for name, tensor in tensors.items()}
        many = np.zeros((0, self.dimensions)) if attributes is None else np.where(self.kept > 0, 0, attributes)
        self._shared = np.linalg.qr(many.T)[0].astype(np.float32)
        self.frame = CanonicalFrame(self.mean_shape)
        self._obstacles = ObstacleFinder(self.frame)
        self._shape_gram = np.diag((self._tensors["shape_basis"] ** 2).sum(1))
        self._gram: FloatArray = self._tensors["texture_basis"] @ self._tensors["texture_basis"].T
        self._sparse_basis = np.ascontiguousarray(self._tensors["texture_basis"][:, ::SPARSE])

    @property
    def dimensions(self) -> int:
        """Length of a code."""
        return len(self._tensors["rotation"])

    @property
    def mean_shape(self) -> FloatArray:
        """float32 468 x 3, canonical units; the eyes' outer corners are one apart."""
        return self._tensors["mean_shape"]

    @property
    def kept(self) -> FloatArray:
        """float32 d, 1 for the codes that hold pose, expression and light, which are nobody's; else 0."""
        return self._tensors["kept"]

    def encode(
        self,
        image_rgb: ByteArray,
        mesh: Mesh,
        *,
        last: Encoding | None = None,
        wishing: Callable[[FloatArray], Wished] | None = None,
    ) -> Encoding:
        """Take a meshed face apart.

        Args:
            image_rgb: uint8 H x W x 3.
            mesh: of the face in it.
            last: the face in the frame before of a video: what lay on it is taken to lie there still, in part.
            wishing: what is asked of a stranger in the place of a face with such codes; the photo's measures of skin
                and features are taken with it. In a video it is what it was in the frame before.
        """
        placement, shape = place(mesh, self.mean_shape)
        visible = self.frame.visibility(mesh, image_rgb.shape[:2])
        sampled = self.frame.sample(image_rgb, mesh.points)
        look = self._obstacles.look(sampled, visible * self.frame.modelled)
        explained = 1 - self._obstacles.hidden(look)
        if self._obstacles.worn(look):
            missed = self._fitted(sampled, visible * explained).detail
            explained = 1 - self._obstacles.hidden(look, missed=np.linalg.norm(missed, axis=2))
        if last is not None:
            explained += OF_LAST * (last.explained - explained)
        coverage = visible * explained
        components, detail, tone = self._fitted(sampled, coverage)
        seen = coverage * self.frame.modelled
        offset = (shape - self.mean_shape).ravel()
        of_shape = _most_probable(self._shape_gram, self._tensors["shape_basis"] @ offset, MESH_NOISE, MOST_SHAPE)
        codes = self._tensors["rotation"] @ np.concatenate([components, of_shape])
        codes = codes.astype(np.float32)
        nobody = sampled - detail - denormalise(self.drawn(self.own(codes)), tone)
        finish = Finish.of(sampled, nobody, seen, self.frame)
        light = _light(finish.shade, coverage)
        shown = float(seen.sum() / self.frame.modelled.sum())
        plain = Encoding(codes, placement, tone, explained, coverage, shown, sampled, detail, nobody, light, finish)
        if wishing is None:
            return plain
        return self._with_wish(plain, seen, wishing(codes) if last is None or last.wished is None else last.wished)

    def _with_wish(self, plain: Encoding, seen: FloatArray, wished: Wished) -> Encoding:
        """An encoding of which something is asked; `seen` is SIZE x SIZE."""
        hair = grown(plain.texture, plain.finish.seen, plain.light, wished.hair, self.frame)
        change = denormalise(mirrored(self.drawn(wished.change), plain.light), plain.tone) + hair
        finish = Finish.of(plain.texture, plain.nobody, seen, self.frame, change_rgb=change, rougher=wished.roughness)
        return replace(plain, finish=finish, wished=wished, hair=hair)

    def decode(self, encoding: Encoding, codes: FloatArray) -> Decoding:
        """What a face becomes when its codes, `encoding.codes`, become others (float32 d)."""
        change = codes - encoding.codes
        drawn = mirrored(self.drawn(change), encoding.light)
        of_shape = self._tensors["rotation"].T[len(self._gram) :] @ change
        offset = (of_shape @ self._tensors["shape_basis"]).reshape(topology.VERTICES, 3)
        texture = encoding.texture + denormalise(drawn, encoding.tone) - encoding.detail + encoding.hair
        texture = encoding.finish.applied(texture)
        return Decoding(
            np.where(self.frame.modelled[..., None], texture, encoding.texture),
            float(1 - np.exp(-encoding.distance(codes) / RENEWAL)),
            offset @ encoding.placement[:, :3] / encoding.scale**2,
        )

    @cached_property
    def brows(self) -> FloatArray:
        """How much brighter brows are than the skin around them follows codes like this, float32 d."""
        brows, near = self.frame.brows, self.frame.near_brows
        return self._followed(self._packed(brows / brows.sum() - near / near.sum()))

    def own(self, codes: FloatArray) -> FloatArray:
        """What of codes (float32 d) is somebody's own: neither kept nor what attributes let expect."""
        own = np.where(self.kept > 0, 0, codes)
        return np.asarray(own - self._shared @ (self._shared.T @ own), np.float32)

    def meaning(self, layer: FloatArray) -> FloatArray:
        """The change of those codes that change, float32 d, that draws a layer of luma (SIZE x SIZE) best."""
        components = self._fit(self._packed(layer), np.ones(self._tensors["texture_basis"].shape[1], np.float32))
        return self._changing(components)

    def drawn(self, change: FloatArray) -> FloatArray:
        """What a change of codes (float32 d) draws: normalised luma, B - Y and R - Y, SIZE x SIZE x 3."""
        of_texture = self._tensors["rotation"].T[: len(self._gram)] @ change
        return unpack(np.asarray(of_texture @ self._tensors["texture_basis"], np.float32), self.frame)

    def follow(self, encoding: Encoding, gradient_rgb: FloatArray) -> FloatArray:
        """How something follows the codes that change, float32 d, given how it follows the texture in RGB."""
        # Mirroring is transposed by inverse light.
        packed = pack_gradient(mirrored(gradient_rgb, np.reciprocal(encoding.light)), encoding.tone, self.frame)
        return self._followed(packed)

    def _packed(self, luma: FloatArray) -> FloatArray:
        """Luma without colour (SIZE x SIZE), packed."""
        return pack(np.stack([luma, *np.zeros((2, *luma.shape), np.float32)], 2), self.frame)

    def _followed(self, packed: FloatArray) -> FloatArray:
        """How something follows the codes that change, float32 d, given how it follows packed textures."""
        return self._changing(self._tensors["texture_basis"] @ packed)

    def _changing(self, of_texture: FloatArray) -> FloatArray:
        """What texture's components (t) are in codes, float32 d, of which only those that change are told."""
        of_codes = self._tensors["rotation"][:, : len(of_texture)] @ of_texture
        return np.asarray(of_codes * (self.kept == 0), np.float32)

    def _fitted(self, texture_rgb: FloatArray, coverage: FloatArray) -> Fitted:
        """The texture's components, given what of it (SIZE x SIZE x 3) nothing covers (SIZE x SIZE)."""
        texture, tone = normalise(texture_rgb, coverage * self.frame.modelled)
        residual = pack(texture, self.frame) - self._tensors["mean_texture"]
        components = self._fit(residual, pack_mask(coverage, self.frame))
        left = residual - components @ self._tensors["texture_basis"]
        return Fitted(components, denormalise(unpack(left, self.frame), tone), tone)

    def _fit(self, residual: FloatArray, seen: FloatArray) -> FloatArray:
        """Most probable components given the texels that are seen."""
        there = self._tensors["texture_basis"] @ (seen * residual)
        return _most_probable(self._seen_gram(seen[::SPARSE]), there, TEXEL_NOISE, MOST_TEXTURE)

    def _seen_gram(self, seen: FloatArray) -> FloatArray:
        """Products of components over the texels that are seen, t x t, told by one texel of `SPARSE`."""
        missing = 1 - seen
        hidden = np.flatnonzero(missing > HARDLY)
        if len(hidden) > MOSTLY * len(seen):  # the rest of a difference of large sums would be no product any more
            return SPARSE * _gram(self._sparse_basis * np.sqrt(seen))
        return self._gram - SPARSE * _gram(self._sparse_basis[:, hidden] * np.sqrt(missing[hidden]))


def _most_probable(gram: FloatArray, there: FloatArray, noise: float, most: float) -> FloatArray:
    """Components (k) by ridge regression, with as much noise as it takes for them to be no farther than faces are.

    Args:
        gram: float32 k x k, products of components.
        there: float32 k, their products with what is seen.
        noise: its variance at least.
        most: root mean square of components.
    """
    unit = np.eye(len(gram), dtype=np.float32)
    while True:
        components = np.asarray(np.linalg.solve(gram + noise * unit, there), np.float32)
        if not (components**2).mean() > most**2:
            return components
        noise *= MORE_NOISE


def _light(shade: FloatArray, coverage: FloatArray) -> FloatArray:
    """Luma that changes slowly as a share of its median; where nothing is seen, it is as in the other half."""
    seen = coverage > SEEN
    level = float(np.median(shade[seen])) if seen.any() else 1.0
    return np.clip(np.where(seen, shade, shade[:, ::-1]) / max(level, LEAST_LUMA), *LIT).astype(np.float32)


def _gram(rows: FloatArray) -> FloatArray:
    """Products of rows (t x p) with each other, t x t: written so that only half of them are computed."""
    return np.asarray(rows @ rows.T, np.float32)


def place(mesh: Mesh, mean_shape: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The placement of a mesh (3 x 4, picture to canonical), and the mesh in canonical coordinates."""
    rigid = list(topology.RIGID)
    placement = similarity_transform(mesh.vertices[rigid], mean_shape[rigid])
    return placement, mesh.vertices @ placement[:, :3].T + placement[:, 3]
