"""How much faster the sdxl engine's loop is than the published call pattern, on a tiny random SDXL.

    python benchmarks/sdxl_loop.py [--steps 50] [--repeats 5]

The peer is a plain two-pass loop with a UNet call of two rows for each step of either pass, one face at a
time. All rows of the table are measured in turn, several times, in this one run; medians are printed. A tiny
network shows what calls cost; on a large one, the ratio of evaluations (4 to 3) sets the limit.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from reverse_personalization import inversion
from reverse_personalization.engines.sdxl.engine import SdxlEngine
from reverse_personalization.engines.sdxl.network import DiffusionNetwork
from reverse_personalization.inversion import Row, posterior_mean

SKIP, W, SIDE = 0.7, -10.0, 16


class NoRecogniser:
    """The loop on latents asks no recogniser."""

    name = "none"


def two_passes(network: DiffusionNetwork, x0: torch.Tensor, who: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """One face: inversion with stored z, then generation, two rows a call."""
    schedule, steps = network.schedule, len(noise)
    grid = (*inversion.timesteps(steps, SKIP), 0)
    nobody = torch.zeros_like(who)
    blank, empty, own = (network.condition(text, face) for text, face in ((None, nobody), ("", nobody), ("", who)))

    def guided(x: torch.Tensor, t: int, high: object) -> torch.Tensor:
        low_eps, high_eps = network.predict([Row(x, t, blank), Row(x, t, high)])  # type: ignore[arg-type]
        return low_eps + W * (high_eps - low_eps)

    xs = [schedule.noised(x0, noise[steps - 1 - k], t) for k, t in enumerate(grid[:-1])] + [x0]
    zs, last = [], None
    for k, t in enumerate(grid[:-1]):
        now = (t, schedule.clean(xs[k], guided(xs[k], t, empty), t))
        zs.append(xs[k + 1] - posterior_mean(schedule, xs[k], grid[k + 1], now, last))
        last = now
    x, last = xs[0], None
    for k, t in enumerate(grid[:-1]):
        now = (t, schedule.clean(x, guided(x, t, own), t))
        x = posterior_mean(schedule, x, grid[k + 1], now, last) + zs[k]
        last = now
    return x


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / "engines" / "sdxl")]
    import tiny

    with tempfile.TemporaryDirectory() as folder:
        network = DiffusionNetwork.from_pretrained(
            tiny.save_model(Path(folder) / "sdxl", "sdxl"),
            tiny.save_adapter(Path(folder) / "faceid.safetensors", "sdxl"),
            device="cpu",
        )
    measure(network, asked.steps, asked.repeats)


def measure(network: DiffusionNetwork, steps: int, repeats: int) -> None:
    """Time every way in turn, and print seconds a face and the ratio to the peer."""
    draw = np.random.default_rng(0).standard_normal
    faces = 8
    x0 = torch.from_numpy(draw((faces, 4, SIDE, SIDE), np.float32))
    noise = torch.from_numpy(draw((steps, faces, 4, SIDE, SIDE), np.float32))
    who = torch.nn.functional.normalize(torch.from_numpy(draw((faces, 512), np.float32)))
    peer = "two passes, 2 rows a call"
    ways: dict[str, tuple[int, Callable[[], torch.Tensor]]] = {
        peer: (1, lambda: two_passes(network, x0[:1], who[:1], noise[:, :1]))
    }
    for mode in ("exact", "economical"):
        engine = SdxlEngine(network, NoRecogniser(), mode=mode)  # type: ignore[arg-type]
        for n in (1, 4, 8):
            ways[f"{mode}, {n} at once"] = (
                n,
                lambda engine=engine, n=n: engine.regenerate(  # type: ignore[misc]
                    x0[:n], who[:n], noise=noise[:, :n], guidance=W, steps=steps, skip=SKIP
                ),
            )
    difference = (ways["exact, 1 at once"][1]() - ways[peer][1]()).abs().max().item()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, (n, run) in ways.items():
            start = time.perf_counter()
            run()
            seconds[name].append((time.perf_counter() - start) / n)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{steps} steps, {repeats} repeats, latents {SIDE} x {SIDE}, {torch.get_num_threads()} threads")
    print(f"exact against the peer: latents differ by at most {difference:.1e}")
    for name, median in medians.items():
        print(f"{name:28} {median:8.3f} s a face {medians[peer] / median:6.2f} x")


if __name__ == "__main__":
    main()
