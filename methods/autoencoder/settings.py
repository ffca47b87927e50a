"""The settings that the convolutional autoencoders have in common. Plain data: no torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from bench.contract import RECON_FIELD, MultiplesOf
from bench.core.images import square
from bench.errors import UsageError

PUBLISHED_RATE = 4.5e-6
"""Base learning rate of taming-transformers and latent-diffusion: the rate is this times the images in a step."""


@dataclass(frozen=True)
class Architecture:
    """Widths of one encoder/decoder pair, named as in the configuration files of taming-transformers.

    - ``resolution``: side of the square images, in pixels; ``attn_resolutions`` are compared with it, halved per level.
    - ``patch``: images enter as ``patch x patch`` blocks folded into channels and leave the same way
      (space-to-depth); 1, as published, is no folding. All resolutions below it count folded pixels.
    - ``norm_groups``: of every GroupNorm, 32 as published; 0 leaves the normalisation out (and its key names).
    - ``mid_attention``: the attention block between the two middle residual blocks (absent in ``vq-f4-noattn``).
    - ``double_z``: the encoder gives mean and log-variance.
    - ``attention``: "fused" (scaled_dot_product_attention) or "matmul" (two matrix products, as published).
    - ``decoder_attn_resolutions``: where the decoder attends, if not where the encoder does (KL-16 of MAR: nowhere).
    - ``checkpointing``: recompute each residual block in the backward pass instead of keeping its activations.
    """

    resolution: int
    ch: int
    ch_mult: tuple[int, ...]
    num_res_blocks: int
    attn_resolutions: tuple[int, ...]
    z_channels: int
    double_z: bool = False
    mid_attention: bool = True
    patch: int = 1
    norm_groups: int = 32
    in_channels: int = 3
    out_ch: int = 3
    attention: Literal["fused", "matmul"] = "fused"
    checkpointing: bool = False
    decoder_attn_resolutions: tuple[int, ...] | None = None

    @property
    def stride(self) -> int:
        """Image pixels along one side of a code cell."""
        return self.patch * 2 ** (len(self.ch_mult) - 1)

    @property
    def grid(self) -> int:
        """Code cells along one side. Raises :class:`UsageError` where the resolution does not divide."""
        if self.resolution % self.stride:
            raise UsageError(
                f"The resolution {self.resolution} is not a multiple of {self.stride}, the tokenizer's downsampling; "
                f"choose a multiple of {self.stride}."
            )
        return self.resolution // self.stride


@dataclass(frozen=True)
class NetworkSettings:
    """The network of an autoencoder, in the words of :class:`Architecture`.

    - ``embed_dim``: the channels of its codes.
    - ``ema``: of foreign weights the moving averages and not those of the last step; nothing else is changed by it.
    """

    ch: int = 128
    ch_mult: tuple[int, ...] = (1, 1, 2, 2, 4)
    num_res_blocks: int = 2
    attn_resolutions: tuple[int, ...] = (16,)
    z_channels: int = 256
    embed_dim: int = 256
    mid_attention: bool = True
    patch: int = 1
    norm_groups: int = 32
    attention: Literal["fused", "matmul"] = "fused"
    checkpointing: bool = False
    decoder_attn_resolutions: tuple[int, ...] | None = None
    ema: bool = field(default=False, metadata=RECON_FIELD)

    def architecture(self, size: tuple[int, int], double_z: bool = False) -> Architecture:
        """The network of these settings for images of a (height, width), which must be square."""
        return Architecture(
            resolution=square(size, "A convolutional autoencoder"),
            ch=self.ch,
            ch_mult=self.ch_mult,
            num_res_blocks=self.num_res_blocks,
            attn_resolutions=self.attn_resolutions,
            z_channels=self.z_channels,
            double_z=double_z,
            mid_attention=self.mid_attention,
            patch=self.patch,
            norm_groups=self.norm_groups,
            attention=self.attention,
            checkpointing=self.checkpointing,
            decoder_attn_resolutions=self.decoder_attn_resolutions,
        )


@dataclass(frozen=True)
class AutoencoderSettings(NetworkSettings):
    """Network and training recipe of an autoencoder; each method adds its bottleneck.

    - ``reconstruction`` with ``perceptual_weight`` times LPIPS-VGG: the reconstruction term. ``reduction`` "sum" adds
      it up over an image's values, as latent-diffusion does for KL; otherwise it is a mean.
    - ``disc_weight`` times the adaptive weight: the generator's term, from step ``disc_start`` on; 0 means that
      there is no discriminator.
    - ``lr`` per step of ``batch`` images, Adam with ``betas``; ``schedule`` "constant" or, after ``warmup`` steps,
      "cosine" to zero. ``clip`` is the largest gradient norm.
    """

    reconstruction: Literal["l1", "mse"] = "l1"
    reduction: Literal["mean", "sum"] = "mean"
    perceptual_weight: float = 1.0
    disc_weight: float = 0.8
    disc_start: int = 10_000
    disc_layers: int = 3
    disc_width: int = 64

    batch: int = 16
    lr: float = PUBLISHED_RATE * 16
    betas: tuple[float, float] = (0.5, 0.9)
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: int = 0
    clip: float | None = None


@dataclass(frozen=True)
class LookupSettings(NetworkSettings):
    """A published network with a codebook of ``n_embed`` vectors; ``attn_resolutions`` are those at 256 pixels."""

    n_embed: int = 16384


PUBLISHED = 256
"""The side, in pixels, that the published widths are for; attention is placed relative to it."""


def published_architecture(settings: NetworkSettings, size: tuple[int, int], double_z: bool = False) -> Architecture:
    """The network for images of any size, with attention on the levels that have it at 256 pixels."""
    whole = settings.architecture(size, double_z)
    sides = tuple(whole.resolution * side // PUBLISHED for side in settings.attn_resolutions)
    return replace(whole, attn_resolutions=sides)


def takes(settings: NetworkSettings, size: tuple[int, int]) -> MultiplesOf:
    """Multiples of the stride; where ``size`` makes a level attend, so does it attend in images of every size."""
    return _takes(settings.architecture(size))


def published_takes(settings: NetworkSettings, size: tuple[int, int]) -> MultiplesOf:
    """:func:`takes` for networks of :func:`published_architecture`."""
    return _takes(published_architecture(settings, size))


def _takes(built: Architecture) -> MultiplesOf:
    sides = {*built.attn_resolutions, *(built.decoder_attn_resolutions or ())}
    levels = [built.patch * 2**level for level in range(len(built.ch_mult))]
    tokens = [stride for stride in levels if built.resolution // stride in sides]
    tokens += [built.stride] if built.mid_attention else []
    return MultiplesOf(built.stride, built.stride, min(tokens, default=None), fused=built.attention == "fused")


def networks(settings: AutoencoderSettings) -> tuple[str, ...]:
    """The pretrained networks in the losses: VGG16 of LPIPS where it has a weight."""
    return ("vgg16",) if settings.perceptual_weight else ()
