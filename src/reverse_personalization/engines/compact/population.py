"""What is known of faces at large: how codes, identity and attributes hang together, and who is nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from reverse_personalization.engines.compact.attributes import NAMES, OF_AGE, Wish
from reverse_personalization.engines.compact.beards import KINDS
from reverse_personalization.faces.face import FloatArray

CANDIDATES = 256
# Spread of strangers, where 1 is that of people: faces near the average look natural, and are nobody's.
TEMPERATURE = 0.7
# By how much a wish is overdone: hair, outline and light still say what the face was.
EMPHASIS: FloatArray = np.where(np.isin(NAMES, KINDS), 1.0, 2.5).astype(np.float32)
# Where an attribute becomes more likely than not, and how quickly it is certain: half a beard is none.
DECISIONS: Final = {"woman": (0.4, 3.0), "moustache": (0.3, 4.0), "beard": (0.35, 4.0)}
# Guidance makes all faces more like the average's, women's like men's above all. So women's strangers start out by so
# much more as women, and by so much more where that is wished; and where an age is, by so many times as many years
# away from the usual one, up to so many. Done for every face, this would tell recognisers.
FEMININE, WISHED_FEMININE, WISHED_YEARS, MOST_YEARS = 1.5, 4.0, 4.0, 120.0


class Population:
    """A joint normal distribution of codes, embeddings and attributes, fitted on the training faces."""

    def __init__(
        self, tensors: Mapping[str, NDArray[np.floating]], kept: FloatArray, *, held: Sequence[FloatArray] = ()
    ) -> None:
        """Take the distribution.

        Args:
            tensors: `embedding_mean` 128; `identity` 128 x d, the codes that an embedding lets expect, apart
                from attributes; `embedding` d x 128 and `expressions` d x e, how embeddings and expressions
                (`faces.bearing`) follow codes; in the order of `attributes.NAMES`, `attributes` k x d and
                `attribute_mean` k, how attributes show in codes, and `seen` k x (d + 128) and `seen_mean` k,
                how to tell them from codes and embedding.
            kept: float32 d, 1 for codes that never change, else 0.
            held: directions of codes (float32 d each) in which strangers are what faces are: how dark brows are, say.
        """
        self._tensors = {name: np.asarray(tensor, np.float32) for name, tensor in tensors.items()}
        self._kept = kept
        directions = np.array(held, np.float32).reshape(-1, len(kept)).T
        self._held = np.asarray(np.linalg.qr(directions)[0], np.float32)
        self._attributes = self._tensors["attributes"]
        self._steer: FloatArray = np.linalg.pinv(self._attributes).T.astype(np.float32)

    @cached_property
    def told(self) -> FloatArray:
        """Orthonormal directions of codes that change attributes, expressions or what is held, float32 d x k."""
        directions = np.concatenate([self._attributes.T, self.expressions, self._held], 1)
        return np.asarray(np.linalg.qr(directions)[0], np.float32)

    @property
    def expressions(self) -> FloatArray:
        """How expressions follow codes once they are rendered, float32 d x e, see `faces.bearing.EXPRESSIONS`."""
        return self._tensors["expressions"]

    def expected(self, embeddings: FloatArray) -> FloatArray:
        """The codes, float32 n x d, that embeddings (n x 128, unit vectors) let expect."""
        centred = embeddings - self._tensors["embedding_mean"]
        return cast(FloatArray, centred @ self._tensors["identity"])

    def attributes(self, codes: FloatArray, embedding: FloatArray) -> FloatArray:
        """Apparent attributes of a face, float32 k."""
        told = self._tensors["seen"] @ np.concatenate([codes, embedding]) + self._tensors["seen_mean"]
        for name, (middle, slope) in DECISIONS.items():
            row = NAMES.index(name)
            told[row] = np.clip(0.5 + slope * (told[row] - middle), 0, 1)
        return cast(FloatArray, told)

    def change(self, own: FloatArray, wish: Wish) -> FloatArray:
        """The least change of codes, float32 d, with which a face that has such attributes (k) has what is wished."""
        return cast(FloatArray, np.where(wish.asked, emphasised(wish, own) - own, 0).astype(np.float32) @ self._steer)

    def stranger(
        self,
        codes: FloatArray,
        embedding: FloatArray,
        wish: Wish,
        generator: np.random.Generator,
        *,
        kept: float = 1.0,
    ) -> FloatArray:
        """Codes of somebody who does not exist, in a face's place.

        Args:
            codes: float32 d, the face's; those that are kept stay, so does what is held but for what attributes
                ask of it, and its attributes stay unless wished otherwise.
            embedding: float32 128, the face's, a unit vector.
            wish: attributes that the stranger should have.
            generator: draws the stranger.
            kept: share of the face's attributes that the stranger has, where nothing is wished; 0 is the average.

        Returns:
            float32 d: of several strangers the one that can be expected to resemble the face least.
        """
        drawn = TEMPERATURE * generator.standard_normal((CANDIDATES, len(codes)), np.float32)
        drawn = np.where(self._kept == 1, codes, drawn)
        drawn += (codes - drawn) @ self._held @ self._held.T
        usual = self._tensors["attribute_mean"]
        wanted = begun(wish, self.attributes(codes, embedding), usual) - usual
        wanted = np.where(wish.asked, wanted, kept * wanted)
        drawn += (wanted - drawn @ self._attributes.T) @ self._steer
        expected = embedding + (drawn - codes) @ self._tensors["embedding"]
        cosines = expected @ embedding / np.linalg.norm(expected, axis=1)
        return cast(FloatArray, drawn[cosines.argmin()])


def emphasised(wish: Wish, attributes: FloatArray) -> FloatArray:
    """Attributes (float32 k) a stranger should have, so that a wish is seen in its face."""
    own = Wish().applied(attributes)
    return np.asarray(own + EMPHASIS * (wish.applied(own) - own), np.float32)


def begun(wish: Wish, attributes: FloatArray, usual: FloatArray) -> FloatArray:
    """Attributes (float32 k) a stranger should have before it is guided away from a face with such ones."""
    wanted = emphasised(wish, attributes)
    meant, woman = wish.applied(attributes), NAMES.index("woman")
    more = WISHED_FEMININE if wish.asked[woman] else FEMININE
    wanted[woman] += more * 2 * max(float(meant[woman]) - 0.5, 0.0)
    if wish.asked[OF_AGE].any():
        beyond = wanted - meant + WISHED_YEARS * (meant - usual)
        wanted[OF_AGE] = (meant + np.clip(beyond, -MOST_YEARS, MOST_YEARS))[OF_AGE]
    return wanted
