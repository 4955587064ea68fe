"""How hard each try pushes: every one harder than the one before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from reverse_personalization.settings import Settings

# Factors from one try to the next, on the guidance and on the share of time left out, and the most on the guidance:
# beyond it, codes are cut down to what faces have, and every stranger looks the same.
HARDER, EARLIER, HARDEST = 1.3, 0.9, 4.8
# After so many tries, the share of a face's attributes that its stranger has falls by so much a try, down to the least:
# where all children, or all people of one origin, are alike to a recogniser, only somebody else is nobody.
HELD, FORGOTTEN, LEAST_KEPT = 3, 0.25, -1.0


@dataclass(frozen=True)
class Strength:
    """How hard one try pushes: what escalation raises."""

    guidance: float
    identity: float | None
    attribute: float | None
    surrogate: float
    steps: int
    skip: float
    attributes_kept: float = 1.0


def escalation(settings: Settings) -> Iterator[Strength]:
    """The tries of a run: each pushes harder, starts further back in time, and has another stranger and other noise."""
    push, identity = settings.strength, settings.identity_strength
    strength = Strength(
        settings.guidance * push,
        None if identity is None else identity * push,
        settings.attribute_strength,
        # Beyond all the way to the stranger lies nobody.
        settings.surrogate * min(push, 1.0),
        settings.steps,
        settings.skip,
    )
    for tried in range(settings.max_tries):
        harder = min(HARDER**tried, HARDEST)
        yield replace(
            strength,
            guidance=strength.guidance * harder,
            identity=None if strength.identity is None else strength.identity * harder,
            skip=strength.skip * EARLIER**tried,
            attributes_kept=max(1 - FORGOTTEN * max(tried - HELD, 0), LEAST_KEPT),
        )
