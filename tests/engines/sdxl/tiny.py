"""A tiny random SDXL, SD 1.5 and IP-Adapter-FaceID, laid out as on the hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

TEXT = 32
CROSS = {"sdxl": 2 * TEXT, "sd15": TEXT}
TOKENS, RANK = 4, 4


def save_model(folder: Path, kind: str) -> Path:
    """Write a model; its numbers are the same every time."""
    torch.manual_seed(0)
    parts: dict[str, Any] = {
        "vae": _vae(),
        "unet": _unet(kind),
        "scheduler": DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1),
        "text_encoder": _text_encoder(CLIPTextModel),
        "tokenizer": _tokenizer(folder),
    }
    if kind == "sdxl":
        parts |= {
            "text_encoder_2": _text_encoder(CLIPTextModelWithProjection),
            "tokenizer_2": parts["tokenizer"],
        }
        pipeline: Any = StableDiffusionXLPipeline(**parts, add_watermarker=False)
    else:
        pipeline = StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
    pipeline.save_pretrained(folder)
    return folder


def save_adapter(path: Path, kind: str, *, lora: bool = True) -> Path:
    """Write a random adapter of the published layout for `save_model`'s UNet."""
    torch.manual_seed(1)
    cross = CROSS[kind]
    tensors = {
        "image_proj.proj.0.weight": torch.randn(1024, 512) / 20,
        "image_proj.proj.0.bias": torch.randn(1024) / 10,
        "image_proj.proj.2.weight": torch.randn(TOKENS * cross, 1024) / 20,
        "image_proj.proj.2.bias": torch.randn(TOKENS * cross) / 10,
        "image_proj.norm.weight": torch.ones(cross),
        "image_proj.norm.bias": torch.zeros(cross),
    }
    unet = _unet(kind)
    for i, name in enumerate(unet.attn_processors):
        attention = unet.get_submodule(name.removesuffix(".processor"))
        width = attention.to_q.in_features
        if "attn2" in name:
            for key in ("k", "v"):
                tensors[f"ip_adapter.{i}.to_{key}_ip.weight"] = torch.randn(width, cross) / 8
        if lora:
            for key in ("q", "k", "v", "out"):
                inside = attention.to_k.in_features if key in "kv" else width
                tensors[f"ip_adapter.{i}.to_{key}_lora.down.weight"] = torch.randn(RANK, inside) / 8
                tensors[f"ip_adapter.{i}.to_{key}_lora.up.weight"] = torch.randn(width, RANK) / 8
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


def _unet(kind: str) -> UNet2DConditionModel:
    added = {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + TEXT,
    }
    return UNet2DConditionModel(
        block_out_channels=(16, 32),
        layers_per_block=1,
        sample_size=8,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        norm_num_groups=8,
        cross_attention_dim=CROSS[kind],
        **(added if kind == "sdxl" else {}),
    )


def _vae() -> AutoencoderKL:
    kinds = 4
    return AutoencoderKL(
        block_out_channels=[8, 8, 8, 8],
        norm_num_groups=4,
        down_block_types=["DownEncoderBlock2D"] * kinds,
        up_block_types=["UpDecoderBlock2D"] * kinds,
        latent_channels=4,
        scaling_factor=0.13025,
    )


def _text_encoder(kind: Any) -> Any:
    config = CLIPTextConfig(
        hidden_size=TEXT,
        intermediate_size=37,
        num_hidden_layers=3,
        num_attention_heads=4,
        vocab_size=len(_vocabulary()),
        projection_dim=TEXT,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return kind(config)


def _vocabulary() -> dict[str, int]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    return {token: i for i, token in enumerate(tokens)}


def _tokenizer(folder: Path) -> CLIPTokenizer:
    own = folder.with_name(f"{folder.name}-tokenizer")
    own.mkdir(parents=True)
    (own / "vocab.json").write_text(json.dumps(_vocabulary()))
    (own / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(own / "vocab.json"), str(own / "merges.txt"), model_max_length=77)
