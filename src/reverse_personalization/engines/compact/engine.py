"""The compact engine: the method in canonical face space, on a CPU, without torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import cast

import numpy as np

from reverse_personalization.blas import one_blas_thread
from reverse_personalization.engines.base import Conditions, Encoded, Labels
from reverse_personalization.engines.compact.attributes import NAMES, read_wish
from reverse_personalization.engines.compact.beards import Beards
from reverse_personalization.engines.compact.codec import Encoding, FaceCodec, Wished
from reverse_personalization.engines.compact.denoiser import Expectation, predict_noise
from reverse_personalization.engines.compact.parts import read_parts
from reverse_personalization.engines.compact.population import Population
from reverse_personalization.engines.compact.rendering import Renderer
from reverse_personalization.engines.compact.settling import FEW_ROUNDS, MOST_ROUNDS, MeshedFace, Settled, Settler
from reverse_personalization.engines.compact.sight import FEW_STRIDES, MOST_STRIDES, Kind, Known, Sight, Views
from reverse_personalization.errors import EngineError
from reverse_personalization.faces.compositing import Rendering
from reverse_personalization.faces.face import ByteArray, Face, FloatArray, Mesh
from reverse_personalization.faces.mesh import FaceMesher
from reverse_personalization.identity.base import Recogniser, unit
from reverse_personalization.identity.dlib_resnet import DlibResNet
from reverse_personalization.identity.kinds import TOLD_BY, youth, youth_at
from reverse_personalization.identity.sface import SFace
from reverse_personalization.inversion import STABLE_DIFFUSION, Array, Row
from reverse_personalization.noise import KeyedNoise

# Standard deviations beyond which a code is no face's, and root mean square of the codes that change.
CODE_LIMIT, NORM_LIMIT = 3.0, 1.45
BATCH = 64
# The paper's mildest guidance, -5, leads all the way that `Sight.away` finds.
MILDEST = 5.0
# A child is led so much farther: what is around children's faces tells more of them.
FARTHER_CHILDREN = 0.25
# What shows of a face in most photos, at least; where hair, glasses or a turned head leave less, it changes more.
USUALLY_SHOWN = 0.9


class CompactEngine:
    """Small, trained by this project; see `docs/model_card_compact.md`."""

    name = "compact"
    schedule = STABLE_DIFFUSION
    weights: tuple[str, ...] = ("compact", "obstacles", "face-mesh", "sface", "dlib-resnet")

    @one_blas_thread()
    def __init__(
        self,
        *,
        guide: SFace | None = None,
        keep: Sequence[str] = (),
        attributes: str | None = None,
        draft: bool = False,
    ) -> None:
        """Load the models.

        Args:
            guide: SFace by default, whose embeddings the population was fitted with.
            keep: parts of the face that stay as they are, see `faces.regions`.
            attributes: what strangers should be, see `attributes.read_wish`.
            draft: look less often where the guides would know a face less, and what has become of its expression.

        Raises:
            UsageError: attributes that are not understood.
        """
        self._wish = read_wish(attributes)
        parts = read_parts()
        self._codec = FaceCodec(parts["codec"], attributes=parts["population"]["attributes"])
        # Else guidance loses brows or draws them as bars, and remains of glasses on people who wear none.
        held = self._codec.brows, *parts["population"]["glasses"]
        self._population = Population(parts["population"], self._codec.kept, held=held)
        self._beards = Beards(parts["hair"])
        self._mesher = FaceMesher()
        renderer = Renderer(self._codec.frame, keep=keep)
        rounds, strides = (FEW_ROUNDS, FEW_STRIDES) if draft else (MOST_ROUNDS, MOST_STRIDES)
        self._settler = Settler(self._codec, renderer, self._mesher, self._population.expressions, rounds=rounds)
        self.guide: Recogniser = guide or SFace()
        self._dlib = DlibResNet()
        self.guides: tuple[Recogniser, ...] = (self.guide, self._dlib)
        self._new_sight = partial(Sight, self._codec, renderer, strides=strides)

    @cached_property
    def _sight(self) -> Sight:
        """Loaded where a face is to be led away: pictures without any are done sooner."""
        return self._new_sight()

    def encode(
        self,
        image_rgb: ByteArray,
        face: Face,
        *,
        smooth: Callable[[FloatArray], FloatArray] | None = None,
        last: Encoded | None = None,
    ) -> Encoded:
        """Mesh a face and take it apart; `x0` is float32 d.

        Args:
            image_rgb: uint8 H x W x 3.
            face: where it is.
            smooth: eases the mesh's vertices (float32 468 x 3), as from frame to frame of a video.
            last: the face in the frame before.

        Raises:
            EngineError: no mesh can be laid on the face.
        """
        mesh = self._mesher.fitted(image_rgb, face)
        if smooth is not None:
            mesh = Mesh(smooth(mesh.vertices), mesh.score)
        before = None if last is None else last.context.encoding
        wishing = partial(self._wished, image_rgb, face) if self._wish.asked.any() else None
        encoding = self._codec.encode(image_rgb, mesh, last=before, wishing=wishing)
        return Encoded(encoding.codes, self._codec.kept, MeshedFace(mesh, encoding, Views.of(image_rgb, face, mesh)))

    def _wished(self, image_rgb: ByteArray, face: Face, codes: FloatArray) -> Wished:
        """What is asked of the stranger in the place of a face with such codes."""
        own = self._population.attributes(codes, unit(self.guide.embed(image_rgb, face)))
        change, wish = self._population.change(own, self._wish), self._wish
        return Wished(change, self._beards(wish.hair(own)), wish.roughness)

    @property
    def batch(self) -> int:
        """As many faces as a large group photo has."""
        return BATCH

    def inversion_batch(self, faces: int, steps: int) -> int:
        """One timestep a call: the network is small enough for that to cost nothing."""
        return 1

    def conditions(
        self,
        encoded: Sequence[Encoded],
        embeddings: Sequence[FloatArray],
        noise: KeyedNoise,
        labels: Sequence[Labels],
        *,
        attributes_kept: float = 1.0,
    ) -> Conditions[Expectation]:
        """Null, own, opposite and strangers' identities; each stranger is drawn under its face's labels."""
        own = np.stack([unit(one) for one in embeddings])
        strangers = [
            self._population.stranger(
                cast(FloatArray, face.x0), one, self._wish, noise.generator(*label, "stranger"), kept=attributes_kept
            )
            for face, one, label in zip(encoded, own, labels, strict=True)
        ]
        codes, expected = self.stack([face.x0 for face in encoded]), self._population.expected
        return Conditions(
            null=Expectation(np.zeros_like(codes)),
            identity=Expectation(self._owns(encoded, own, strangers)),
            # Inversion carries the face's own codes; these turn them into the stranger's.
            surrogate=Expectation(np.stack(strangers) - codes),
            opposite=Expectation(expected(-own)),
        )

    def stack(self, arrays: Sequence[Array]) -> FloatArray:
        """Arrays of d as one of n x d."""
        return np.stack(cast(Sequence[FloatArray], arrays))

    def noise(
        self, encoded: Sequence[Encoded], steps: int, noise: KeyedNoise, labels: Sequence[Labels]
    ) -> Sequence[Array]:
        """Standard normal, float32 steps x n x d."""
        drawn = [
            noise.generator(*label, "noise").standard_normal((steps, len(one.x0)), np.float32)
            for one, label in zip(encoded, labels, strict=True)
        ]
        return cast(Sequence[Array], np.stack(drawn, 1))

    def predict(self, rows: Sequence[Row[Expectation]]) -> Sequence[Array]:
        """Epsilon of each row, n x d."""
        schedule = self.schedule
        eps = [
            predict_noise(
                cast(FloatArray, row.x),
                row.condition,
                alpha=schedule.alpha(row.timestep),
                sigma=schedule.sigma(row.timestep),
            )
            for row in rows
        ]
        return cast(Sequence[Array], eps)

    def decode(
        self,
        image_rgb: ByteArray,
        encoded: Encoded,
        x: Array,
        *,
        drift: FloatArray | None = None,
    ) -> Rendering:
        """The face with codes `x`, none of which goes beyond what faces have, or where it was already.

        Args:
            image_rgb: uint8 H x W x 3.
            encoded: the face in it.
            x: float32 d.
            drift: what `settle` said of this face, or of it on other pictures; settled here if it is None.

        Raises:
            EngineError: the codes are not finite.
        """
        face: MeshedFace = encoded.context
        if drift is None:
            settled = self.settle(image_rgb, encoded, x)
        else:
            settled = Settled(self._within_faces(face.encoding, x), drift)
        return self._settler.draw(image_rgb, face, settled)

    def settle(self, image_rgb: ByteArray, encoded: Encoded, x: Array) -> Settled:
        """Codes near `x` with which a face keeps its expression, and how far its mesh drifts.

        Raises:
            EngineError: the codes are not finite.
        """
        face: MeshedFace = encoded.context
        within = partial(self._within_faces, face.encoding)
        return self._settler.settle(image_rgb, face, within(x), within)

    def nobody(self, encoded: Encoded) -> FloatArray:
        """The codes, float32 d, of a face under the null identity: what is kept, and what its kind lets expect."""
        codes = cast(FloatArray, encoded.x0)
        return codes - self._codec.own(codes)

    def away(self, encoded: Encoded, x: FloatArray, embedding: FloatArray) -> FloatArray:
        """Codes that lead on from `x`, until the guides can be expected to know a face no more.

        Args:
            encoded: the face in its picture.
            x: float32 d, codes to start from.
            embedding: float32 128, whom SFace knows; dlib's network knows who is in the picture.
        """
        face: MeshedFace = encoded.context
        known = Known(unit(embedding), self._dlib.embed_chip(face.views.dlib.crop_rgb))
        known = known.apart_from(self._kind(face.encoding.codes, known.sface))
        within, never = partial(self._within_faces, face.encoding), self._population.told
        return self._sight.away(face.views, face.encoding, within(x), known, never=never, within=within)

    def _kind(self, codes: FloatArray, embedding: FloatArray) -> Kind:
        """Of what kind whoever takes somebody's place is, as far as walks would lead away from it."""
        woman = self._wish.woman
        if woman is None:
            woman = self._population.attributes(codes, embedding)[NAMES.index("woman")]
        return Kind(self._young(embedding), max(2 * float(woman) - 1, 0.0))

    def _young(self, embedding: FloatArray) -> float:
        """How much of a child whoever takes somebody's place is, 0 to 1."""
        young = youth({TOLD_BY: embedding})
        return young if self._wish.age is None else min(young, youth_at(self._wish.age))

    def _owns(self, encoded: Sequence[Encoded], embeddings: FloatArray, strangers: Sequence[FloatArray]) -> FloatArray:
        """The codes, float32 n x d, that faces' identities let expect, for each unit of guidance.

        Measured from the strangers on until the guides know the faces no more: the mildest guidance leads there, and
        beyond where little of a face shows.
        """
        faces = zip(encoded, strangers, strict=True)
        starts = [self._within_faces(face.context.encoding, stranger) for face, stranger in faces]
        ends = [self.away(*one) for one in zip(encoded, starts, embeddings, strict=True)]
        shown = np.array([[min(face.context.encoding.shown / USUALLY_SHOWN, 1)] for face in encoded], np.float32)
        farther = np.array([[1 + FARTHER_CHILDREN * self._young(one)] for one in embeddings], np.float32)
        return farther * (np.stack(starts) - np.stack(ends)) / (MILDEST * shown)

    def _within_faces(self, encoding: Encoding, x: Array) -> FloatArray:
        """Codes no farther from the average than faces are, or than the face was already."""
        if not np.isfinite(x).all():
            raise EngineError("The regenerated codes are not finite.")
        reach = np.maximum(np.abs(encoding.codes), CODE_LIMIT)
        codes = cast(FloatArray, np.clip(x, -reach, reach))
        free = self._codec.kept == 0
        norm, own = (float(np.sqrt((of[free] ** 2).mean())) for of in (codes, encoding.codes))
        return np.where(free, codes * min(1.0, max(NORM_LIMIT, own) / max(norm, 1e-6)), codes).astype(np.float32)
