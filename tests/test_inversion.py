"""The method: what must come back exactly, what equals the published two passes, and what moves where."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reverse_personalization.errors import ScheduleError, UsageError
from reverse_personalization.inversion import (
    STABLE_DIFFUSION,
    Fields,
    NoiseSchedule,
    Row,
    coupled,
    nullface,
    posterior_mean,
    regenerate,
    timesteps,
    toward,
)

Floats = NDArray[Any]
STRENGTHS = (1.0, 0.0, -1.0, -5.0, -10.0, -20.0, 7.5)
SCHEDULES = ((1, 0.7), (2, 0.0), (5, 0.9), (10, 0.0), (10, 0.7), (30, 0.5), (50, 0.9), (100, 0.7))


class TanhNetwork:
    """A nonlinear eps(x, t, condition) of the scale of noise, which keeps count of its calls."""

    def __init__(self, size: int, *, dtype: type = np.float32, same: Sequence[Hashable] = ()) -> None:
        self.same = same
        self.mixing: Floats = (np.random.default_rng(0).standard_normal((size, size)) / math.sqrt(size)).astype(dtype)
        self.calls: list[int] = []

    def __call__(self, rows: Sequence[Row[Any]]) -> list[Floats]:
        self.calls.append(len(rows))
        return [self.eps(row) for row in rows]

    def eps(self, row: Row[Any]) -> Floats:
        told = 0.0 if row.condition in self.same else len(str(row.condition)) / 5
        eps: Floats = 1.2 * np.tanh(row.x @ self.mixing + told) + 0.3 * row.x + row.timestep / 1000
        return eps


ID = coupled(-10.0, null="null", identity="id")


def problem(shape: tuple[int, ...], steps: int, dtype: type = np.float32) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(steps)
    return rng.standard_normal(shape).astype(dtype), rng.standard_normal((steps, *shape)).astype(dtype)


def run(x0: Any, noise: Any, predict: Any, fields: Fields[Any], *, skip: float = 0.7, **options: Any) -> Any:
    return regenerate(
        x0, noise=noise, timesteps=timesteps(len(noise), skip), predict=predict, **fields._asdict(), **options
    )


# --- Noise schedule and timesteps


def test_schedule_is_sdxls() -> None:
    expected = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
    np.testing.assert_allclose(STABLE_DIFFUSION.abar, expected, rtol=1e-12)
    assert STABLE_DIFFUSION.abar[0] == pytest.approx(0.99915, abs=1e-9)
    assert STABLE_DIFFUSION.sigma(0) == pytest.approx(0.0292, abs=5e-5)
    assert STABLE_DIFFUSION.alpha(299) == pytest.approx(0.7695, abs=5e-5)
    assert STABLE_DIFFUSION.sigma(299) == pytest.approx(0.6386, abs=5e-5)
    assert STABLE_DIFFUSION.lam(299) == pytest.approx(math.log(0.7695 / 0.6386), abs=2e-4)


@pytest.mark.parametrize("betas", [(), (0.0, 0.1), (0.1, 1.0), (0.1, -0.1), (0.1, math.nan)])
def test_schedule_without_finite_lambda_is_refused(betas: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="betas"):
        NoiseSchedule.from_betas(betas)


@pytest.mark.parametrize(
    ("skip", "first", "last"),
    [(0.7, (299, 295, 292, 289, 286), (7, 4, 1)), (0.5, (499, 493, 488, 483, 478), (6, 1))],
)
def test_timesteps_are_the_published_ones(skip: float, first: tuple[int, ...], last: tuple[int, ...]) -> None:
    assert timesteps(100, skip)[: len(first)] == first
    assert timesteps(100, skip)[-len(last) :] == last


@given(skip=st.floats(0, 0.998), data=st.data())
def test_timesteps_fall_strictly_and_truncate_a_linspace(skip: float, data: st.DataObject) -> None:
    most = int(1000 - skip * 1000 - 1)
    steps = data.draw(st.one_of(st.integers(1, most), st.just(most)))
    found = timesteps(steps, skip)
    assert list(found) == [int(t) for t in np.linspace(1000 - skip * 1000 - 1, 1, steps)]
    assert found[-1] >= 1
    assert all(s > p for s, p in pairwise(found))


@pytest.mark.parametrize(("steps", "skip", "most"), [(100, 0.9, 99), (50, 0.95, 49), (100, 0.95, 49), (1000, 0.0, 999)])
def test_too_many_steps_name_the_number_that_fits(steps: int, skip: float, most: int) -> None:
    with pytest.raises(ScheduleError, match=rf"steps is {steps}: lower it to at most {most}\b"):
        timesteps(steps, skip)
    assert len(set(timesteps(most, skip))) == most


def test_a_skip_that_leaves_nothing_names_the_skip_that_does() -> None:
    with pytest.raises(ScheduleError, match=r"lower skip to at most 0\.998\."):
        timesteps(10, 0.9985)
    assert timesteps(1, 0.998) == (1,)


@pytest.mark.parametrize(("steps", "skip"), [(10, 1.0), (10, -0.1), (10, math.nan), (0, 0.5)])
def test_values_out_of_range_are_refused(steps: int, skip: float) -> None:
    with pytest.raises(ScheduleError):
        timesteps(steps, skip)


@pytest.mark.parametrize("wrong", [(), (9, 9, 1), (1, 5), (5, 0), (1000, 1)])
def test_regenerate_refuses_timesteps_that_would_divide_by_zero(wrong: tuple[int, ...]) -> None:
    with pytest.raises(ScheduleError):
        regenerate(1.0, noise=[0.0] * 3, timesteps=wrong, predict=lambda rows: [0.0] * 9, **ID._asdict())


# --- Reconstruction


@settings(deadline=None, max_examples=60)
@given(
    schedule=st.sampled_from(SCHEDULES),
    w=st.sampled_from(STRENGTHS),
    order=st.sampled_from([1, 2]),
    shape=st.sampled_from([(8,), (4, 12, 20), (3, 4, 8, 8)]),
    inversion_batch=st.sampled_from([1, 3, 1000]),
)
def test_null_identity_without_attribute_returns_the_face(
    schedule: tuple[int, float], w: float, order: int, shape: tuple[int, ...], inversion_batch: int
) -> None:
    steps, skip = schedule
    x0, noise = problem(shape, steps)
    fields = coupled(w, null="null", identity="null", blank="blank")
    options = {"order": order, "inversion_batch": inversion_batch}
    result = run(x0, noise, TanhNetwork(shape[-1]), fields, skip=skip, **options)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, x0, rtol=0, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(
    schedule=st.sampled_from(SCHEDULES),
    w=st.sampled_from(STRENGTHS),
    economical=st.booleans(),
    g=st.floats(0, 20),
)
def test_guidance_that_cancels_returns_the_face(
    schedule: tuple[int, float], w: float, economical: bool, g: float
) -> None:
    """Different conditions that the network does not tell apart, as at an adapter scale of 0."""
    steps, skip = schedule
    x0, noise = problem((4, 8, 8), steps)
    network = TanhNetwork(8, same=("null", "identity", "a stranger"))
    fields = coupled(w, null="null", identity="identity", blank=None if economical else "blank")
    if economical:  # more terms than the inversion's round differently in float32
        fields = toward(fields, g, surrogate="a stranger", null="null")
    np.testing.assert_allclose(run(x0, noise, network, fields, skip=skip), x0, rtol=0, atol=1e-6)


@pytest.mark.parametrize("w", [1.0, -5.0, -20.0])
def test_torch_latents_come_back_and_agree_with_numpy(w: float) -> None:
    torch = pytest.importorskip("torch")
    x0, noise = problem((3, 4, 8, 8), 30)
    null, own = (coupled(w, null="null", identity=i, blank="blank") for i in ("null", "identity"))
    network = TanhNetwork(8)

    def predict(rows: Sequence[Row[Any]]) -> list[Any]:
        return [torch.from_numpy(eps) for eps in network([row._replace(x=row.x.numpy()) for row in rows])]

    latents, injected = torch.from_numpy(x0), torch.from_numpy(noise)
    same, other = (run(latents, injected, predict, fields) for fields in (null, own))
    assert same.dtype == torch.float32
    torch.testing.assert_close(same, latents, rtol=0, atol=1e-6)
    np.testing.assert_allclose(other.numpy(), run(x0, noise, network, own), rtol=1e-4, atol=1e-4)


def test_plain_floats_will_do() -> None:
    noise = [math.sin(k) for k in range(10)]

    def predict(rows: Sequence[Row[float]]) -> list[float]:
        return [math.tanh(row.x + row.condition) for row in rows]

    assert run(0.7, noise, predict, coupled(-10.0, null=0.0, identity=0.0)) == 0.7
    moved = run(0.7, noise, predict, coupled(-10.0, null=0.0, identity=0.5))
    assert isinstance(moved, float)
    assert moved != pytest.approx(0.7, abs=1e-2)


# --- The published recursion


def two_passes(
    x0: Floats, noise: Floats, skip: float, w: float, order: int, eps: Callable[..., Floats], asked: str
) -> Floats:
    """Sections 4 and 5 of the derivation as they stand: invert storing z, then generate with it."""
    abar = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
    a, s = np.sqrt(abar), np.sqrt(1 - abar)
    lam = np.log(a / s)
    steps = np.linspace(1000 - skip * 1000 - 1, 1, len(noise)).astype(int).tolist()
    grid = [*steps, 0]
    path: list[Floats] = [a[t] * x0 + s[t] * n for t, n in zip(steps, noise[::-1], strict=True)] + [x0]

    def mean(x: Floats, k: int, m: list[Floats]) -> Floats:
        t, p = grid[k], grid[k + 1]
        h, d = lam[p] - lam[t], m[k]
        if k > 0 and order == 2:
            d = m[k] + h / (lam[t] - lam[grid[k - 1]]) / 2 * (m[k] - m[k - 1])
        mu: Floats = s[p] / s[t] * np.exp(-h) * x + a[p] * (1 - np.exp(-2 * h)) * d
        return mu

    def sd(k: int) -> float:
        return float(s[grid[k + 1]] * np.sqrt(1 - np.exp(-2 * (lam[grid[k + 1]] - lam[grid[k]]))))

    def guided(x: Floats, t: int, negative: str, positive: str) -> Floats:
        uncond = eps(Row(x, t, negative))
        e: Floats = uncond + w * (eps(Row(x, t, positive)) - uncond)
        return e

    z, m = [], []
    for k, t in enumerate(steps):
        m.append((path[k] - s[t] * guided(path[k], t, "blank", "null")) / a[t])
        z.append((path[k + 1] - mean(path[k], k, m)) / sd(k))
    x: Floats = path[0]
    m = []
    for k, t in enumerate(steps):
        m.append((x - s[t] * guided(x, t, asked, "identity")) / a[t])
        x = mean(x, k, m) + sd(k) * z[k]
    return x


@pytest.mark.parametrize(("steps", "skip"), [(1, 0.7), (10, 0.7), (30, 0.5), (100, 0.7)])
@pytest.mark.parametrize("w", [-10.0, 0.5, 2.0])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("attribute", [None, "an old man"])
def test_equals_the_published_two_passes(steps: int, skip: float, w: float, order: int, attribute: str | None) -> None:
    x0, noise = problem((4, 8), steps, np.float64)
    network = TanhNetwork(8, dtype=np.float64)
    expected = two_passes(x0, noise, skip, w, order, network.eps, attribute or "blank")
    fields = coupled(w, null="null", identity="identity", blank="blank", attribute=attribute)
    result = run(x0, noise, network, fields, skip=skip, order=order)
    assert np.abs(result - x0).max() > 1e-2
    np.testing.assert_allclose(result, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("s", "p"), [(299, 295), (1, 0), (999, 20)])
def test_first_order_is_the_ddpm_posterior(s: int, p: int) -> None:
    """Eq. 7 of Ho et al. 2020, between timesteps that need not be neighbours."""
    abar_s, abar_p = STABLE_DIFFUSION.abar[s], STABLE_DIFFUSION.abar[p]
    alpha = abar_s / abar_p
    x, m = 0.8, -0.3
    expected = math.sqrt(abar_p) * (1 - alpha) / (1 - abar_s) * m + math.sqrt(alpha) * (1 - abar_p) / (1 - abar_s) * x
    assert posterior_mean(STABLE_DIFFUSION, x, p, (s, m)) == pytest.approx(expected, rel=1e-12)


def test_other_schedules_reconstruct_and_differ() -> None:
    x0, noise = problem((4, 8), 20)
    cosine = NoiseSchedule.from_betas(
        1 - math.cos((t + 2) / 102 * 1.5) ** 2 / math.cos((t + 1) / 102 * 1.5) ** 2 for t in range(100)
    )
    null, own = (coupled(-5.0, null="null", identity=i) for i in ("null", "identity"))
    grid = timesteps(20, 0.5, length=100)
    same, other = (
        regenerate(x0, noise=noise, timesteps=grid, predict=TanhNetwork(8), **fields._asdict(), schedule=cosine)
        for fields in (null, own)
    )
    np.testing.assert_allclose(same, x0, rtol=0, atol=1e-6)
    assert np.abs(other - x0).max() > 1e-2


# --- What it costs


@pytest.mark.parametrize(("blank", "rows"), [(None, 3), ("blank", 4)])
@pytest.mark.parametrize("attribute", [None, "old"])
def test_each_step_is_one_call(blank: str | None, rows: int, attribute: str | None) -> None:
    x0, noise = problem((4, 8), 12)
    network = TanhNetwork(8)
    run(x0, noise, network, coupled(-10.0, null="null", identity="id", blank=blank, attribute=attribute))
    assert network.calls == [rows] * 12


@pytest.mark.parametrize(("batch", "sizes"), [(1, [3] * 7), (3, [5, 2, 2, 5, 2, 2, 3]), (100, [9] + [2] * 6)])
def test_batched_inversion_equals_lockstep(batch: int, sizes: list[int]) -> None:
    x0, noise = problem((4, 8), 7)
    network = TanhNetwork(8)
    batched = run(x0, noise, network, ID, inversion_batch=batch)
    assert network.calls == sizes
    np.testing.assert_array_equal(batched, run(x0, noise, TanhNetwork(8), ID))


def test_callback_counts_to_the_result() -> None:
    x0, noise = problem((4, 8), 6)
    seen: list[tuple[int, int, Floats]] = []
    result = run(x0, noise, TanhNetwork(8), ID, callback=lambda *told: seen.append(told))
    assert [told[:2] for told in seen] == [(k, 6) for k in range(1, 7)]
    assert seen[-1][2] is result


# --- Where it leads


def gaussian(means: dict[str, tuple[float, float]]) -> Callable[[Sequence[Row[str]]], list[float]]:
    """The optimal denoiser of faces that are normal about a (mean, standard deviation) for each condition."""

    def eps(row: Row[str]) -> float:
        mean, spread = means[row.condition]
        a, s = STABLE_DIFFUSION.alpha(row.timestep), STABLE_DIFFUSION.sigma(row.timestep)
        return float(s * (row.x - a * mean) / (a * a * spread * spread + s * s))

    return lambda rows: [eps(row) for row in rows]


PEOPLE = {"null": (0.0, 1.0), "me": (1.5, 0.4), "not me": (-1.5, 0.4), "stranger": (0.2, 0.4)}


@pytest.mark.parametrize("skip", [0.0, 0.5, 0.7])
@pytest.mark.parametrize("seed", range(3))
def test_stronger_guidance_leads_further_from_the_identity(skip: float, seed: int) -> None:
    noise = np.random.default_rng(seed).standard_normal(30).tolist()
    distances = [
        abs(run(1.4, noise, gaussian(PEOPLE), coupled(w, null="null", identity="me"), skip=skip) - 1.5)
        for w in (0.0, -0.5, -1.0, -2.0, -5.0, -10.0)
    ]
    assert distances == sorted(distances)
    assert distances[-1] > 2 * distances[0]


def test_the_opposite_identity_leads_away_and_a_surrogate_leads_to_it() -> None:
    noise = np.random.default_rng(0).standard_normal(30).tolist()
    results = [run(1.4, noise, gaussian(PEOPLE), nullface(g, null="null", opposite="not me")) for g in (0.0, 0.5, 1.0)]
    assert results == sorted(results, reverse=True)
    away = coupled(-0.2, null="null", identity="me")
    gaps = [
        abs(run(1.4, noise, gaussian(PEOPLE), toward(away, g, surrogate="stranger", null="null")) - 0.2)
        for g in (0.0, 0.5, 1.0)
    ]
    assert gaps == sorted(gaps, reverse=True)


# --- What is kept


@pytest.mark.parametrize("keep_from", [0, 5, 11])
@pytest.mark.parametrize("inversion_batch", [1, 5])
def test_kept_elements_return_exactly_and_the_others_move(keep_from: int, inversion_batch: int) -> None:
    x0, noise = problem((4, 8, 8), 12)
    keep = np.zeros((8, 8), np.float32)
    keep[2:5, 1:6] = 1.0
    result = run(x0, noise, TanhNetwork(8), ID, keep=keep, keep_from=keep_from, inversion_batch=inversion_batch)
    kept = np.broadcast_to(keep == 1.0, x0.shape)
    np.testing.assert_array_equal(result[kept], x0[kept])
    assert (result[~kept] != x0[~kept]).mean() > 0.99
    assert result.dtype == np.float32


@pytest.mark.parametrize("options", [{"keep_from": 12}, {"keep_from": -1}, {"inversion_batch": 0}])
def test_options_that_would_have_no_effect_are_refused(options: dict[str, int]) -> None:
    x0, noise = problem((4, 8), 12)
    with pytest.raises(UsageError):
        run(x0, noise, TanhNetwork(8), ID, keep=1.0, **options)


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.75])
def test_keeping_a_share_from_the_last_step_on_keeps_that_share_of_the_face(keep: float) -> None:
    x0, noise = problem((4, 8), 12)
    free, result = (run(x0, noise, TanhNetwork(8), ID, keep=k, keep_from=11) for k in (None, keep))
    np.testing.assert_allclose(result - x0, (1 - keep) * (free - x0), atol=1e-5)
