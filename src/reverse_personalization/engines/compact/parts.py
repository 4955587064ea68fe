"""The parts of the weights that `training.compact` wrote."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from reverse_personalization import weights


def read_parts() -> dict[str, dict[str, NDArray[np.floating]]]:
    """The tensors of the codec and of the population, by name."""
    parts: dict[str, dict[str, NDArray[np.floating]]] = {}
    for name, tensor in load_file(weights.path("compact")).items():
        part, _, of_part = name.partition(".")
        parts.setdefault(part, {})[of_part] = tensor
    return parts
