"""The model files that a command needs."""

from __future__ import annotations

import typer

from reverse_personalization.settings import EngineName


def fetch_weights(engine: EngineName = "compact") -> None:
    """Fetch what an engine needs and is not here yet, saying so on stderr.

    Raises:
        WeightsError: something cannot be had.
    """
    from reverse_personalization import weights

    weights.pull(weights.needed_by(engine), progress=lambda sentence: typer.echo(sentence, err=True))
