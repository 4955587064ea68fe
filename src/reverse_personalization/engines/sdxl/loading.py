"""Loading a Stable Diffusion model and its adapter once, from folders laid out as on the hub."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch

from reverse_personalization.engines.sdxl.adapter import StateDict, has_lora, read_adapter
from reverse_personalization.errors import EngineError, UsageError, WeightsError
from reverse_personalization.settings import Offload

BASES: Final = {"StableDiffusionXLPipeline": 1024, "StableDiffusionPipeline": 512}
"""The bases that can be used, by the pipeline that a model's `model_index.json` names, and the side of their
faces in pixels. Another base of diffusers with a UNet and FaceID weights needs a line here, and a change of
`DiffusionNetwork` only if its UNet takes other added conditions than SDXL's."""


def load_pipeline(
    model: Path, ip_adapter: Path, *, device: torch.device, dtype: torch.dtype, offload: Offload = "none"
) -> Any:
    """A diffusers pipeline with the adapter in its UNet, without the image encoder, which FaceID never runs.

    Raises:
        WeightsError: files are missing, damaged or of another layout.
        EngineError: the adapter holds a LoRA, but PEFT is missing.
    """
    name = pipeline_class(model)
    parts = read_adapter(ip_adapter)
    if has_lora(parts) and find_spec("peft") is None:
        raise EngineError("The adapter holds a LoRA, which needs PEFT; run `pip install peft`.")
    import diffusers

    _hush()
    chosen = getattr(diffusers, name)
    left_out: dict[str, Any] = {"image_encoder": None, "feature_extractor": None}
    if name == "StableDiffusionPipeline":
        left_out |= {"safety_checker": None, "requires_safety_checker": False}
    variant = "fp16" if any((model / "unet").glob("*.fp16.*")) else None
    try:
        pipeline = chosen.from_pretrained(model, dtype=dtype, variant=variant, local_files_only=True, **left_out)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{model.name}: files are missing or damaged ({_first_line(error)}).") from None
    _add_adapter(pipeline, parts, ip_adapter.name)
    _place(pipeline, device, offload)
    for part in (pipeline.unet, pipeline.vae):
        part.eval().requires_grad_(False)
    return pipeline


def pipeline_class(model: Path) -> str:
    """Which pipeline of diffusers a folder holds.

    Raises:
        WeightsError: there is no such folder, or it holds no model that can be used.
    """
    if not model.is_dir():
        raise WeightsError(f"{model}: there is no such folder; download the model and give its folder.")
    try:
        name = json.loads((model / "model_index.json").read_text())["_class_name"]
    except (OSError, ValueError, KeyError):
        raise WeightsError(f"{model.name}: no diffusers model, as it has no model_index.json.") from None
    if name not in BASES:
        raise WeightsError(f"{model.name}: holds a {name}; use a model for {' or '.join(BASES)}.")
    return str(name)


def choose_device(wanted: str, offload: Offload = "none") -> torch.device:
    """The device asked for; auto is the first there is of CUDA, MPS and the CPU.

    Raises:
        UsageError: it is not there, or there is nothing to offload from.
    """
    device = _device(wanted)
    if offload != "none" and device.type == "cpu":
        raise UsageError(f"--offload {offload}: spares a GPU's memory; leave it out on the CPU.")
    return device


def _device(wanted: str) -> torch.device:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return torch.device(next(name for name, here in there.items() if here))
    if not there.get(wanted, False):
        raise UsageError(f"--device {wanted}: not available here; leave it out, or use --device cpu.")
    return torch.device(wanted)


def choose_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """The precision asked for; auto is float32 on the CPU and float16 elsewhere."""
    if wanted == "auto":
        wanted = "float32" if device.type == "cpu" else "float16"
    return {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}[wanted]


def _add_adapter(pipeline: Any, parts: StateDict, name: str) -> None:
    try:
        pipeline.load_ip_adapter(parts, subfolder="", weight_name="", image_encoder_folder=None)
    except (RuntimeError, ValueError, KeyError) as error:
        raise WeightsError(f"{name}: does not fit this model ({_first_line(error)}).") from None
    pipeline.set_ip_adapter_scale(1.0)


def _place(pipeline: Any, device: torch.device, offload: Offload) -> None:
    if offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif offload == "group":
        pipeline.enable_group_offload(onload_device=device, offload_type="leaf_level")
    else:
        pipeline.to(device)


def free_memory(device: torch.device) -> float:
    """Bytes that are free for a device to use."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    import psutil  # comes with accelerate; MPS shares main memory

    return float(psutil.virtual_memory().available)


def _hush() -> None:
    """Keep the libraries' bars and hints off a terminal that shows our own; errors still come as errors."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    for of_library in (of_diffusers, of_transformers):
        of_library.set_verbosity_error()
        of_library.disable_progress_bar()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
