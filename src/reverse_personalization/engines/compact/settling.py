"""Taking back what a new texture does to a face besides making it another: its expression and its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reverse_personalization.engines.compact.codec import Decoding, Encoding, FaceCodec
from reverse_personalization.engines.compact.rendering import Renderer
from reverse_personalization.engines.compact.sight import Views
from reverse_personalization.faces.bearing import expression
from reverse_personalization.faces.compositing import Rendering, paste
from reverse_personalization.faces.face import ByteArray, FloatArray, Mesh
from reverse_personalization.faces.mesh import FaceMesher

# Share of the shape's change that is rendered: it tells recognisers little, and moves pose and expression.
SHAPE_SHARE = 0.4
# Share of the mesh's drift, and of the expression's, that is taken back in each round.
STEADIED, COMPOSED = 0.8, 0.25
# So many rounds; in a hurry, fewer.
MOST_ROUNDS, FEW_ROUNDS = 2, 1


@dataclass(frozen=True, eq=False)
class MeshedFace:
    """What is needed of a face to decode it.

    Attributes:
        mesh: of the face.
        encoding: the face taken apart.
        views: as the guides look at it.
    """

    mesh: Mesh
    encoding: Encoding
    views: Views


@dataclass(frozen=True, eq=False)
class Settled:
    """Codes whose face keeps its expression, and what keeps it in its place.

    Attributes:
        codes: float32 d.
        drift: float32 468 x 2, canonical units, by which the new texture draws the mesh along: new brows the lids.
    """

    codes: FloatArray
    drift: FloatArray


class Settler:
    """Looks at what new codes make of a face, and corrects codes and mesh by what it sees."""

    def __init__(
        self,
        codec: FaceCodec,
        renderer: Renderer,
        mesher: FaceMesher,
        expressions: FloatArray,
        *,
        rounds: int = MOST_ROUNDS,
    ) -> None:
        """Take the codec, what draws and meshes, and how expressions follow codes (float32 d x e, measured)."""
        self._codec, self._renderer, self._mesher, self._rounds = codec, renderer, mesher, rounds
        # The shortest change of codes that makes a given change of expression, e x d.
        self._composing: FloatArray = np.linalg.pinv(expressions).astype(np.float32)

    def settle(
        self, image_rgb: ByteArray, face: MeshedFace, codes: FloatArray, within: Callable[[FloatArray], FloatArray]
    ) -> Settled:
        """Correct codes until the face has its expression back, and find out how far the mesh drifts.

        Args:
            image_rgb: uint8 H x W x 3, the face as it was.
            face: where it is.
            codes: float32 d, what it is to become.
            within: brings codes back to what faces have.
        """
        before = self._mesher.again(image_rgb, face.mesh)
        back = np.zeros((len(before.points), 2), np.float32)
        for _ in range(self._rounds):
            decoding = self._codec.decode(face.encoding, codes)
            changed = paste(image_rgb, self._drawn(image_rgb, face, decoding, back))
            after = self._mesher.again(changed, face.mesh)
            back += STEADIED * (after.points - before.points - self._renderer.mobility * shift(decoding))
            lost = COMPOSED * (expression(after) - expression(before)) @ self._composing
            codes = within(np.asarray(codes - lost, np.float32))
        return Settled(codes, np.asarray(back @ face.encoding.placement[:2, :2].T, np.float32))

    def draw(self, image_rgb: ByteArray, face: MeshedFace, settled: Settled) -> Rendering:
        """The face with settled codes."""
        back = settled.drift @ face.encoding.placement[:2, :2] / face.encoding.scale**2
        return self._drawn(image_rgb, face, self._codec.decode(face.encoding, settled.codes), back)

    def _drawn(self, image_rgb: ByteArray, face: MeshedFace, decoding: Decoding, back: FloatArray) -> Rendering:
        """The new face, its mesh moved `back` by 468 x 2 pixels."""
        moved = np.asarray(shift(decoding) - back, np.float32)
        laid = self._renderer.laid(image_rgb, face.mesh, face.encoding.coverage, moved)
        return laid.drawn(decoding.texture, renewal=decoding.renewal)


def shift(decoding: Decoding) -> FloatArray:
    """Pixels, 468 x 2, by which the mesh moves where it is free to."""
    return SHAPE_SHARE * decoding.offset[:, :2]
