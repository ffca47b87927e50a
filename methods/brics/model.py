"""The BRICS autoencoder: encoder, sigmoid key codes, grid retrieval, synthesis (arXiv 2305.18601, pipeline figure)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from bench.errors import UsageError
from methods.brics.encoder import Encoder
from methods.brics.presets import Settings
from methods.brics.retrieval import Retrieval, tiled
from methods.brics.synthesis import Synthesis

LOG_VARIANCE = (-30.0, 20.0)


@dataclass(frozen=True)
class Posterior:
    """What the encoder says of key codes before the sigmoid: float32 ``[N, C, s, s]``.

    ``log_variance`` is None for codes that are not regularised by a KL term.
    """

    mean: Tensor
    log_variance: Tensor | None

    def mode(self) -> Tensor:
        """Key codes in [0, 1]."""
        return self.mean.sigmoid()

    def sample(self, noise: Tensor) -> Tensor:
        """Key codes in [0, 1] from standard normal ``noise``; the mode where there is no variance."""
        if self.log_variance is None:
            return self.mode()
        return (self.mean + (0.5 * self.log_variance).exp() * noise).sigmoid()


@dataclass(frozen=True)
class DecoderNoise:
    """Standard normal noise, None for off: ``keys`` ``[N, C, s, s]``, ``synthesis`` ``[N, values]``."""

    keys: Tensor | None = None
    synthesis: Tensor | None = None


class Autoencoder(nn.Module):
    """Images float ``[N, 3, S, S]`` in [-1, 1] to key codes in [0, 1] and back to images of about [-1, 1]."""

    def __init__(self, settings: Settings, resolution: int) -> None:
        super().__init__()
        check_size(settings, resolution)
        outputs = settings.code_channels * (2 if settings.codes == "c" else 1)
        self.settings = settings
        again = settings.checkpointing
        self.encoder = Encoder(settings.encoder, resolution, settings.code_side, outputs, again)
        self.retrieval = Retrieval(settings)
        width, side = settings.feature_channels, settings.feature_side
        self.synthesis = Synthesis(width, side, resolution, settings.layers, settings.patch, again)

    def compile_parts(self) -> None:
        """torch.compile for encoder, retrieval and synthesis, in place. No loss differentiates them twice."""
        for part in (self.encoder, self.retrieval, self.synthesis):
            part.compile()

    def posterior(self, images: Tensor) -> Posterior:
        """What the encoder says of float images ``[N, 3, S, S]`` in [-1, 1]."""
        out = self.encoder(images).float()
        if self.settings.codes != "c":
            return Posterior(out * self.settings.key_gain, None)
        mean, log_variance = out.chunk(2, dim=1)
        return Posterior(mean * self.settings.key_gain, log_variance.clamp(*LOG_VARIANCE))

    def decode(self, keys: Tensor, noise: DecoderNoise) -> Tensor:
        """Keys float ``[N, C, s, s]`` in [0, 1] to images float32 ``[N, 3, S, S]`` of about [-1, 1]."""
        features, style = self.retrieval(self.perturbed(keys, noise.keys))
        return self.synthesis(features, style, noise.synthesis).float()

    def perturbed(self, keys: Tensor, noise: Tensor | None) -> Tensor:
        """Keys moved by the bounded training noise, then repeated per starting pixel: ``[N, C, side, side]``.

        All pixels that one code is tiled to share its noise, as in the released code.
        """
        if noise is not None:
            keys = (keys + self.settings.key_noise * noise).clamp(0, 1)
        return tiled(keys, self.settings.feature_side)


def check_size(settings: Settings, resolution: int) -> None:
    """Raises :class:`UsageError` for an image side that this tokenizer cannot take."""
    ends = (
        ("key codes", settings.code_side, settings.encoder.patch),
        ("starting features", settings.feature_side, settings.patch),
    )
    for what, side, patch in ends:
        ratio, rest = divmod(resolution, side * patch)
        if rest or ratio < 1 or ratio & (ratio - 1):
            raise UsageError(
                f"BRICS cannot bring {resolution} px to {what} of {side}x{side} by halving; "
                "choose another code size or preset."
            )
    if settings.feature_side % settings.code_side:
        raise UsageError(
            f"Key codes of side {settings.code_side} do not tile features of side {settings.feature_side}."
        )
    if settings.feature_channels % settings.code_channels:
        raise UsageError(
            f"{settings.feature_channels} feature channels do not divide into {settings.code_channels} key codes; "
            "choose another code size."
        )
