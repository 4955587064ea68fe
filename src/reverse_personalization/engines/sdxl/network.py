"""The diffusion network: pictures to latents, text and faces to conditions, noisy latents to noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reverse_personalization.engines.sdxl.loading import (
    BASES,
    choose_device,
    choose_dtype,
    free_memory,
    load_pipeline,
)
from reverse_personalization.errors import EngineError, WeightsError
from reverse_personalization.faces.face import ByteArray
from reverse_personalization.inversion import NoiseSchedule, Row
from reverse_personalization.settings import Offload

# What a sample takes in a call beside the weights: so many times its first feature map. An estimate for the
# SDXL layout; where it is too low, the call is halved.
FEATURE_MAPS = 128
SHARE_OF_FREE = 0.8
MOST_SAMPLES = 64


@dataclass(frozen=True, eq=False)
class Prompt:
    """A text as the network reads it: `embeds` 1 x L x D, and SDXL's `pooled` 1 x P or None."""

    embeds: Tensor
    pooled: Tensor | None


@dataclass(frozen=True, eq=False)
class Condition:
    """What the network is told of n faces: one prompt, and `faces`, float32 n x 512; zeros: null identity."""

    prompt: Prompt
    faces: Tensor

    def __eq__(self, other: object) -> bool:
        """By value, so that a face whose embedding is zero has the null identity."""
        if not isinstance(other, Condition):
            return NotImplemented
        return self.prompt is other.prompt and torch.equal(self.faces, other.faces)

    def __hash__(self) -> int:
        """Of the prompt: few conditions share it."""
        return hash(self.prompt)


class DiffusionNetwork:
    """A Stable Diffusion model with IP-Adapter-FaceID.

    Attributes:
        size: side of a face's crop, pixels.
        schedule: the model's.
        samples_per_call: how many samples one call of the UNet holds at most; halved when memory runs out.
        calls: of the UNet, so far.
        evaluations: of the UNet, so far, counted in samples.
    """

    def __init__(self, pipeline: Any, device: torch.device, *, memory: float | None = None) -> None:
        """Take a diffusers pipeline with the adapter loaded, that computes on `device`.

        One call may take `memory` gigabytes, or most of what is free.

        Raises:
            WeightsError: the model predicts something else than noise.
        """
        self._pipeline, self._unet, self._vae = pipeline, pipeline.unet, pipeline.vae
        self.device, self.dtype = device, self._unet.dtype
        self.size = BASES[type(pipeline).__name__]
        config = pipeline.scheduler.config
        if config.prediction_type != "epsilon":
            raise WeightsError(f"The model predicts {config.prediction_type}; use one that predicts epsilon.")
        self.schedule = NoiseSchedule.from_betas(pipeline.scheduler.betas.double().tolist())
        self.samples_per_call = self._affordable(memory)
        self.calls = self.evaluations = 0
        self._reads_size = getattr(self._unet.config, "addition_embed_type", None) == "text_time"
        self._prompts: dict[str | None, Prompt] = {}

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        ip_adapter: str | Path,
        *,
        device: str = "auto",
        dtype: str = "auto",
        offload: Offload = "none",
        compile: bool = False,  # noqa: A002 - the word that diffusers and torch use
        memory: float | None = None,
    ) -> DiffusionNetwork:
        """Load a model's folder and an adapter's file.

        Raises:
            WeightsError: files are missing, damaged or of another layout.
            UsageError: the device is not there, or there is nothing to offload from.
        """
        place = choose_device(device, offload)
        precision = choose_dtype(dtype, place)
        pipeline = load_pipeline(Path(model), Path(ip_adapter), device=place, dtype=precision, offload=offload)
        if compile:
            pipeline.unet.compile()
        return cls(pipeline, place, memory=memory)

    def prompt(self, text: str | None) -> Prompt:
        """A text, encoded once. None is all zeros in place of a text, which is not the empty text."""
        if text not in self._prompts:
            self._prompts[text] = self._encode_prompt(text)
        return self._prompts[text]

    def condition(self, text: str | None, faces: Tensor) -> Condition:
        """A condition of n faces, n x 512."""
        return Condition(self.prompt(text), faces.to(self.device, torch.float32))

    @torch.no_grad()
    def encode(self, crops: ByteArray) -> Tensor:
        """Latents of uint8 n x S x S x 3 RGB, float32 n x C x S/8 x S/8: the posterior's mode, scaled."""
        pixels = torch.from_numpy(crops).permute(0, 3, 1, 2).to(self.device, torch.float32) / 127.5 - 1
        vae = self._precise_vae()
        mode = vae.encode(pixels.to(vae.dtype)).latent_dist.mode()
        return mode.float() * vae.config.scaling_factor

    @torch.no_grad()
    def decode(self, latents: Tensor) -> ByteArray:
        """Undo `encode`."""
        vae = self._precise_vae()
        x = latents / vae.config.scaling_factor
        if getattr(vae.config, "latents_mean", None) and getattr(vae.config, "latents_std", None):
            mean, std = (
                torch.tensor(v, device=x.device)[None, :, None, None]
                for v in (vae.config.latents_mean, vae.config.latents_std)
            )
            x = x * std + mean
        pixels = vae.decode(x.to(vae.dtype)).sample.float()
        rounded = ((pixels + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return np.ascontiguousarray(rounded.permute(0, 2, 3, 1).cpu().numpy())

    @torch.no_grad()
    def predict(self, rows: Sequence[Row[Condition]]) -> list[Tensor]:
        """Epsilon of each row, float32 like its x, n x C x h x w; from as few calls as memory allows.

        Raises:
            EngineError: not even one sample fits into memory.
        """
        counts = [len(row.x) for row in rows]
        x = torch.cat([row.x for row in rows])
        t = torch.tensor([row.timestep for row in rows], device=self.device).repeat_interleave(
            torch.tensor(counts, device=self.device)
        )
        faces = torch.cat([row.condition.faces for row in rows])
        prompts = [row.condition.prompt for row in rows for _ in range(len(row.x))]
        done: list[Tensor] = []
        start = 0
        while start < len(x):
            stop = min(start + self.samples_per_call, len(x))
            part = slice(start, stop)
            try:
                done.append(self._call(x[part], t[part], faces[part], prompts[part]))
                start = stop
            except torch.OutOfMemoryError:
                self._halve(stop - start)
        ends = list(accumulate(counts))
        eps = torch.cat(done)
        return [eps[end - count : end] for end, count in zip(ends, counts, strict=True)]

    def _affordable(self, memory: float | None) -> int:
        """How many samples of a face's latent fit into one call."""
        free = free_memory(self.device) * SHARE_OF_FREE if memory is None else memory * 1e9
        channels = self._unet.config.block_out_channels[0]
        sample = (self.size // 8) ** 2 * channels * self.dtype.itemsize * FEATURE_MAPS
        return max(1, min(int(free / sample), MOST_SAMPLES))

    def _halve(self, tried: int) -> None:
        if tried == 1:
            raise EngineError("The face does not fit into the device's memory; use --device cpu.") from None
        self.samples_per_call = tried // 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _call(self, x: Tensor, t: Tensor, faces: Tensor, prompts: Sequence[Prompt]) -> Tensor:
        added: dict[str, Any] = {"image_embeds": [faces[:, None, None].to(self.dtype)]}
        if self._reads_size:
            height, width = (8 * side for side in x.shape[-2:])
            sizes = torch.tensor([[height, width, 0, 0, height, width]], device=self.device)
            pooled = [p.pooled for p in prompts if p.pooled is not None]
            added |= {"text_embeds": torch.cat(pooled), "time_ids": sizes.to(self.dtype).expand(len(x), -1)}
        eps: Tensor = self._unet(
            x.to(self.dtype),
            t,
            encoder_hidden_states=torch.cat([p.embeds for p in prompts]),
            added_cond_kwargs=added,
            return_dict=False,
        )[0]
        self.calls += 1
        self.evaluations += len(x)
        return eps.float()

    @torch.no_grad()
    def _encode_prompt(self, text: str | None) -> Prompt:
        encoded = self._pipeline.encode_prompt(
            text or "", device=self.device, num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        embeds, pooled = encoded[0], encoded[2] if self._reads_size else None
        if text is None:
            return Prompt(torch.zeros_like(embeds), None if pooled is None else torch.zeros_like(pooled))
        return Prompt(embeds, pooled)

    def _precise_vae(self) -> Any:
        """The VAE, in float32 where its half precision overflows, as its configuration says."""
        if self._vae.dtype == torch.float16 and getattr(self._vae.config, "force_upcast", False):
            self._vae.to(torch.float32)
        return self._vae
