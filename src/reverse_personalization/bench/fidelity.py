"""FID and KID by torch-fidelity, with Inception weights that the user has: nothing is downloaded here."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from reverse_personalization.errors import WeightsError

SUBSET = 1000
"""Photos of a KID's subset, as published, where there are as many."""


def fid_and_kid(sources: Sequence[Path], outputs: Sequence[Path | None], weights: Path) -> dict[str, float]:
    """FID (Heusel et al. 2017) and KID (Binkowski et al. 2018) of whole outputs against whole sources.

    Both are biased upward where photos are few; the number of photos belongs beside them.

    Args:
        sources: untouched photos.
        outputs: what a method made; None is left out.
        weights: torch-fidelity's `weights-inception-2015-12-05-6726825d.pth`.

    Raises:
        WeightsError: torch-fidelity is missing, or the file is missing or none of weights.
    """
    _check(weights)
    made = [path for path in outputs if path is not None]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        found: dict[str, float] = _torch_fidelity().calculate_metrics(
            input1=_linked(made, Path(one)),
            input2=_linked(sources, Path(other)),
            fid=True,
            kid=True,
            kid_subset_size=min(SUBSET, len(made), len(sources)),
            # Photos differ in size, and the network scales them itself.
            batch_size=1,
            feature_extractor_weights_path=str(weights),
            samples_find_ext="png,jpg,jpeg,webp,bmp,tif,tiff",
            cuda=False,
            cache=False,
            # Decodes in this process; workers would only wait for the network.
            save_cpu_ram=True,
            verbose=False,
        )
    return {"FID": found["frechet_inception_distance"], "KID": found["kernel_inception_distance_mean"]}


def _linked(photos: Sequence[Path], folder: Path) -> str:
    for number, photo in enumerate(photos):
        (folder / f"{number:06}{photo.suffix.lower()}").symlink_to(photo.resolve())
    return str(folder)


def _torch_fidelity() -> Any:
    try:
        return import_module("torch_fidelity")
    except (ImportError, RuntimeError) as error:  # a torchvision that does not fit torch is a RuntimeError
        raise WeightsError(
            f"FID needs torch-fidelity (pip install 'reverse-personalization[fid]'): {str(error).splitlines()[0]}."
        ) from None


def _check(weights: Path) -> None:
    """Refuse what is no table of tensors: torch-fidelity would execute what else a file holds."""
    if not weights.is_file():
        raise WeightsError(f"{weights}: there is no such file; --inception takes Inception's weights, see docs.")
    _torch_fidelity()
    try:
        import_module("torch").load(weights, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(f"{weights.name}: no weights ({type(error).__name__}).") from None
