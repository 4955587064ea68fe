"""How hard each try pushes: every one harder than the one before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from reverse_personalization.settings import Settings

# Factors from one try to the next, on the guidance and on the share of time left out.
HARDER, EARLIER = 1.3, 0.9


@dataclass(frozen=True)
class Strength:
    """How hard one try pushes: what escalation raises."""

    guidance: float
    identity: float | None
    attribute: float | None
    surrogate: float
    steps: int
    skip: float

    def harder(self) -> Strength:
        """The next try's."""
        return replace(
            self,
            guidance=self.guidance * HARDER,
            identity=None if self.identity is None else self.identity * HARDER,
            skip=self.skip * EARLIER,
        )


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
    for _ in range(settings.max_tries):
        yield strength
        strength = strength.harder()
