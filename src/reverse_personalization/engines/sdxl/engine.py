"""The paper's engine: the method in the latents of a Stable Diffusion model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reverse_personalization import inversion, weights
from reverse_personalization.engines.base import Conditions, Encoded, Labels
from reverse_personalization.engines.sdxl import geometry
from reverse_personalization.engines.sdxl.adapter import EMBEDDING
from reverse_personalization.engines.sdxl.loading import choose_device
from reverse_personalization.engines.sdxl.network import Condition, DiffusionNetwork
from reverse_personalization.errors import EngineError
from reverse_personalization.faces.compositing import Rendering
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.faces.mesh import FaceMesher
from reverse_personalization.identity.arcface import ArcFace
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.inversion import Row
from reverse_personalization.noise import KeyedNoise
from reverse_personalization.settings import Mode, Offload

# Rows of a step for the inversion and for the regeneration.
ROWS = {"economical": (1, 2), "exact": (2, 2)}


class SdxlEngine:
    """Stable Diffusion with IP-Adapter-FaceID; `docs/sdxl.md` tells the modes apart."""

    name = "sdxl"
    weights: tuple[str, ...] = ("face-mesh",)

    def __init__(
        self,
        network: DiffusionNetwork,
        guide: Recogniser,
        *,
        mode: Mode = "economical",
        attributes: str | None = None,
        keep: Sequence[str] = (),
    ) -> None:
        """Take the network and the recogniser whose embeddings its adapter reads."""
        self.network, self.guide, self.schedule = network, guide, network.schedule
        self.guides: tuple[Recogniser, ...] = (guide,)
        self._mode: Mode = mode
        self._attributes, self._keep = attributes, tuple(keep)
        self._mesher = FaceMesher()

    @classmethod
    def from_pretrained(  # noqa: PLR0913 - what users can choose, by name
        cls,
        model: str | Path | None = None,
        ip_adapter: str | Path | None = None,
        *,
        device: str = "auto",
        dtype: str = "auto",
        mode: Mode = "economical",
        attributes: str | None = None,
        offload: Offload = "none",
        compile: bool = False,  # noqa: A002 - the word that diffusers and torch use
        memory: float | None = None,
        keep: Sequence[str] = (),
        guide: Recogniser | str | Path | None = None,
    ) -> SdxlEngine:
        """Load everything once.

        Args:
            model: "sdxl", "sd15", a hub id, or the folder of such a model; "sdxl" by default.
            ip_adapter: "faceid-sdxl", "faceid-sd15", or a file; that of the model by default.
            device: auto, cpu, cuda or mps.
            dtype: auto, float32, float16 or bfloat16.
            mode: exact or economical.
            attributes: what the strangers should be.
            offload: what waits in main memory until needed: none, model (whole models), group (of layers).
            compile: compile the UNet.
            memory: gigabytes that one call may take; most of what is free by default.
            keep: parts of the face that stay, see `faces.regions`.
            guide: the recogniser whose embeddings the adapter reads, or its file; ArcFace's buffalo_l by
                default, whose licence is non-commercial. Without one there is no identity to move away from,
                so a run on text alone is not offered.

        Raises:
            WeightsError: something is missing, damaged, out of reach or of another layout.
            UsageError: the device is not there, or there is nothing to offload from.
        """
        model = model or "sdxl"
        ip_adapter = ip_adapter or ("faceid-sd15" if model == "sd15" else "faceid-sdxl")
        place = choose_device(device, offload)  # before gigabytes are fetched for one that is not there
        if guide is None or isinstance(guide, str | Path):
            guide = ArcFace(weights.file(guide or "arcface"))
        folder, adapter = weights.snapshot(model), weights.file(ip_adapter)
        network = DiffusionNetwork.from_pretrained(
            folder, adapter, device=place.type, dtype=dtype, offload=offload, compile=compile, memory=memory
        )
        return cls(network, guide, mode=mode, attributes=attributes, keep=keep)

    @property
    def batch(self) -> int:
        """As many faces as one call holds with all rows of a step."""
        return max(1, self.network.samples_per_call // sum(ROWS[self._mode]))

    def inversion_batch(self, faces: int, steps: int) -> int:
        """As many timesteps as one call holds beside the regeneration's rows."""
        of_inversion, of_generation = ROWS[self._mode]
        room = self.network.samples_per_call // faces - of_generation
        return max(1, min(steps, room // of_inversion))

    def encode(self, image_rgb: ByteArray, face: Face) -> Encoded:
        """The latent of the square around a face, float32 C x h x w.

        Raises:
            EngineError: no mesh can be laid on the face.
        """
        mesh = self._mesher.fitted(image_rgb, face)
        crop = geometry.crop(image_rgb, mesh, self.network.size)
        x0 = self.network.encode(crop.image_rgb[None])[0]
        mask = geometry.latent_mask(crop, self._keep, (x0.shape[1], x0.shape[2])) if self._keep else None
        return Encoded(x0, None if mask is None else torch.from_numpy(mask).to(x0.device)[None], crop)

    def conditions(
        self,
        encoded: Sequence[Encoded],
        embeddings: Sequence[FloatArray],
        noise: KeyedNoise,
        labels: Sequence[Labels],
        *,
        attributes_kept: float = 1.0,
    ) -> Conditions[Condition]:
        """What the network is told of faces that ArcFace embedded; strangers are directions without attributes."""
        drawn = [noise.generator(*label, "stranger").standard_normal(EMBEDDING, np.float32) for label in labels]
        return self.told(_units(embeddings), surrogates=_units(drawn))

    def told(self, identities: Tensor, *, surrogates: Tensor | None = None) -> Conditions[Condition]:
        """Conditions for unit embeddings, float32 n x 512.

        In exact mode the text of the inversion's second row is all zeros, as published, not the empty prompt.
        """
        network, nobody = self.network, torch.zeros_like(identities)
        exact = self._mode == "exact"
        return Conditions(
            null=network.condition("", nobody),
            identity=network.condition("", identities),
            surrogate=None if surrogates is None else network.condition("", surrogates),
            opposite=network.condition("", -identities),
            blank=network.condition(None, nobody) if exact else None,
            attribute=None if self._attributes is None else network.condition(self._attributes, nobody),
        )

    def regenerate(
        self,
        x0: Tensor,
        identities: Tensor,
        *,
        noise: Sequence[Tensor] | Tensor,
        guidance: float = -10.0,
        steps: int = 100,
        skip: float = 0.7,
    ) -> Tensor:
        """The published recursion on latents.

        Args:
            x0: float32 n x C x h x w.
            identities: float32 n x 512 unit embeddings; zeros are the null identity.
            noise: steps arrays like x0, or like one face's for all; row k is of the k-th smallest timestep.
            guidance: w; negative moves away from the identities.
            steps: N.
            skip: share of the time axis left out.
        """
        known = self.told(identities)
        fields = inversion.coupled(
            guidance, null=known.null, identity=known.identity, blank=known.blank, attribute=known.attribute
        )
        latents: Tensor = inversion.regenerate(
            x0.to(self.network.device, torch.float32),
            noise=[one.to(self.network.device, torch.float32) for one in noise],
            timesteps=inversion.timesteps(steps, skip, length=len(self.schedule.abar)),
            predict=self.predict,
            inversion=fields.inversion,
            generation=fields.generation,
            schedule=self.schedule,
            inversion_batch=self.inversion_batch(len(x0), steps),
        )
        return latents

    def stack(self, arrays: Sequence[Tensor]) -> Tensor:
        """Latents of one face each as n x C x h x w."""
        return torch.stack(list(arrays))

    def noise(
        self, encoded: Sequence[Encoded], steps: int, noise: KeyedNoise, labels: Sequence[Labels]
    ) -> list[Tensor]:
        """Standard normal, float32 steps x n x C x h x w."""
        drawn = [
            noise.generator(*label, "noise").standard_normal((steps, *one.x0.shape), np.float32)
            for one, label in zip(encoded, labels, strict=True)
        ]
        return list(torch.from_numpy(np.stack(drawn, 1)).to(self.network.device))

    def predict(self, rows: Sequence[Row[Condition]]) -> Sequence[Tensor]:
        """Epsilon of each row."""
        return self.network.predict(rows)

    def decode(self, image_rgb: ByteArray, encoded: Encoded, x: Tensor) -> Rendering:
        """The face with latent `x`, in its place and under its mask.

        Raises:
            EngineError: the latent is not finite.
        """
        if not torch.isfinite(x).all():
            raise EngineError("The regenerated latent is not finite; use --dtype float32.")
        generated = self.network.decode(x[None])[0]
        return geometry.paste_back(image_rgb, encoded.context, generated, self._keep)


def _units(embeddings: Sequence[FloatArray]) -> Tensor:
    return torch.nn.functional.normalize(torch.from_numpy(np.stack(embeddings)).float(), dim=1)
