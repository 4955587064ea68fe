"""The method: invert a face under a null identity, then regenerate it away from its own.

After Kung, Varanka and Sebe, "Reverse Personalization" (WACV 2026, arXiv 2512.22984): edit-friendly DDPM
inversion with the order-2 SDE-DPM-Solver++ (Lu et al. 2022, arXiv 2211.01095), in the notation

    x_t = alpha_t x_0 + sigma_t n_t,   lambda_t = ln(alpha_t / sigma_t),   eps = the network's guess of n_t.

All of it is Python floats times arrays, so an array may be numpy's, torch's or a plain float, of any shape, a
batch of faces too. Give x0, noise and predictions in float32; the floats keep that type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice, pairwise
from operator import mul
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from reverse_personalization.errors import ScheduleError, UsageError

Array: TypeAlias = Any
C = TypeVar("C", bound=Hashable)
"""A condition, what the network is told: opaque here, but hashable, as equal conditions share an evaluation.
One that holds arrays compares by identity, as a `@dataclass(frozen=True, eq=False)` does."""


@dataclass(frozen=True)
class NoiseSchedule:
    """A variance-preserving diffusion: abar_t at t = 0..T-1, strictly falling between 1 and 0."""

    abar: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse what has no finite lambda at every timestep."""
        if not self.abar or not all(p > s for p, s in pairwise((1.0, *self.abar, 0.0))):
            raise UsageError("A noise schedule must fall strictly from below 1 to above 0; check its betas.")

    @classmethod
    def from_betas(cls, betas: Iterable[float]) -> NoiseSchedule:
        """Any base model's, abar_t = prod_{i<=t} (1 - beta_i)."""
        return cls(tuple(accumulate((1.0 - float(beta) for beta in betas), mul)))

    @classmethod
    def scaled_linear(cls, first: float, last: float, length: int = 1000) -> NoiseSchedule:
        """Betas whose square roots rise linearly from that of the first to that of the last."""
        low, high = math.sqrt(first), math.sqrt(last)
        return cls.from_betas((low + i * (high - low) / (length - 1)) ** 2 for i in range(length))

    def alpha(self, t: int) -> float:
        """The share of signal in x_t."""
        return math.sqrt(self.abar[t])

    def sigma(self, t: int) -> float:
        """The standard deviation of the noise in x_t."""
        return math.sqrt(1.0 - self.abar[t])

    def lam(self, t: int) -> float:
        """Half the logarithmic signal-to-noise ratio, lambda_t."""
        return math.log(self.alpha(t) / self.sigma(t))

    def noised(self, x0: Array, noise: Array, t: int) -> Array:
        """x_t = alpha_t x_0 + sigma_t n."""
        return self.alpha(t) * x0 + self.sigma(t) * noise

    def clean(self, x: Array, eps: Array, t: int) -> Array:
        """The guess of x_0 that belongs to one of the noise, m_t = (x_t - sigma_t eps) / alpha_t."""
        return (x - self.sigma(t) * eps) / self.alpha(t)


STABLE_DIFFUSION = NoiseSchedule.scaled_linear(0.00085, 0.012)
"""SDXL's; SD 1.x and 2.x have the same."""


def timesteps(steps: int, skip: float, *, length: int = 1000) -> tuple[int, ...]:
    """All steps, spread over the time axis without its noisiest share, falling to 1.

    A skip shortens the axis, not the number of steps: 100 steps at 0.7 are 299, 295, 292, ..., 4, 1.

    Args:
        steps: number N of timesteps, at least 1.
        skip: share of the time axis left out, in [0, 1).
        length: number T of timesteps of the schedule.

    Raises:
        ScheduleError: when that leaves no N distinct timesteps.
    """
    if steps < 1:
        raise ScheduleError(f"steps is {steps}, but must be at least 1.")
    if not 0.0 <= skip < 1.0:
        raise ScheduleError(f"skip is {skip}, but must be at least 0 and below 1.")
    start = length - skip * length - 1  # evaluated as the published program does: rounding decides truncation
    if start < 1:
        raise ScheduleError(f"A skip of {skip} leaves no timestep: lower skip to at most {1 - 2 / length:g}.")
    if steps > start:
        raise ScheduleError(f"At skip {skip}, steps is {steps}: lower it to at most {int(start)}, or lower skip.")
    if steps == 1:
        return (int(start),)
    stride = (1.0 - start) / (steps - 1)
    return (*(int(start + k * stride) for k in range(steps - 1)), 1)


Field: TypeAlias = tuple[tuple[float, C], ...]
"""A guided prediction, eps(x, t) = sum_k weight_k eps(x, t, condition_k); the weights sum to 1."""


class Fields(NamedTuple, Generic[C]):
    """The fields under which a face is inverted and regenerated; if they are equal, the face comes back."""

    inversion: Field[C]
    generation: Field[C]


def merged(field: Field[C]) -> Field[C]:
    """The field with every condition once and none without weight; a UsageError if it does not sum to 1."""
    weights: dict[C, float] = {}
    for weight, condition in field:
        weights[condition] = weights.get(condition, 0.0) + weight
    if not math.isclose(total := math.fsum(weights.values()), 1.0, abs_tol=1e-9):
        raise UsageError(f"The weights of a field must sum to 1, not {total:g}; check its guidance.")
    return tuple((weight, condition) for condition, weight in weights.items() if abs(weight) > 1e-12)


def pushed(field: Field[C], strength: float, *, to: C, off: C) -> Field[C]:
    """The field plus strength [ eps(to) - eps(off) ]."""
    return merged((*field, (strength, to), (-strength, off)))


def coupled(w: float, *, null: C, identity: C, blank: C | None = None, attribute: C | None = None) -> Fields[C]:
    """The paper's guidance: at w < 0 away from the identity, and toward the attribute at 1 - w.

        inversion  = (1-w) eps(blank)              + w eps(null)
        generation = (1-w) eps(attribute or blank) + w eps(identity)

    Args:
        w: guidance, -5 to -20 in the paper. At 1 the attribute has no effect, at 0 the identity has none.
        null: empty prompt, null identity.
        identity: empty prompt, the face's own identity.
        blank: zeros in place of a text, which is not the empty prompt, and null identity. Without it `null`
            stands in, the text terms cancel, and a step takes three network evaluations instead of four.
        attribute: attribute prompt, null identity.
    """
    blank = null if blank is None else blank
    asked = blank if attribute is None else attribute
    return Fields(merged(((1.0 - w, blank), (w, null))), merged(((1.0 - w, asked), (w, identity))))


def decoupled(
    w: float,
    *,
    g_id: float,
    g_attr: float = 0.0,
    null: C,
    identity: C,
    blank: C | None = None,
    attribute: C | None = None,
) -> Fields[C]:
    """Identity and attribute apart: `coupled` is g_id = -w, g_attr = 1 - w, and says what the conditions are.

    generation = inversion + g_id [eps(null) - eps(identity)] + g_attr [eps(attribute) - eps(blank)]
    """
    blank = null if blank is None else blank
    inversion = merged(((1.0 - w, blank), (w, null)))
    generation = pushed(inversion, g_id, to=null, off=identity)
    if attribute is not None:
        generation = pushed(generation, g_attr, to=attribute, off=blank)
    return Fields(inversion, generation)


def nullface(g: float, *, null: C, opposite: C) -> Fields[C]:
    """NullFace's sign (arXiv 2503.08478): at g > 0 toward the opposite identity, the negated embedding."""
    inversion = ((1.0, null),)
    return Fields(inversion, pushed(inversion, g, to=opposite, off=null))


def toward(fields: Fields[C], g: float, *, surrogate: C, null: C) -> Fields[C]:
    """The fields with g [eps(surrogate) - eps(null)] added, toward somebody else's identity."""
    return fields._replace(generation=pushed(fields.generation, g, to=surrogate, off=null))


class Row(NamedTuple, Generic[C]):
    """One network evaluation asked for, eps(x, timestep, condition)."""

    x: Array
    timestep: int
    condition: C


Predict: TypeAlias = Callable[[Sequence[Row[C]]], Sequence[Array]]
"""The network: eps of each row, in order. Rows may differ in timestep and condition; batch them at will."""


def evaluate(predict: Predict[C], points: Sequence[tuple[Field[C], Array, int]]) -> list[Array]:
    """The guided predictions at each (merged field, x, timestep), from one call of the network."""
    eps = iter(predict([Row(x, t, condition) for field, x, t in points for _, condition in field]))
    return [_guided(field, list(islice(eps, len(field)))) for field, _, _ in points]


def _guided(field: Field[C], eps: Sequence[Array]) -> Array:
    # Equals sum_k w_k eps_k since the weights sum to 1, but is exact where all predictions agree.
    others = zip(field[1:], eps[1:], strict=True)
    return sum((weight * (other - eps[0]) for (weight, _), other in others), start=eps[0])


Estimate: TypeAlias = tuple[int, Array]
"""A timestep t and the guess m_t of x_0 made there."""


def posterior_mean(
    schedule: NoiseSchedule, x: Array, p: int, latest: Estimate, previous: Estimate | None = None
) -> Array:
    """The mean of x_p by SDE-DPM-Solver++ (midpoint); without `previous` it is that of the DDPM posterior."""
    s, m = latest
    h = schedule.lam(p) - schedule.lam(s)
    if previous is not None:
        r, m_r = previous
        m = m + 0.5 * h / (schedule.lam(s) - schedule.lam(r)) * (m - m_r)
    decay = schedule.sigma(p) / schedule.sigma(s) * math.exp(-h)
    return decay * x - schedule.alpha(p) * math.expm1(-2.0 * h) * m


def regenerate(  # noqa: PLR0913 - the method's inputs, each independent of the others
    x0: Array,
    *,
    noise: Sequence[Array] | Array,
    timesteps: Sequence[int],
    predict: Predict[C],
    inversion: Field[C],
    generation: Field[C],
    schedule: NoiseSchedule = STABLE_DIFFUSION,
    order: Literal[1, 2] = 2,
    inversion_batch: int = 1,
    keep: Array | None = None,
    keep_from: int = 0,
    callback: Callable[[int, int, Array], None] | None = None,
) -> Array:
    """Invert x0 and regenerate it, in lockstep.

    Edit-friendly inversion stores z = (x_inv,p - mu_inv) / sd at each step; generation adds sd z to its mean:

        x_gen,p = mu_gen + sd z = x_inv,p + (mu_gen - mu_inv).

    The right-hand form stores nothing, divides by nothing, and returns x0 exactly where the fields agree. The
    last step leads to timestep 0, where the clean x0 is placed (at abar_0, not at abar = 1).

    Args:
        x0: the encoded face or faces.
        noise: standard normal; row k, like x0, is of the k-th smallest timestep and may be read repeatedly.
        timesteps: strictly falling and above 0, as from `timesteps()`.
        predict: the network, called once a step.
        inversion: field of the null identity.
        generation: field that leads away from the identity.
        schedule: that of the network.
        order: of the solver, in both passes.
        inversion_batch: K; every K-th call asks for K timesteps of the inversion, the others for none. The
            result is the same, as x_inv depends on no prediction.
        keep: floats in [0, 1] that broadcast to x0; 1 gives back an element of x0 exactly, 0 lets it go.
            NullFace masks the guidance instead, so that what it keeps drifts and comes back approximately.
        keep_from: the step, counted from 0, from which on `keep` holds; later ones blend better.
        callback: called after each step with its number from 1, the number of steps, and x_gen.

    Raises:
        ScheduleError: when the timesteps do not fall strictly, within the schedule, to above 0.
        UsageError: when a field's weights do not sum to 1, or inversion_batch or keep_from is out of range.
    """
    steps, grid = len(timesteps), (*timesteps, 0)
    if not steps or grid[0] >= len(schedule.abar) or any(s <= p for s, p in pairwise(grid)):
        raise ScheduleError("Timesteps must fall strictly to above 0; take them from timesteps(steps, skip).")
    if inversion_batch < 1 or not 0 <= keep_from < steps:
        raise UsageError(f"inversion_batch must be at least 1, and keep_from at least 0 and below {steps}.")
    inversion, generation = merged(inversion), merged(generation)
    # Fields that agree at one x agree along the whole way; a second evaluation would only add rounding.
    agree = inversion == generation

    def source(k: int) -> Array:
        return schedule.noised(x0, noise[steps - 1 - k], grid[k]) if k < steps else x0

    x_inv = x_gen = source(0)
    last_inv = last_gen = None
    ahead: list[Array] = []
    for k, (s, p) in enumerate(pairwise(grid)):
        upcoming = () if ahead else range(k, min(k + inversion_batch, steps))
        points = [(inversion, source(j), grid[j]) for j in upcoming]
        if not agree:
            points.append((generation, x_gen, s))
        eps = evaluate(predict, points) if points else []
        ahead += eps[: len(upcoming)]
        eps_inv = ahead.pop(0)
        eps_gen = eps_inv if agree else eps[-1]

        m_inv, m_gen = (s, schedule.clean(x_inv, eps_inv, s)), (s, schedule.clean(x_gen, eps_gen, s))
        mu_inv = posterior_mean(schedule, x_inv, p, m_inv, last_inv)
        mu_gen = posterior_mean(schedule, x_gen, p, m_gen, last_gen)
        change = mu_gen - mu_inv
        if keep is not None and k >= keep_from:
            change = (1.0 - keep) * change
        x_inv = source(k + 1)
        x_gen = x_inv + change

        if order == 2:
            last_inv, last_gen = m_inv, m_gen
        if callback is not None:
            callback(k + 1, steps, x_gen)
    return x_gen
