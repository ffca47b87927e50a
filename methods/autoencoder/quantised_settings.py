"""The settings of codebooks and of vector-quantised autoencoders. Plain data: no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from methods.autoencoder.settings import AutoencoderSettings


@dataclass(frozen=True)
class RQSettings(AutoencoderSettings):
    """``depth`` residual codes per cell from a codebook of ``n_embed`` vectors of ``embed_dim`` values.

    - ``shared``: one codebook for all depths, as published.
    - ``commitment`` weighs the mean over the depths of the distance to the partial sums.
    - ``decay``, ``restart_below``, ``kmeans_at``: :class:`methods.autoencoder.quantised_settings.MovingAverage`.
    """

    n_embed: int = 16384
    depth: int = 4
    shared: bool = True
    commitment: float = 0.25
    decay: float = 0.99
    restart_below: float = 1.0
    kmeans_at: int = 0

    def moving(self) -> MovingAverage:
        """How the codebook follows its vectors."""
        return MovingAverage(self.decay, self.restart_below)

    def codebook_values(self) -> int:
        """How many values the codebooks have."""
        return (1 if self.shared else self.depth) * self.n_embed * self.embed_dim


@dataclass(frozen=True)
class MovingAverage:
    """How a codebook follows the vectors assigned to it.

    - ``decay``: of the exponential moving averages (van den Oord et al. 2017, appendix A.1).
    - ``restart_below``: a code whose average count per step is below it becomes a random vector of the step; 0: never.
    - ``kmeans_at``: the number of steps, without quantisation, after which the codebook is set by k-means on the
      latest vectors; 0: the codebook starts from normal noise.
    """

    decay: float = 0.99
    restart_below: float = 1.0
    kmeans_at: int = 0


@dataclass(frozen=True)
class VQSettings(AutoencoderSettings):
    """A codebook of ``n_embed`` vectors of ``embed_dim`` values.

    - ``codebook``: trained by "gradient", as published, as a moving "average", or "projected": frozen behind a linear
      layer that is trained by gradient (SimVQ).
    - ``rotation``: the gradient passes the codebook by the rotation trick and not straight through.
    - ``codebook_weight`` times the codebook loss; ``beta`` and ``legacy`` as in
      :func:`methods.autoencoder.losses.codebook_loss`. A moving average needs only the commitment term.
    - ``decay``, ``restart_below``, ``kmeans_at``: :class:`methods.autoencoder.quantizers.codebook.MovingAverage`.
    """

    n_embed: int = 1024
    codebook: Literal["gradient", "average", "projected"] = "gradient"
    rotation: bool = False
    codebook_weight: float = 1.0
    beta: float = 0.25
    legacy: bool = True
    decay: float = 0.99
    restart_below: float = 0.0
    kmeans_at: int = 0

    def moving(self) -> MovingAverage | None:
        """The moving average's parameters, None where the codebook is trained by gradient."""
        if self.codebook != "average":
            return None
        return MovingAverage(self.decay, self.restart_below, self.kmeans_at)

    def codebook_values(self) -> int:
        """How many values the codebook has, the layer in front of it included."""
        layer = self.embed_dim * (self.embed_dim + 1) if self.codebook == "projected" else 0
        return self.n_embed * self.embed_dim + layer


@dataclass(frozen=True)
class FSQSettings(AutoencoderSettings):
    """Channels that are rounded to ``levels`` values each; ``embed_dim`` is their number."""

    levels: tuple[int, ...] = (8, 5, 5, 5)

    def codebook_values(self) -> int:
        """There is no codebook."""
        return 0


@dataclass(frozen=True)
class BitSettings(AutoencoderSettings):
    """A bit per channel, ``embed_dim`` bits; ``spherical``: of latents of unit length.

    - ``entropy_weight`` times (mean entropy of a vector's code, minus ``diversity`` times the entropy of the mean over
      the images of a forward pass), at ``temperature``; taken over groups of at most ``group`` bits.
    - ``commitment`` times the squared distance to the code.
    """

    spherical: bool = False
    entropy_weight: float = 0.1
    diversity: float = 1.0
    temperature: float = 0.01
    group: int = 10
    commitment: float = 0.25

    def codebook_values(self) -> int:
        """There is no codebook."""
        return 0


CodebookSettings = VQSettings | RQSettings
"""Those of published checkpoints."""

QuantisedSettings = CodebookSettings | FSQSettings | BitSettings


def kmeans_codebook(settings: VQSettings, kmeans_at: int) -> VQSettings:
    """The same network with a codebook that is a moving average, starts by k-means and restarts unused codes."""
    return replace(settings, codebook="average", decay=0.97, restart_below=0.05, kmeans_at=kmeans_at)
