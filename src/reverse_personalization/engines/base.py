"""What an engine is: a latent space in which faces are denoised."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from reverse_personalization.faces.compositing import Rendering
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.inversion import Array, NoiseSchedule, Row
from reverse_personalization.noise import KeyedNoise

C = TypeVar("C", bound=Hashable)
Labels: TypeAlias = tuple[str | int, ...]
"""What a random number is for, see `KeyedNoise.generator`."""


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
    """What the denoiser is told of n faces: nothing, whose they are, and whose they might become.

    Attributes:
        null: the null identity, and the empty prompt where the engine reads text.
        identity: the faces' own.
        surrogate: random strangers', or None.
        opposite: the negated embeddings (NullFace), or None.
        blank: zeros in place of a text, and null identity; None stands for `null`.
        attribute: the attribute prompt, and null identity; None if nothing is asked for.
    """

    null: C
    identity: C
    surrogate: C | None = None
    opposite: C | None = None
    blank: C | None = None
    attribute: C | None = None


class Engine(Protocol[C]):
    """Encodes faces, predicts noise in their latents, decodes latents into pictures.

    Faces are encoded and decoded one by one, and denoised n at a time: an array of n faces has them along its
    first axis, and a condition holds n of them.
    """

    name: str
    schedule: NoiseSchedule
    guide: Recogniser
    """Whose embeddings `conditions` takes."""
    guides: tuple[Recogniser, ...]
    """All recognisers that lead it, the guide among them: their word proves less than that of others."""
    weights: tuple[str, ...]
    """Names, in the weights table, of the models that it loads."""

    @property
    def batch(self) -> int:
        """How many faces it denoises at once."""
        ...

    def inversion_batch(self, faces: int, steps: int) -> int:
        """How many timesteps K of the inversion of so many faces, out of `steps`, one call may predict."""
        ...

    def encode(self, image_rgb: ByteArray, face: Face) -> Encoded:
        """Encode a face of a uint8 H x W x 3 picture.

        Raises:
            EngineError: the face cannot be encoded.
        """
        ...

    def conditions(
        self,
        encoded: Sequence[Encoded],
        embeddings: Sequence[FloatArray],
        noise: KeyedNoise,
        labels: Sequence[Labels],
        *,
        attributes_kept: float = 1.0,
    ) -> Conditions[C]:
        """Conditions for faces that the guide embedded.

        Args:
            encoded: the faces.
            embeddings: by the guide.
            noise: strangers are drawn from it.
            labels: by which they are drawn.
            attributes_kept: share of a face's apparent age, gender and the like that its stranger has, for which
                nobody asked; 0 is the average person.
        """
        ...

    def stack(self, arrays: Sequence[Array]) -> Array:
        """Arrays of one face each as one of n faces."""
        ...

    def noise(
        self, encoded: Sequence[Encoded], steps: int, noise: KeyedNoise, labels: Sequence[Labels]
    ) -> Sequence[Array]:
        """Standard normal arrays of n faces, one for each step; a face's hangs on nothing but its labels."""
        ...

    def predict(self, rows: Sequence[Row[C]]) -> Sequence[Array]:
        """Epsilon of each row, whose x and condition hold n faces."""
        ...

    def decode(self, image_rgb: ByteArray, encoded: Encoded, x: Array) -> Rendering:
        """The part of the picture that the face covers, with latent `x` in place of the face's own.

        Raises:
            EngineError: the latent is not finite.
        """
        ...
