"""The denoiser in torch, to be trained; `engines.compact.denoiser` runs the same tensors in numpy."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reverse_personalization.engines.compact.denoiser import FREQUENCIES, IDENTITY, IDENTITY_SCALE


class Block(nn.Module):
    """A residual block that sees the condition."""

    def __init__(self, width: int, dropout: float) -> None:
        """Make a block of `width` units."""
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.condition = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.outer.weight)

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        """Both n x width."""
        inner = F.silu(self.inner(F.layer_norm(hidden, hidden.shape[1:])) + self.condition(condition))
        return hidden + self.outer(self.dropout(inner))


class DenoiserNetwork(nn.Module):
    """Predicts the velocity of noisy codes."""

    def __init__(self, dimensions: int, *, width: int = 640, depth: int = 4, dropout: float = 0.1) -> None:
        """Make a network for codes of `dimensions` numbers."""
        super().__init__()
        self.enter = nn.Linear(dimensions, width)
        self.time = nn.Linear(2 * FREQUENCIES, width)
        self.identity = nn.Linear(IDENTITY, width)
        self.blocks = nn.ModuleList(Block(width, dropout) for _ in range(depth))
        self.leave = nn.Linear(width, dimensions)
        nn.init.zeros_(self.leave.weight)

    def forward(self, codes: Tensor, identities: Tensor, alphas: Tensor, sigmas: Tensor) -> Tensor:
        """Velocity, n x d, of n x d codes; identities n x 128 (zeros: null); alphas and sigmas n x 1."""
        phase = torch.atan2(sigmas, alphas) * torch.arange(1, FREQUENCIES + 1)
        time = self.time(torch.cat([phase.cos(), phase.sin()], 1))
        condition = F.silu(time + self.identity(identities * IDENTITY_SCALE))
        hidden = self.enter(codes)
        for block in self.blocks:
            hidden = block(hidden, condition)
        velocity: Tensor = self.leave(F.layer_norm(hidden, hidden.shape[1:]))
        return velocity
