"""Carrying out the attacks on one of our engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reverse_personalization.bench import attacks
from reverse_personalization.bench.methods import EngineMethod
from reverse_personalization.bench.running import Bench, MethodResult, embeddings
from reverse_personalization.bench.statistics import Rate
from reverse_personalization.bench.tables import Line
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.base import Recogniser

# The attacker's seeds: guesses for the replay, and other runs for the average.
GUESSES = (1001, 1002)
# What an attacker draws over results to get people back: the program's faces, led away from the results or toward them
# (the paper's section 9), or a face that leads nowhere, so that what is around it speaks.
RECOVERIES: Final[Mapping[str, Mapping[str, Any]]] = {
    **{f"guidance {w:g}": {"guidance": w, "surrogate": 0.0, "drawing": "unverified"} for w in (-4.0, 2.0, 4.0)},
    "nobody's face": {"drawing": "nobody"},
}
Make = Callable[..., EngineMethod]


@dataclass(frozen=True)
class Attack:
    """What an attack reached.

    Attributes:
        name: of the attack.
        recogniser: by which people were looked for.
        rate: rank-1.
        people: in the gallery.
    """

    name: str
    recogniser: str
    rate: Rate
    people: int


@dataclass(frozen=True)
class Attacked:
    """What all attacks reached.

    Attributes:
        attacks: one for each attack and recogniser.
        recovered: by what was drawn over each trial's result, what that made of it.
    """

    attacks: tuple[Attack, ...]
    recovered: Mapping[str, Sequence[Path | None]]


def attack(bench: Bench, result: MethodResult, make: Make) -> Attacked:
    """Try every attack on the outputs of an engine.

    Args:
        bench: of the run.
        result: the engine's, on the bench's trials.
        make: the compact engine as an attacker can have it, by `seed`, `guidance`, and what is drawn.
    """
    photos = [trial.photo for trial in bench.trials]
    outputs = result.outputs
    others = [trial.other for trial in bench.trials]
    guessed = [_made(bench, make(seed=seed), photos) for seed in GUESSES]
    over = [output or photo for output, photo in zip(outputs, photos, strict=True)]
    recovered = {drawn: _made(bench, make(seed=0, **how), over) for drawn, how in RECOVERIES.items()}
    linked = None if None in others else _made(bench, make(seed=GUESSES[0]), [p for p in others if p is not None])
    found: list[Attack] = []
    for recogniser in bench.recognisers:
        found += _by(recogniser, bench, outputs, guessed, recovered, linked)
    return Attacked(tuple(found), recovered)


def _by(
    recogniser: Recogniser,
    bench: Bench,
    outputs: Sequence[Path | None],
    guessed: Sequence[Sequence[Path | None]],
    recovered: Mapping[str, Sequence[Path | None]],
    linked: Sequence[Path | None] | None,
) -> Iterator[Attack]:
    def seen(paths: Sequence[Path | None]) -> FloatArray:
        return embeddings(bench.observe("attacks: observing", paths), recogniser)

    own = [trial.person for trial in bench.trials]
    gallery, source = embeddings(bench.gallery, recogniser), embeddings(bench.source, recogniser)
    probes, again = seen(outputs), [seen(paths) for paths in guessed]
    n, people, name = len(own), len(gallery), recogniser.name
    yield Attack("none", name, attacks.rank_1(recogniser, probes, gallery, own), people)
    for drawn, paths in recovered.items():
        rate = attacks.rank_1(recogniser, seen(paths), gallery, own)
        yield Attack(f"recovery, {drawn}", name, rate, people)
    yield Attack("parrot", name, attacks.parrot(recogniser, probes, source, gallery, own), people)
    yield Attack(
        f"average of {1 + len(again)}",
        name,
        attacks.averaging(recogniser, [probes, *again], gallery, own),
        people,
    )
    yield Attack(f"replay, {len(again)} guesses", name, attacks.replay(recogniser, probes, again, range(n)), n)
    if linked is not None:
        yield Attack("linkage of two outputs", name, attacks.linkage(recogniser, probes, seen(linked)), n)


def as_lines(method: str, found: Sequence[Attack]) -> list[Line]:
    """For the tables; in a gallery of one, everybody is found without an attack."""
    return [
        Line(
            method,
            f"rank-1 after attack: {a.name} ({a.people} people)",
            a.recogniser,
            a.rate.value,
            *a.rate.interval,
            a.rate.trials,
            0,
        )
        for a in found
        if a.people > 1
    ]


def _made(bench: Bench, method: EngineMethod, photos: Sequence[Path]) -> list[Path | None]:
    folder = bench.output_folder(method)
    outcomes = method.run(photos, folder, lambda done, total: bench.report("attacks: anonymizing", done, total))
    return [outcome.path for outcome in outcomes]
