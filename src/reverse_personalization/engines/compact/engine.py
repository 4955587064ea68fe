"""The compact engine: the method in canonical face space, on a CPU, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from safetensors.numpy import load_file

from reverse_personalization import weights
from reverse_personalization.engines.base import Conditions, Encoded, Labels
from reverse_personalization.engines.compact.codec import Encoding, FaceCodec
from reverse_personalization.engines.compact.denoiser import Denoiser
from reverse_personalization.engines.compact.rendering import Renderer
from reverse_personalization.engines.compact.strangers import Strangers
from reverse_personalization.errors import EngineError
from reverse_personalization.faces.compositing import Rendering
from reverse_personalization.faces.face import ByteArray, Face, FloatArray, Mesh
from reverse_personalization.faces.mesh import FaceMesher
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.identity.sface import SFace
from reverse_personalization.inversion import STABLE_DIFFUSION, Array, Row
from reverse_personalization.noise import KeyedNoise

# Below this the mesh lies on something that is no face, or not well.
LEAST_MESH_SCORE = 0.5
# Standard deviations beyond which a code is no face's.
CODE_LIMIT = 3.0
BATCH = 64


@dataclass(frozen=True, eq=False)
class Identity:
    """A condition of the denoiser.

    Attributes:
        embeddings: float32 n x 128, a unit vector for each face; zeros are the null identity.
    """

    embeddings: FloatArray


@dataclass(frozen=True, eq=False)
class MeshedFace:
    """What the engine needs of a face to decode it."""

    mesh: Mesh
    encoding: Encoding


class CompactEngine:
    """Small, trained by this project; see `docs/model_card_compact.md`."""

    name = "compact"
    schedule = STABLE_DIFFUSION
    weights: tuple[str, ...] = ("compact", "face-mesh", "sface")

    def __init__(self, *, guide: Recogniser | None = None, keep: Sequence[str] = ()) -> None:
        """Load the models; the guide is SFace by default, which the denoiser was trained with.

        Parts of the face named in `keep` stay as they are.
        """
        tensors = load_file(weights.path("compact"))
        parts = {
            part: {
                name.removeprefix(f"{part}."): t for name, t in tensors.items() if name.startswith(f"{part}.")
            }
            for part in ("codec", "denoiser", "strangers")
        }
        self._codec = FaceCodec(parts["codec"])
        self._denoiser = Denoiser(parts["denoiser"])
        self._strangers = Strangers(parts["strangers"])
        self._renderer = Renderer(self._codec.frame, keep=keep)
        self._mesher = FaceMesher()
        self.guide: Recogniser = guide or SFace()

    def encode(self, image_rgb: ByteArray, face: Face) -> Encoded:
        """Mesh a face and take it apart; `x0` is float32 d.

        Raises:
            EngineError: no mesh can be laid on the face.
        """
        mesh = self._mesher.mesh(image_rgb, face)
        if mesh.score < LEAST_MESH_SCORE:
            raise EngineError(
                f"No mesh fits the face (score {mesh.score:.2f}, at least {LEAST_MESH_SCORE} needed)."
            )
        encoding = self._codec.encode(image_rgb, mesh)
        return Encoded(encoding.codes, self._codec.kept, MeshedFace(mesh, encoding))

    @property
    def batch(self) -> int:
        """As many faces as a large group photo has."""
        return BATCH

    def inversion_batch(self, faces: int, steps: int) -> int:
        """One timestep a call: the network is small enough for that to cost nothing."""
        return 1

    def conditions(
        self, embeddings: Sequence[FloatArray], noise: KeyedNoise, labels: Sequence[Labels]
    ) -> Conditions[Identity]:
        """Null, own, opposite and strangers' identities; each stranger is drawn under its face's labels."""
        own = [one / max(float(np.linalg.norm(one)), 1e-6) for one in embeddings]
        strangers = [
            self._strangers.draw(one, noise.generator(*label, "stranger"))
            for one, label in zip(own, labels, strict=True)
        ]
        identity = np.stack(own)
        return Conditions(
            null=Identity(np.zeros_like(identity)),
            identity=Identity(identity),
            surrogate=Identity(np.stack(strangers)),
            opposite=Identity(-identity),
        )

    def stack(self, arrays: Sequence[Array]) -> Array:
        """Arrays of d as one of n x d."""
        return np.stack(arrays)

    def noise(
        self, encoded: Sequence[Encoded], steps: int, noise: KeyedNoise, labels: Sequence[Labels]
    ) -> Sequence[Array]:
        """Standard normal, float32 steps x n x d."""
        drawn = [
            noise.generator(*label, "noise").standard_normal((steps, len(one.x0)), np.float32)
            for one, label in zip(encoded, labels, strict=True)
        ]
        return cast(Sequence[Array], np.stack(drawn, 1))

    def predict(self, rows: Sequence[Row[Identity]]) -> Sequence[Array]:
        """Epsilon of each row, n x d, from one run of the network."""
        steps = np.repeat([row.timestep for row in rows], [len(row.x) for row in rows])
        eps = self._denoiser.predict_noise(
            np.concatenate([row.x for row in rows]),
            np.concatenate([row.condition.embeddings for row in rows]),
            alphas=np.array([self.schedule.alpha(t) for t in steps], np.float32),
            sigmas=np.array([self.schedule.sigma(t) for t in steps], np.float32),
        )
        return np.split(eps, np.cumsum([len(row.x) for row in rows])[:-1])

    def decode(self, image_rgb: ByteArray, encoded: Encoded, x: Array) -> Rendering:
        """The face with codes `x`, none of which goes beyond what faces have, or where it was already.

        Raises:
            EngineError: the codes are not finite.
        """
        if not np.isfinite(x).all():
            raise EngineError("The regenerated codes are not finite.")
        face: MeshedFace = encoded.context
        reach = np.maximum(np.abs(encoded.x0), CODE_LIMIT)
        texture_change, mesh_change = self._codec.decode_difference(face.encoding, np.clip(x, -reach, reach))
        return self._renderer.render(
            image_rgb, face.mesh, face.encoding.coverage, texture_change, mesh_change
        )
