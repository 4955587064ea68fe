"""How like a person a predicted face looks, with gradients: codes, rendered into the source, embedded."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from reverse_personalization import weights
from reverse_personalization.engines.compact.codec import CHROMA_WEIGHT, FaceCodec, place
from reverse_personalization.engines.compact.frame import SIZE
from reverse_personalization.engines.compact.rendering import Renderer
from reverse_personalization.faces import topology
from reverse_personalization.faces.face import FloatArray, Mesh
from reverse_personalization.faces.warping import interpolate, rasterise
from reverse_personalization.training.codec_fitting import FittedCodec
from reverse_personalization.training.dataset import TrainingFaces
from reverse_personalization.training.sface_torch import DifferentiableSFace

INPUT = 112
FIELD = SIZE // 2
# Random shifts and scalings of the recogniser's input: what only works to the pixel is no other person.
JITTER_SHIFT, JITTER_SCALE = 0.06, 0.08


class IdentityLoss(nn.Module):
    """Renders changed codes into the recogniser's crops as the engine would, and embeds them."""

    def __init__(self, faces: TrainingFaces, fitted: FittedCodec) -> None:
        """Precompute where each face's texels lie in its crop."""
        super().__init__()
        codec = FaceCodec(fitted.tensors)
        renderer = Renderer(codec.frame)
        self._recogniser = DifferentiableSFace(weights.path("sface"))
        self._rotation = torch.from_numpy(fitted.tensors["rotation"])
        self._texture = torch.from_numpy(fitted.tensors["texture_basis"])
        self._shape = torch.from_numpy(fitted.tensors["shape_basis"])
        self._modelled = torch.from_numpy(codec.frame.modelled)
        self._fade = torch.from_numpy(renderer.fade)[None, None]
        self._mobility = torch.from_numpy(renderer.mobility)[None]
        spread = codec.frame.spread(np.eye(topology.VERTICES, dtype=np.float32))
        pooled = F.avg_pool2d(torch.from_numpy(spread).permute(2, 0, 1), SIZE // FIELD)
        self._spread = pooled.flatten(1).T.contiguous()
        self._small = torch.from_numpy(faces.small)
        self._tone = torch.tensor([(tone.luma, tone.contrast) for tone in fitted.tones])
        texels, linear = zip(*(self._where(codec, v) for v in faces.small_vertices), strict=True)
        self._texels = torch.from_numpy(np.stack(texels))
        self._linear = torch.from_numpy(np.stack(linear))

    @staticmethod
    def _where(codec: FaceCodec, vertices: FloatArray) -> tuple[NDArray[np.float16], FloatArray]:
        """A crop's sampling grid into the frame, and the map from canonical offsets to its pixels."""
        frame = codec.frame
        mesh = Mesh(vertices, 1.0)
        placement, _ = place(mesh, codec.mean_shape)
        linear = placement[:, :3]
        covered = rasterise(mesh.points, frame.triangles, (INPUT, INPUT), vertices[:, 2])
        texels = interpolate(covered, mesh.points, frame.triangles, frame.vertices)
        grid = (texels + 0.5) / SIZE * 2 - 1
        grid[covered < 0] = -3
        return grid.astype(np.float16), (linear / np.cbrt(np.linalg.det(linear)) ** 2).T[:2].astype(
            np.float32
        )

    def luma(self, difference: Tensor) -> Tensor:
        """The luma that a difference of codes (n x d) makes, n x texels, in units of its contrast."""
        components = (difference @ self._rotation)[:, : len(self._texture)]
        return components @ self._texture[:, : int(self._modelled.sum())]

    def forward(self, index: Tensor, difference: Tensor, wanted: Tensor) -> Tensor:
        """Cosine between what is rendered and who is wanted.

        Args:
            index: int n, which training faces.
            difference: n x d, the change of their codes.
            wanted: n x 128 unit embeddings.
        """
        crops = _jittered(self._render(index, difference))
        return (F.normalize(self._recogniser(crops)) * wanted).sum(1)

    def _render(self, index: Tensor, difference: Tensor) -> Tensor:
        components = difference @ self._rotation
        split = len(self._texture)
        change = self._texture_change(components[:, :split] @ self._texture, self._tone[index])
        offsets = (components[:, split:] @ self._shape).reshape(len(index), topology.VERTICES, 3)
        moves = torch.einsum("nij,nvj->nvi", self._linear[index], offsets) * self._mobility
        field = torch.einsum("tv,nvi->nit", self._spread, moves).reshape(len(index), 2, FIELD, FIELD)
        texels = self._texels[index].float()
        shift = F.grid_sample(field, texels, align_corners=False).permute(0, 2, 3, 1) * (2 / INPUT)
        source = self._small[index].permute(0, 3, 1, 2).float()
        warped = F.grid_sample(
            source, _identity_grid() - shift, mode="bicubic", padding_mode="border", align_corners=False
        )
        return (warped + 255 * F.grid_sample(change, texels, align_corners=False)).clamp(0, 255)

    def _texture_change(self, packed: Tensor, tone: Tensor) -> Tensor:
        """Packed luma and chroma (n x p) as an RGB change, n x 3 x SIZE x SIZE, as `codec.denormalise`."""
        count, half = int(self._modelled.sum()), self._modelled[::2, ::2]
        luma = packed.new_zeros(len(packed), SIZE, SIZE)
        luma[:, self._modelled] = packed[:, :count]
        small = packed.new_zeros(len(packed), 2, SIZE // 2, SIZE // 2)
        small[:, :, half] = packed[:, count:].reshape(len(packed), 2, -1) / CHROMA_WEIGHT
        chroma = F.interpolate(small, scale_factor=2, mode="bilinear") * tone[:, 0, None, None, None]
        y = luma[:, None] * tone[:, 1, None, None, None]
        blue, red = chroma[:, :1], chroma[:, 1:]
        green = -(0.299 * red + 0.114 * blue) / 0.587
        return torch.cat([y + red, y + green, y + blue], 1) * self._fade


def _identity_grid() -> Tensor:
    axis = (torch.arange(INPUT) + 0.5) * (2 / INPUT) - 1
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([columns, rows], -1)[None]


def _jittered(crops: Tensor) -> Tensor:
    n = len(crops)
    scale = 1 + JITTER_SCALE * (torch.rand(n, 1, 1, 1) - 0.5)
    shift = JITTER_SHIFT * (torch.rand(n, 1, 1, 2) - 0.5)
    return F.grid_sample(crops, _identity_grid() * scale + shift, padding_mode="border", align_corners=False)
