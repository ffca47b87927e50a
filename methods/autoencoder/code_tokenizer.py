"""A published model with discrete codes as a tokenizer: its network says what codes are, this what pixels are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import torch
from torch import Tensor, nn

from bench.contract import Indices
from bench.core.digest import of_weights
from bench.core.images import from_signed, to_signed
from methods.autoencoder.model import Coders, check_images

if TYPE_CHECKING:
    from bench.contract import Codes, Seeds


class CodeModel(Coders, Protocol):
    """An ``nn.Module`` between images in [-1, 1] and discrete codes.

    ``stride`` is pixels along one side of a cell, ``levels`` the symbols of a cell as in :class:`Indices`.
    """

    @property
    def stride(self) -> int: ...

    @property
    def levels(self) -> tuple[int, ...]: ...

    def codes(self, images: Tensor) -> Tensor:
        """Images float32 ``[N, 3, H, W]`` in [-1, 1] to codes, int64 ``[N, h, w, len(levels)]``."""
        ...

    def images(self, codes: Tensor) -> Tensor:
        """Codes to images, nominally in [-1, 1], not clamped."""
        ...


class CodeTokenizer:
    """Images to the codes of a :class:`CodeModel` and back. ``definition`` gives the weights their meaning."""

    def __init__(self, model: CodeModel, definition: object) -> None:
        module = cast(nn.Module, model)
        module.eval().requires_grad_(False)
        self.model = model
        self.revision = of_weights(module.state_dict(), definition)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Indices:
        """``images``: uint8 ``[N, 3, H, W]``, sides a multiple of the model's stride."""
        check_images(images, self.model.stride)
        return Indices(self.model.codes(to_signed(images)), self.model.levels)

    @torch.no_grad()
    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        """Float32 ``[N, 3, H, W]`` in [0, 1]; there is no noise to turn on."""
        assert isinstance(codes, Indices)
        return from_signed(self.model.images(codes.tensor)).float().clamp(0, 1)
