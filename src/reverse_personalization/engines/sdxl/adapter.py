"""Reading IP-Adapter-FaceID files; `docs/sdxl.md` says what they hold."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from reverse_personalization import weights
from reverse_personalization.errors import WeightsError

StateDict: TypeAlias = dict[str, dict[str, Tensor]]
EMBEDDING = 512
"""Length of the ArcFace embeddings that FaceID adapters are trained on."""


def read_adapter(path: Path) -> StateDict:
    """The two parts of an adapter file, `image_proj` and `ip_adapter`, in this order.

    Raises:
        WeightsError: no such file, a pickle that nothing pins, or not of the published FaceID layout.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such IP-Adapter file; check --ip-adapter.")
    tensors = _safe_tensors(path) if path.suffix == ".safetensors" else _pinned_tensors(path)
    parts = _parts(tensors)
    _check_layout(parts, path.name)
    return parts


def _safe_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError):
        raise WeightsError(f"{path.name}: damaged or no safetensors file; download it again.") from None


def _pinned_tensors(path: Path) -> dict[str, Tensor]:
    if weights.identify(path) is None:
        raise WeightsError(
            f"{path.name}: a pickle that no hash of ours pins; "
            f"run `revpers models convert {path.name} OUT.safetensors` if you trust it."
        )
    return _unpickled(path)


def _unpickled(path: Path) -> dict[str, Tensor]:
    """The tensors of a pickled adapter under their flat names; nothing but tensors is unpickled."""
    try:
        parts = torch.load(path, map_location="cpu", weights_only=True)
        return {
            f"{part}.{name}": tensor.contiguous()
            for part in ("image_proj", "ip_adapter")
            for name, tensor in parts[part].items()
        }
    except (UnpicklingError, RuntimeError, EOFError, LookupError, TypeError, AttributeError):
        raise WeightsError(f"{path.name}: holds no IP-Adapter, or more than tensors.") from None


def _parts(tensors: dict[str, Tensor]) -> StateDict:
    parts: StateDict = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        if part in parts:
            parts[part][rest] = tensor
    return parts


def _check_layout(parts: StateDict, name: str) -> None:
    first, wanted = parts["image_proj"].get("proj.0.weight"), f"{name}: no IP-Adapter-FaceID file"
    if first is None or "norm.weight" not in parts["image_proj"]:
        raise WeightsError(f"{wanted}, as it projects no face embeddings; take ip-adapter-faceid_sdxl.")
    if first.shape[1] != EMBEDDING:
        raise WeightsError(f"{wanted}, as its embeddings have {first.shape[1]} numbers, not {EMBEDDING}.")
    if "1.to_k_ip.weight" not in parts["ip_adapter"]:
        raise WeightsError(f"{wanted}, as it holds no cross-attention weights; take ip-adapter-faceid_sdxl.")


def has_lora(parts: StateDict) -> bool:
    """Whether the adapter changes the attention layers, too, as the published ones do."""
    return any("_lora." in name for name in parts["ip_adapter"])


def convert(source: Path, out: Path) -> None:
    """Rewrite a pickled adapter as safetensors; nothing but tensors is unpickled.

    Raises:
        WeightsError: the file holds something else, or is not of the published FaceID layout.
    """
    if not source.is_file():
        raise WeightsError(f"{source}: there is no such file.")
    tensors = _unpickled(source)
    _check_layout(_parts(tensors), source.name)
    partial = out.with_name(f".{out.name}.partial")
    try:
        save_file(tensors, partial)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
