"""Attributes that strangers of the compact engine may be asked to have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reverse_personalization.engines.compact.beards import KINDS
from reverse_personalization.errors import UsageError
from reverse_personalization.faces.face import FloatArray

NAMES: Final = ("growth", "ageing", "woman", "moustache", "beard", "black", "east asian", "indian", "white")
"""Attributes that show in codes: years up to `GROWN`, years from then on, as growing up changes faces otherwise than
growing old, and the others from 0 to 1. The last four stay as they are, like the skin's tone."""
GROWN: Final = 20.0
OF_AGE: Final = slice(0, 2)
_BABIES: Final = ("baby", "infant", "toddler")
_CHILDREN: Final = ("child", "kid", "boy", "girl")
CHILDISH: Final = frozenset([*_BABIES, *_CHILDREN])
"""Words beside which "young" says nothing."""
AGES: Final = {
    **dict.fromkeys(_BABIES, 2.0),
    **dict.fromkeys(_CHILDREN, 9.0),
    **dict.fromkeys(("teenage", "teenager", "teenaged"), 16.0),
    "young": 25.0,
    "middle-aged": 50.0,
    **dict.fromkeys(("old", "elderly", "senior", "aged"), 75.0),
}
SHIFTS: Final = {"older": 20.0, "younger": -20.0}
WOMAN: Final = {
    **dict.fromkeys(("woman", "women", "female", "girl", "lady", "feminine"), 1.0),
    **dict.fromkeys(("man", "men", "male", "boy", "gentleman", "masculine"), 0.0),
}
BEARD: Final = {
    **dict.fromkeys(("beard", "bearded"), 1.0),
    **dict.fromkeys(("clean-shaven", "shaven", "beardless"), 0.0),
}
MOUSTACHE: Final = BEARD | {"moustache": 1.0}
BEARDLESS: Final = 14.0
"""Years up to which nobody has a beard; women have none either, unless it is asked for."""
OLDEST: Final = 95.0
WRINKLED: Final = 40.0
YOUTHFUL: Final = 25.0
"""Ages in years from which on, and up to which, skin is asked to show them."""
ROUGH, SMOOTH = 3.0, 0.6
"""How many times as rough as otherwise skin may be where it is asked to show age, or youth."""
FILLERS: Final = frozenset(
    [
        *("a", "an", "the", "of", "with", "and", "who", "is", "in", "his", "her", "their"),
        *("person", "face", "adult", "photo", "portrait", "looks", "looking", "year", "years"),
    ]
)


@dataclass(frozen=True)
class Wish:
    """What a stranger should be; None leaves an attribute as it is in the source.

    Attributes:
        age: years.
        older: years added to the source's apparent age.
        woman: 1 for a woman's, 0 for a man's face.
        moustache: 1 with, 0 without.
        beard: on chin and cheeks, 1 with, 0 without.
    """

    age: float | None = None
    older: float = 0.0
    woman: float | None = None
    moustache: float | None = None
    beard: float | None = None

    @property
    def asked(self) -> NDArray[np.bool_]:
        """For each attribute, in the order of `NAMES`, whether the wish says anything of it: bool k."""
        asked = {name for name, value in self._plain.items() if value is not None}
        if self.age is not None or self.older != 0:
            asked.update(NAMES[OF_AGE])
        return np.array([name in asked for name in NAMES])

    @property
    def _plain(self) -> dict[str, float | None]:
        """What is wished of attributes other than age."""
        return {"woman": self.woman, "moustache": self.moustache, "beard": self.beard}

    @property
    def roughness(self) -> float:
        """How many times as rough as otherwise a stranger's skin may be."""
        if self.older > 0 or (self.age is not None and self.age >= WRINKLED):
            return ROUGH
        return SMOOTH if self.older < 0 or (self.age is not None and self.age <= YOUTHFUL) else 1.0

    def hair(self, attributes: FloatArray) -> FloatArray:
        """How much more of each kind of beard (`beards.KINDS`) a face with such attributes should have, float32 2."""
        rows = [NAMES.index(kind) for kind in KINDS]
        return (self.applied(attributes) - attributes)[rows]

    def applied(self, attributes: FloatArray) -> FloatArray:
        """Attributes (float32 k, in the order of `NAMES`) with the wish fulfilled."""
        wanted = attributes.copy()
        for name, value in self._plain.items():
            if value is not None:
                wanted[NAMES.index(name)] = value
        age = float(attributes[OF_AGE].sum()) if self.age is None else self.age
        wanted[OF_AGE] = of_years(float(np.clip(age + self.older, 0, OLDEST)))
        return wanted


def of_years(age: float) -> tuple[float, float]:
    """Growth and ageing of an age in years."""
    return min(age, GROWN), max(age - GROWN, 0.0)


def read_wish(prompt: str | None) -> Wish:
    """Understand a prompt like "an old man", "younger", or "a 40-year-old woman".

    Raises:
        UsageError: a word that the compact engine does not know, or two that contradict each other.
    """
    if prompt is None:
        return Wish()
    text = prompt.lower()
    years = _YEARS.search(text)
    rest = text if years is None else text.replace(years[0], " ", 1)
    words = [word for word in _APART.split(_MIDDLE.sub("middle-aged", rest)) if word]
    unknown = [word for word in words if word not in _KNOWN]
    if unknown or not (years or any(word not in FILLERS for word in words)):
        what = f'"{unknown[0]}"' if unknown else f'"{prompt}"'
        raise UsageError(
            f"--attributes: the compact engine does not know {what}; ask for an age (young, older, "
            "40 years old), a man or a woman, a beard, a moustache or clean-shaven, or use --engine sdxl."
        )
    age = _one(AGES, [word for word in words if word != "young" or not CHILDISH.intersection(words)])
    age = float(years[1]) if years else age
    woman, moustache, beard = (_one(meanings, words) for meanings in (WOMAN, MOUSTACHE, BEARD))
    if woman == 1.0 or (age is not None and age <= BEARDLESS):
        moustache, beard = moustache or 0.0, beard or 0.0
    return Wish(age=age, older=_one(SHIFTS, words) or 0.0, woman=woman, moustache=moustache, beard=beard)


_KNOWN: Final = FILLERS | AGES.keys() | SHIFTS.keys() | WOMAN.keys() | MOUSTACHE.keys()
# No part of a longer number, and nothing below zero.
_YEARS: Final = re.compile(r"(?<![\d.-])(\d{1,2}|1[01]\d)(?:[- ]years?)?(?:[- ]old)?(?![\w.-]*\d)\b")
_MIDDLE: Final = re.compile(r"\bmiddle aged\b")
_APART: Final = re.compile(r"[\s,;.!]+")


def _one(meanings: Mapping[str, float], words: Sequence[str]) -> float | None:
    """What words ask of one attribute."""
    asked = {meanings[word]: word for word in words if word in meanings}
    if len(asked) > 1:
        raise UsageError(f"--attributes: {' and '.join(asked.values())} contradict each other; ask for one of them.")
    return next(iter(asked), None)
