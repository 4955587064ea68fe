"""Hiding a face that is not replaced, so that it cannot be matched either."""

from __future__ import annotations

from collections.abc import Sequence

from reverse_personalization.faces.compositing import Rendering, paste
from reverse_personalization.faces.face import ByteArray, Face
from reverse_personalization.identity.verification import Check, Source, Verifier
from reverse_personalization.obscuring import obscure
from reverse_personalization.settings import Fallback

# How much coarser each try is, when the one before could still be matched.
COARSER = (1.0, 2.0, 4.0)
# What leaves so little of a face that it cannot be coarser.
COARSEST: tuple[Fallback, ...] = ("fill", "solid")


def hide(
    image_rgb: ByteArray, source: Source, verifier: Verifier, *, kind: Fallback, spared: Sequence[Face] = ()
) -> tuple[Rendering, Check]:
    """Obscure a face as coarsely as it takes; filled from its surroundings if all else fails.

    Where no recogniser knows the face, their word on what hides it is worth nothing: it is hidden as coarsely as any,
    and not checked.

    Args:
        image_rgb: uint8 H x W x 3; not changed itself.
        source: the face, before anything was done.
        verifier: which must not match what hides it.
        kind: how it is obscured.
        spared: faces that are not to be covered, see `obscure`.
    """
    if not verifier.knows(source):
        return obscure(image_rgb, source.face, kind=kind, strength=COARSER[-1], spared=spared), Check((), None)
    for strength in () if kind in COARSEST else COARSER:
        rendering = obscure(image_rgb, source.face, kind=kind, strength=strength, spared=spared)
        check = verifier.check(paste(image_rgb, rendering), source)
        if not check.matches:
            return rendering, check
    rendering = obscure(image_rgb, source.face, kind=kind if kind in COARSEST else "fill", spared=spared)
    return rendering, verifier.check(paste(image_rgb, rendering), source)
