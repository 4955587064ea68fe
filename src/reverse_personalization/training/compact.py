"""Training the compact engine: dataset, codec, denoiser, weights file."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor
from torch.nn import functional as F

from reverse_personalization.errors import UsageError
from reverse_personalization.inversion import STABLE_DIFFUSION
from reverse_personalization.training.codec_fitting import FittedCodec, fit_codec
from reverse_personalization.training.dataset import TrainingFaces, build_dataset
from reverse_personalization.training.identity_loss import IdentityLoss
from reverse_personalization.training.network import DenoiserNetwork

logger = logging.getLogger(__name__)

# One photo in this many is held out, with its mirror image.
HELD_OUT = 20
CODE_LIMIT = 5.0
# Standard deviations beyond which a predicted code is punished.
PLAUSIBLE = 2.5


@dataclass(frozen=True)
class Recipe:
    """How the denoiser is trained.

    Attributes:
        steps: in all.
        warmup: first steps, with the denoising loss alone.
        warmup_rate, rate: learning rates of the two phases.
        batch: faces per step for the denoising loss.
        identity_batch: faces per step for the identity loss, which costs a recogniser run each.
        null_share: share of faces whose identity is dropped.
        identity_weight, light_weight, plausible_weight: of the identity loss, and, relative to it, of the
            change that the identity makes and of codes beyond what faces have.
        swap_share: share of the identity loss's faces that are asked to become somebody else.
        seed: of everything that is drawn.
    """

    steps: int = 2400
    warmup: int = 600
    warmup_rate: float = 1e-3
    rate: float = 8e-4
    batch: int = 256
    identity_batch: int = 12
    null_share: float = 0.4
    identity_weight: float = 2.0
    light_weight: float = 0.5
    plausible_weight: float = 0.5
    swap_share: float = 0.8
    seed: int = 0


@dataclass(frozen=True)
class Measured:
    """Losses after some steps, on held-out faces.

    Attributes:
        step: steps done.
        conditional, null: denoising loss with the face's own and with the null identity.
        toward: cosine of faces regenerated toward a stranger to that stranger.
        own: cosine of the same faces to the person they were.
    """

    step: int
    conditional: float
    null: float
    toward: float
    own: float


Report = Callable[[str, int, int], None]


def train_compact(
    data: Path, out: Path, *, recipe: Recipe | None = None, report: Report | None = None
) -> list[Measured]:
    """Train on every photo below `data` and write the weights to `out`.

    What is done is kept in a folder beside `out`, from which an interrupted training goes on.

    Args:
        data: folder of photos.
        out: the safetensors file to write.
        recipe: how; the default made the weights that ship.
        report: called with what is being done, the steps done and their number.

    Returns:
        The measurements along the way.

    Raises:
        InputError: no faces below `data`.
        UsageError: the kept training was made with another recipe.
    """
    recipe, report = recipe or Recipe(), report or (lambda what, done, total: None)
    work = out.with_suffix(".training")
    work.mkdir(parents=True, exist_ok=True)
    faces = _dataset(data, work / "faces.npz", report)
    held = np.array([_is_held_out(source) for source in faces.source])
    report("fitting the codec", 0, 1)
    fitted = fit_codec(faces, ~held)
    trainer = Trainer(faces, fitted, held, recipe)
    trainer.resume(work / "checkpoint.pt")
    while trainer.step < recipe.steps:
        trainer.advance()
        report("training the denoiser", trainer.step, recipe.steps)
        if trainer.step % 50 == 0 or trainer.step == recipe.steps:
            trainer.measure()
            trainer.save(work / "checkpoint.pt")
    _export(trainer, out)
    return trainer.measured


def _dataset(data: Path, cached: Path, report: Report) -> TrainingFaces:
    if not cached.exists():
        faces = build_dataset(data, progress=lambda done, total: report("reading photos", done, total))
        faces.save(cached)
    return TrainingFaces.load(cached)


def _is_held_out(source: str) -> bool:
    return int(hashlib.sha256(source.encode()).hexdigest(), 16) % HELD_OUT == 0


class Trainer:
    """The state of a training, one step at a time."""

    def __init__(
        self, faces: TrainingFaces, fitted: FittedCodec, held: NDArray[np.bool_], recipe: Recipe
    ) -> None:
        """Set up networks and data."""
        torch.manual_seed(recipe.seed)
        self.recipe, self.fitted, self.step = recipe, fitted, 0
        self.measured: list[Measured] = []
        self._codes = torch.from_numpy(fitted.codes).clamp(-CODE_LIMIT, CODE_LIMIT)
        self._people = torch.from_numpy(faces.embedding)
        self._kept = torch.from_numpy(fitted.tensors["kept"]).bool()
        self._train, self._held = (
            torch.from_numpy(np.flatnonzero(fitted.usable & chosen)) for chosen in (~held, held)
        )
        self._identity = IdentityLoss(faces, fitted)
        self.network = DenoiserNetwork(self._codes.shape[1])
        self.average = DenoiserNetwork(self._codes.shape[1])
        self.average.load_state_dict(self.network.state_dict())
        self._optimiser = torch.optim.AdamW(self.network.parameters(), weight_decay=0.1)
        self._abar = torch.tensor(STABLE_DIFFUSION.abar)

    def advance(self) -> None:
        """One step of optimisation."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate()
        loss = self._denoising_loss()
        if self.step >= self.recipe.warmup:
            loss = loss + self.recipe.identity_weight * self._identity_loss()
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimiser.step()
        self.step += 1
        decay = min(0.998, self.step / (self.step + 9))
        with torch.no_grad():
            for average, current in zip(self.average.parameters(), self.network.parameters(), strict=True):
                average.lerp_(current, 1 - decay)

    def _rate(self) -> float:
        recipe, step = self.recipe, self.step
        if step < recipe.warmup:
            return recipe.warmup_rate * min(1.0, step / 100) * (1 - 0.8 * step / recipe.warmup)
        phase = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
        return recipe.rate * (0.05 + 0.475 * (1 + float(np.cos(np.pi * phase))))

    def _denoising_loss(self) -> Tensor:
        """Squared error of the velocity, for faces and for mixtures of two, whose codes stay standard."""
        n = self.recipe.batch
        one, other = self._draw(n), self._draw(n)
        share = torch.where(torch.rand(n, 1) < 0.5, torch.rand(n, 1), 1.0)
        x0 = share.sqrt() * self._codes[one] + (1 - share).sqrt() * self._codes[other]
        who = share.sqrt() * self._people[one] + (1 - share).sqrt() * self._people[other]
        who = F.normalize(who + 0.03 * torch.randn_like(who)) * (torch.rand(n, 1) >= self.recipe.null_share)
        alphas, sigmas = self._signal_and_noise(torch.randint(20, 1000, (n,)))
        eps = torch.randn_like(x0)
        velocity = self.network(alphas * x0 + sigmas * eps, who, alphas, sigmas)
        return F.mse_loss(velocity, alphas * eps - sigmas * x0)

    def _identity_loss(self) -> Tensor:
        """Who the predicted clean face is, against who it should be; often that is somebody else."""
        n = self.recipe.identity_batch
        index = self._draw(n)
        swapped = torch.rand(n) < self.recipe.swap_share
        wanted = torch.where(swapped, self._draw(n), index)
        who, other, share = self._people[wanted], self._people[self._draw(n)], torch.rand(n, 1)
        mixed = F.normalize(share * who + (1 - share) * other)
        who = torch.where((swapped & (torch.rand(n) < 0.3))[:, None], mixed, who)
        alphas, sigmas = self._signal_and_noise(torch.randint(300, 1000, (n,)))
        x = alphas * self._codes[index] + sigmas * torch.randn(n, self._codes.shape[1])
        clean = self._clean(self.network, index, x, who, alphas, sigmas)
        with torch.no_grad():
            nobody = self._clean(self.network, index, x, torch.zeros_like(who), alphas, sigmas)
        moved = clean - nobody
        light = (self._identity.luma(moved) ** 2).mean() + 0.3 * (moved[:, ~self._kept] ** 2).mean()
        free = clean[:, ~self._kept]
        beyond = F.relu((free**2).mean(1) - 1).mean() + (F.relu(clean.abs() - PLAUSIBLE) ** 2).mean()
        cosine = self._identity(index, clean - self._codes[index], who)
        recipe = self.recipe
        return (1 - cosine).mean() + recipe.light_weight * light + recipe.plausible_weight * beyond

    def _clean(
        self, network: DenoiserNetwork, index: Tensor, x: Tensor, who: Tensor, alphas: Tensor, sigmas: Tensor
    ) -> Tensor:
        """The predicted x0, with pose, expression and light as in the source, as they are when it is used."""
        x0 = alphas * x - sigmas * network(x, who, alphas, sigmas)
        return torch.where(self._kept, self._codes[index], x0)

    def _draw(self, n: int) -> Tensor:
        return self._train[torch.randint(len(self._train), (n,))]

    def _signal_and_noise(self, t: Tensor) -> tuple[Tensor, Tensor]:
        abar = self._abar[t][:, None]
        return abar.sqrt(), (1 - abar).sqrt()

    @torch.no_grad()
    def measure(self) -> Measured:
        """Measure the averaged network on held-out faces, always with the same draws."""
        state = torch.get_rng_state()
        torch.manual_seed(1)
        self.average.eval()
        index = self._held.repeat(4)
        alphas, sigmas = self._signal_and_noise(torch.randint(20, 1000, (len(index),)))
        eps, x0, who = torch.randn(len(index), self._codes.shape[1]), self._codes[index], self._people[index]
        x, target = alphas * x0 + sigmas * eps, alphas * eps - sigmas * x0
        losses = [
            F.mse_loss(self.average(x, w, alphas, sigmas), target).item()
            for w in (who, torch.zeros_like(who))
        ]
        result = Measured(self.step, losses[0], losses[1], *self._measure_swap())
        self.average.train()
        torch.set_rng_state(state)
        self.measured.append(result)
        logger.info("%s", result)
        return result

    def _measure_swap(self) -> tuple[float, float]:
        index, other = (self._held[torch.randperm(len(self._held))[:24]] for _ in range(2))
        alphas, sigmas = self._signal_and_noise(torch.full((len(index),), 500))
        x = alphas * self._codes[index] + sigmas * torch.randn(len(index), self._codes.shape[1])
        clean = self._clean(self.average, index, x, self._people[other], alphas, sigmas)
        difference = clean - self._codes[index]
        return tuple(  # type: ignore[return-value]
            self._identity(index, difference, self._people[who]).mean().item() for who in (other, index)
        )

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        partial = path.with_suffix(".partial")
        torch.save(self._state(), partial)
        partial.replace(path)

    def _state(self) -> dict[str, Any]:
        return {
            "recipe": asdict(self.recipe),
            "step": self.step,
            "measured": [asdict(measured) for measured in self.measured],
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "random": torch.get_rng_state(),
        }

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint, where there is one.

        Raises:
            UsageError: it was made with another recipe.
        """
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        if state["recipe"] != asdict(self.recipe):
            raise UsageError(
                f"{path.parent.name} holds a training with another recipe; remove it to start anew."
            )
        self.step = state["step"]
        self.measured = [Measured(**measured) for measured in state["measured"]]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])


def _export(trainer: Trainer, out: Path) -> None:
    """Codec, denoiser and strangers as one file; large tensors in half precision."""
    people = trainer._people[trainer._train].numpy()
    values, vectors = np.linalg.eigh(np.cov(people.T))
    codec = trainer.fitted.tensors
    tensors = {f"codec.{name}": tensor for name, tensor in codec.items()}
    for name in ("codec.texture_basis", "codec.shape_basis"):
        tensors[name] = tensors[name].astype(np.float16)
    for name, tensor in trainer.average.state_dict().items():
        tensors[f"denoiser.{name}"] = tensor.numpy().astype(np.float16)
    tensors["strangers.mean"] = people.mean(0)
    tensors["strangers.factor"] = ((vectors * np.sqrt(np.maximum(values, 0))).T).astype(np.float32)
    partial = out.with_suffix(".partial")
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, partial)
    partial.replace(out)
