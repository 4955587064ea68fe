"""What an engine is: a latent space in which faces are denoised."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from reverse_personalization.faces.compositing import Rendering
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.inversion import Array, NoiseSchedule, Row
from reverse_personalization.noise import KeyedNoise

C = TypeVar("C", bound=Hashable)


@dataclass(frozen=True, eq=False)
class Encoded:
    """A face in an engine's latent space.

    Attributes:
        x0: the latent, in the array type of the engine.
        keep: 1 where an element of x0 must stay, else 0; None where all may change.
        context: what `decode` needs of the face; only its engine looks inside.
    """

    x0: Array
    keep: Array | None
    context: Any


@dataclass(frozen=True, eq=False)
class Conditions(Generic[C]):
    """What the denoiser is told: nothing, whose face it is, and whose it might become.

    Attributes:
        null: the null identity.
        identity: the face's own.
        surrogate: a random stranger's, or None.
    """

    null: C
    identity: C
    surrogate: C | None = None


class Engine(Protocol[C]):
    """Encodes faces, predicts noise in their latents, decodes latents into pictures."""

    name: str
    schedule: NoiseSchedule
    guide: Recogniser
    weights: tuple[str, ...]
    """Names, in the weights table, of the models that it loads."""

    def encode(self, image_rgb: ByteArray, face: Face) -> Encoded:
        """Encode a face of a uint8 H x W x 3 picture.

        Raises:
            EngineError: the face cannot be encoded.
        """
        ...

    def conditions(self, embedding: FloatArray, noise: KeyedNoise, *labels: str | int) -> Conditions[C]:
        """Conditions for a face that the guide embedded; a stranger is drawn from `noise` under `labels`."""
        ...

    def noise(self, encoded: Encoded, steps: int, noise: KeyedNoise, *labels: str | int) -> Sequence[Array]:
        """Standard normal arrays like x0, one for each step, drawn from `noise` under `labels`."""
        ...

    def predict(self, rows: Sequence[Row[C]]) -> Sequence[Array]:
        """Epsilon of each row."""
        ...

    def decode(self, image_rgb: ByteArray, encoded: Encoded, x: Array) -> Rendering:
        """The part of the picture that the face covers, with latent `x` in place of the face's own."""
        ...
