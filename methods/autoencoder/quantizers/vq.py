"""Vector quantisation (van den Oord et al. 2017) with one codebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from methods.autoencoder.losses import codebook_loss, rotated, straight_through
from methods.autoencoder.quantised_settings import VQSettings
from methods.autoencoder.quantizers.codebook import Codebook
from methods.autoencoder.quantizers.kmeans import KMeansStart, after_step
from methods.autoencoder.quantizers.quantizer import Quantised

if TYPE_CHECKING:
    from bench.contract import Comm


class VectorQuantizer(nn.Module):
    """One codebook; key name ``embedding.weight``. See :class:`methods.autoencoder.quantizers.quantizer.Quantizer`."""

    key, loss_name, pooled = "quantize", "codebook", False

    def __init__(self, settings: VQSettings, seed: int) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = Codebook(settings.n_embed, settings.embed_dim, settings.moving(), seed)
        self.start: KMeansStart | None = None
        if settings.kmeans_at:
            self.start = KMeansStart(settings.kmeans_at, 4 * settings.n_embed, settings.embed_dim, seed)

    @property
    def levels(self) -> tuple[int, ...]:
        """One symbol a cell."""
        return (self.settings.n_embed,)

    @property
    def dim(self) -> int:
        """Of the code vectors."""
        return self.settings.embed_dim

    @property
    def codebook(self) -> Tensor:
        """The code vectors, float32 ``[K, D]``."""
        return self.embedding.codes

    def search(self, z: Tensor) -> Tensor:
        """Latents ``[N, D, G, G]`` to the nearest codes, int64 ``[N, G, G, 1]``."""
        return self.embedding.search(z.permute(0, 2, 3, 1))[..., None]

    def lookup(self, indices: Tensor) -> Tensor:
        """Codes int64 ``[N, G, G, 1]`` to their vectors ``[N, D, G, G]``."""
        return self.embedding(indices[..., 0]).permute(0, 3, 1, 2).contiguous()

    def forward(self, z: Tensor, step: int, gather: bool) -> Quantised:
        """Quantised latents with a straight-through gradient, the weighted loss, and the codes.

        Before the k-means start the latents pass as they are and there are no codes.
        """
        vectors = z.permute(0, 2, 3, 1)
        if self.start is not None and self.start.passes(vectors, step, gather):
            return Quantised(z, z.new_zeros(()), None)
        indices = self.embedding.search(vectors)
        if gather:
            self.embedding.gather(vectors, indices)
        code = self.lookup(indices[..., None])
        passed = rotated(z, code) if self.settings.rotation else straight_through(z, code)
        return Quantised(passed, self.settings.codebook_weight * self.loss(z, code), indices)

    def after_step(self, step: int, comm: Comm) -> None:
        """Applies what was gathered; at the last step before quantisation, starts the codebook."""
        after_step([self.embedding], self.start, step, comm, self.settle)

    def settle(self) -> None:
        """Starts the codebook, unless it has started or never had a step to learn from.

        Before its time, for a preview or a training that ends earlier, this leaves what is remembered as it is.
        """
        if self.start is None or not len(vectors := self.start.latest()):
            return
        codes = self.start.means(vectors, self.embedding.count, "codebook")
        self.embedding.start(codes, vectors, len(vectors) / float(self.start.per_step))

    def loss(self, z: Tensor, code: Tensor) -> Tensor:
        """The codebook loss; of a moving average, the commitment alone."""
        if self.embedding.moving is not None:
            return self.settings.beta * F.mse_loss(z, code.detach())
        return codebook_loss(z, code, self.settings.beta, self.settings.legacy)
