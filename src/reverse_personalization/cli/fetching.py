"""The model files that a command needs."""

from __future__ import annotations

import typer


def fetch_weights(engine: str = "compact") -> None:
    """Fetch what an engine needs and is not here yet, saying so on stderr.

    A plugin's engine brings its own; the recognisers and the detector are the compact engine's.

    Raises:
        WeightsError: something cannot be had.
    """
    from reverse_personalization import weights

    needed = weights.needed_by(engine) or weights.needed_by("compact")
    weights.pull(needed, progress=lambda sentence: typer.echo(sentence, err=True))
