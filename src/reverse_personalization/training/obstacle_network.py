"""Training the network that sees what lies on a face; needs torch."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor, nn

from reverse_personalization.engines.compact.codec import FaceCodec
from reverse_personalization.engines.compact.frame import CanonicalFrame
from reverse_personalization.engines.compact.obstacles import LEVELS, packed
from reverse_personalization.engines.compact.parts import read_parts
from reverse_personalization.engines.compact.textures import normalise
from reverse_personalization.errors import InputError
from reverse_personalization.faces.face import ByteArray, FloatArray, Mesh
from reverse_personalization.training.dataset import Report, TrainingFaces, faces_of, held_out, silent
from reverse_personalization.training.obstacles import ObstacleDrawer

PLAIN: Final = Path(__file__).with_name("plain_faces.csv")
"""Photos of faces on which nothing lies: an earlier network saw nothing on the nose's bridge or at the outline, or it
saw what one of us did not."""
WORN: Final = Path(__file__).with_name("worn_faces.csv")
"""Photos of faces with glasses, hair or masks, which the engine of 30 November 2026 saw rightly, as one of us found:
the next network learns to see the same in worse photos."""
BATCH = 24
RATE, DECAY = 2e-3, 1e-4
# Hidden texels are few: each counts so many times as much.
HIDDEN_WEIGHT = 2.0
# Steps between two checkpoints.
CHECKPOINT = 200
# Texels that are seen less do not count in tests.
SEEN = 0.3
# One face in so many lends pictures out of which obstacles are cut, and so many drawings are tested on.
LENDING, TESTED = 3, 500
# Share of pictures that show what lies on faces in photos, not what was drawn; and from where to where it is unsure,
# 0 to 255, whether something does, which counts for nothing.
WORN_SHARE, UNSURE = 0.4, (102, 191)


class Found(NamedTuple):
    """How the network does.

    Attributes:
        recall: share of the hidden texels that are found.
        precision: share of the texels found that are hidden.
    """

    recall: float
    precision: float


@dataclass(frozen=True)
class Tested:
    """How the network does on held-out faces.

    Attributes:
        plain, worn: faces trained on, mirror images apart.
        pictures: tested of each.
        on_drawings: what it finds of obstacles drawn on plain faces.
        on_photos: what it finds, in photos made worse, of what is on faces.
    """

    plain: int
    worn: int
    pictures: int
    on_drawings: Found
    on_photos: Found


@dataclass(frozen=True, eq=False)
class Textures:
    """Faces in the canonical frame.

    Attributes:
        rgb: uint8 n x SIZE x SIZE x 3.
        visible: uint8 n x SIZE x SIZE, 0 to 255.
        hidden: uint8 n x SIZE x SIZE, 0 to 255, by what lies on them; None for plain faces.
    """

    rgb: ByteArray
    visible: ByteArray
    hidden: ByteArray | None = None


class Faces(torch.utils.data.IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """An endless stream of faces with obstacles: the network's input, what is hidden, and where that counts."""

    def __init__(
        self, kinds: Sequence[tuple[float, Textures]], frame: CanonicalFrame, materials: ByteArray, seed: int
    ) -> None:
        """Take faces, and what `ObstacleDrawer` takes.

        Args:
            kinds: faces and the share of pictures that shows them.
            frame: where things are.
            materials: uint8 m x h x w x 3.
            seed: of what is drawn.
        """
        self._shares, self._textures = zip(*kinds, strict=True)
        self._frame, self._materials, self._seed = frame, materials, seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Draw without end."""
        worker = torch.utils.data.get_worker_info()
        generator = np.random.default_rng([self._seed, 0 if worker is None else worker.id])
        drawer = ObstacleDrawer(self._frame, self._materials, generator)
        while True:
            faces = self._textures[generator.choice(len(self._shares), p=self._shares)]
            index = generator.integers(len(faces.rgb))
            seen = faces.visible[index].astype(np.float32) / 255 * self._frame.modelled
            low, high = UNSURE
            lies = None if faces.hidden is None else faces.hidden[index]
            drawn = drawer.draw(faces.rgb[index].astype(np.float32) / 255, None if lies is None else lies > high)
            counts = seen if lies is None else seen * ((lies < low) | drawn.hidden)
            planes, _ = normalise(drawn.texture_rgb, seen)
            yield (
                torch.from_numpy(packed(planes, seen)),
                torch.from_numpy(drawn.hidden.astype(np.float32))[None],
                torch.from_numpy(counts)[None],
            )


class ObstacleNetwork(nn.Module):
    """A U-Net over four levels; the picture comes with 2 x 2 texels as channels of one."""

    def __init__(self) -> None:
        """Random weights."""
        super().__init__()
        first, *rest = LEVELS
        self.entry = _block(16, first)
        self.down = nn.ModuleList(_block(a, b, stride=2) for a, b in zip(LEVELS, rest, strict=False))
        self.deep = nn.ModuleList(_block(size, size) for size in rest)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, 2) for a, b in reversed(list(zip(LEVELS, rest, strict=False)))
        )
        self.merge = nn.ModuleList(_block(size, size) for size in reversed(LEVELS[:-1]))
        self.exit = nn.Conv2d(first, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of being hidden, n x 1 x SIZE x SIZE, of n x 16 x SIZE/2 x SIZE/2."""
        x = self.entry(x)
        passed = []
        for down, deep in zip(self.down, self.deep, strict=True):
            passed.append(x)
            x = deep(down(x))
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(up(x) + passed.pop())
        return nn.functional.pixel_shuffle(self.exit(x), 2)


def _block(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def train_obstacles(data: Path, out: Path, *, steps: int, report: Report = silent) -> Tested:
    """Train on the photos of `PLAIN` and `WORN` below `data`, and write the weights to `out`.

    The faces that were found and a checkpoint are kept in a folder beside `out`: an interrupted training goes on.

    Args:
        data: folder of photos.
        out: the safetensors file to write.
        steps: how many batches.
        report: told how far it is.

    Raises:
        InputError: no faces below `data`, or none of `PLAIN` or `WORN` to train or to test on.
    """
    faces = faces_of(data, out, report)
    plain, worn, held = _listed(PLAIN, faces), _listed(WORN, faces), held_out(faces)
    for table, named in ((PLAIN, plain), (WORN, worn)):
        if not (named & ~held).any() or not (named & held).any():
            raise InputError(f"{data.name}: too few of the photos that {table.name} names by their paths below it.")
    codec = FaceCodec(read_parts()["codec"])
    of_plain, of_worn = _as_seen(codec, faces, plain), _as_seen(codec, faces, worn, lying=True)

    def shown(*kinds: tuple[float, Textures], seed: int) -> Faces:
        return Faces(kinds, codec.frame, faces.crop[::LENDING], seed)

    learned, kept = ((_among(of_plain, which[plain]), _among(of_worn, which[worn])) for which in (~held, held))
    torch.manual_seed(0)
    network = ObstacleNetwork()
    _train(network, shown((1 - WORN_SHARE, learned[0]), (WORN_SHARE, learned[1]), seed=0), out, steps, report)
    export(network, out)
    tested = [_tested(network, shown((1.0, kind), seed=1)) for kind in kept]
    return Tested(len(learned[0].rgb) // 2, len(learned[1].rgb) // 2, TESTED, *tested)


def _listed(table: Path, faces: TrainingFaces) -> NDArray[np.bool_]:
    """Which faces a table names, bool n."""
    with table.open(newline="", encoding="utf-8") as lines:
        return np.isin(faces.source, [row["file"] for row in csv.DictReader(lines)])


def _as_seen(codec: FaceCodec, faces: TrainingFaces, used: NDArray[np.bool_], *, lying: bool = False) -> Textures:
    """The faces that are used, in the codec's frame, and what it sees lying on them, if that is asked for."""
    rgb, visible, hidden = [], [], []
    for crop, vertices in zip(faces.crop[used], faces.vertices[used], strict=True):
        mesh = Mesh(vertices, 1.0)
        rgb.append(_levels(codec.frame.sample(crop, mesh.points)))
        visible.append(_levels(codec.frame.visibility(mesh, crop.shape[:2])))
        if lying:
            hidden.append(_levels(1 - codec.encode(crop, mesh).explained))
    return Textures(np.stack(rgb), np.stack(visible), np.stack(hidden) if lying else None)


def _levels(values: FloatArray) -> ByteArray:
    return np.rint(255 * values).astype(np.uint8)


def _among(faces: Textures, used: NDArray[np.bool_]) -> Textures:
    """Those of n faces that are used, bool n."""
    hidden = None if faces.hidden is None else faces.hidden[used]
    return Textures(faces.rgb[used], faces.visible[used], hidden)


def _train(network: ObstacleNetwork, faces: Faces, out: Path, steps: int, report: Report) -> None:
    """Train a network, from the checkpoint on where there is one."""
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    parts = {"network": network, "optimiser": optimiser, "schedule": schedule}
    checkpoint, done = out.with_suffix(".training") / "obstacles.checkpoint", 0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        done = state["done"]
        for name, part in parts.items():
            part.load_state_dict(state[name])
    loader = torch.utils.data.DataLoader(faces, BATCH, num_workers=1, prefetch_factor=4)
    for step, batch in zip(range(done + 1, steps + 1), loader, strict=False):
        optimiser.zero_grad()
        _loss(network, *batch).backward()
        optimiser.step()
        schedule.step()
        if step % CHECKPOINT == 0:
            torch.save({name: part.state_dict() for name, part in parts.items()} | {"done": step}, checkpoint)
        report("learning", step, steps)


def _tested(network: ObstacleNetwork, faces: Faces) -> Found:
    """What is found in `TESTED` pictures."""
    network.eval()
    found, there, both = 0.0, 0.0, 0.0
    with torch.no_grad():
        for _, (seen, hidden, counts) in zip(range(TESTED), faces, strict=False):
            is_found, is_seen = network(seen[None])[0] > 0, counts > SEEN
            found += float((is_found & is_seen).sum())
            there += float((hidden * is_seen).sum())
            both += float((hidden * is_found * is_seen).sum())
    return Found(both / max(there, 1), both / max(found, 1))


def _loss(network: ObstacleNetwork, seen: Tensor, hidden: Tensor, counts: Tensor) -> Tensor:
    weight = counts * (1 + (HIDDEN_WEIGHT - 1) * hidden)
    error = nn.functional.binary_cross_entropy_with_logits(network(seen), hidden, weight, reduction="sum")
    return error / weight.sum()


def export(network: ObstacleNetwork, out: Path) -> None:
    """Write the convolutions, with their normalisations taken into them, in half precision."""
    network.eval()
    tensors: dict[str, NDArray[np.floating]] = {}
    for name, block in _blocks(network):
        kernel, bias = _folded(block)
        tensors |= {f"{name}.kernel": kernel, f"{name}.bias": bias}
    for i, up in enumerate(network.up):
        tensors |= {f"up{i}.kernel": _array(up.weight), f"up{i}.bias": _array(up.bias)}
    tensors |= {"exit.kernel": _array(network.exit.weight), "exit.bias": _array(network.exit.bias)}
    partial = out.with_suffix(".partial")
    save_file({name: np.ascontiguousarray(t.astype(np.float16)) for name, t in tensors.items()}, partial)
    partial.replace(out)


def _blocks(network: ObstacleNetwork) -> Iterator[tuple[str, nn.Sequential]]:
    yield "entry", network.entry
    for kind in ("down", "deep", "merge"):
        for i, block in enumerate(getattr(network, kind)):
            yield f"{kind}{i}", block


def _folded(block: nn.Sequential) -> tuple[FloatArray, FloatArray]:
    convolution, normalisation = block[0], block[1]
    scale = _array(normalisation.weight) / np.sqrt(_array(normalisation.running_var) + normalisation.eps)
    bias = _array(normalisation.bias) - _array(normalisation.running_mean) * scale
    return _array(convolution.weight) * scale[:, None, None, None], bias


def _array(tensor: Tensor) -> FloatArray:
    return np.asarray(tensor.detach().numpy(), np.float32)
