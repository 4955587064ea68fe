"""Carrying out the attacks on one of our engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reverse_personalization.bench import attacks
from reverse_personalization.bench.methods import EngineMethod
from reverse_personalization.bench.running import Bench, MethodResult, embeddings
from reverse_personalization.bench.statistics import Rate
from reverse_personalization.bench.tables import Line
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.identity.base import Recogniser

# The attacker's seeds: guesses for the replay, and other runs for the average.
GUESSES = (1001, 1002)
# Guidance with which an attacker tries to lead results back (the paper's section 9): further, and back.
RECOVERIES = (-4.0, 2.0, 4.0)
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
        recovered: by guidance, what the recovery made of each trial's result.
    """

    attacks: tuple[Attack, ...]
    recovered: Mapping[float, Sequence[Path | None]]


def attack(bench: Bench, result: MethodResult, make: Make) -> Attacked:
    """Try every attack on the outputs of an engine.

    Args:
        bench: of the run.
        result: the engine's, on the bench's trials.
        make: the engine as an attacker can have it, by `seed`, and by `guidance`.
    """
    photos = [trial.photo for trial in bench.trials]
    outputs = result.outputs
    others = [trial.other for trial in bench.trials]
    guessed = [_made(bench, make(seed=seed), photos) for seed in GUESSES]
    recovered = {
        w: _made(
            bench,
            make(guidance=w, seed=0, surrogate=0.0, verified=False),
            [p or photos[i] for i, p in enumerate(outputs)],
        )
        for w in RECOVERIES
    }
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
    recovered: Mapping[float, Sequence[Path | None]],
    linked: Sequence[Path | None] | None,
) -> Iterator[Attack]:
    def seen(paths: Sequence[Path | None]) -> FloatArray:
        return embeddings(bench.observe("attacks: observing", paths), recogniser)

    own = [trial.person for trial in bench.trials]
    gallery, source = embeddings(bench.gallery, recogniser), embeddings(bench.source, recogniser)
    probes, again = seen(outputs), [seen(paths) for paths in guessed]
    n, people, name = len(own), len(gallery), recogniser.name
    yield Attack("none", name, attacks.rank_1(recogniser, probes, gallery, own), people)
    for w, paths in recovered.items():
        rate = attacks.rank_1(recogniser, seen(paths), gallery, own)
        yield Attack(f"recovery, guidance {w:g}", name, rate, people)
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
