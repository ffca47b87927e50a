"""An autoencoder of diffusers as a tokenizer. Its own ``encode`` and ``decode`` do the work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bench.contract import Continuous, Indices, Part
from bench.core.digest import of_weights
from bench.core.images import from_signed, to_signed
from bench.errors import BenchError, IntegrityError, Missing, UsageError
from methods.diffusers_vae import Settings

if TYPE_CHECKING:
    from bench.contract import Build, Codes, Seeds

DISCRETE = ("VQModel",)
"""Classes whose codes are indices; all others give real-valued latents, of a distribution its mode."""


def load(settings: Settings) -> Any:
    """The pretrained module in float32, its weights strictly those of its configuration.

    Raises :class:`Missing` without the library or the files, :class:`UsageError` for what is no autoencoder, and
    :class:`IntegrityError` for missing or unexpected weights.
    """
    kind, _ = _kind(settings)
    try:
        model, info = kind.from_pretrained(
            settings.source,
            subfolder=settings.subfolder,
            use_safetensors=True,
            output_loading_info=True,
            low_cpu_mem_usage=False,
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise IntegrityError(
            f"The weights of {settings.source} cannot be loaded ({reason}); fetch it again."
        ) from error
    wrong = {name: sorted(info[name]) for name in ("missing_keys", "unexpected_keys") if info[name]}
    if wrong:
        said = "; ".join(f"{name.replace('_', ' ')}: {', '.join(keys[:3])}" for name, keys in wrong.items())
        raise IntegrityError(f"The weights of {settings.source} do not fit its configuration ({said}).")
    return model.float()


def _kind(settings: Settings) -> tuple[Any, dict[str, Any]]:
    """The class that the configuration names, and the configuration."""
    try:
        import diffusers
    except ImportError as error:
        raise Missing("diffusers is not installed; run: pip install diffusers") from error
    try:
        config = diffusers.AutoencoderKL.load_config(settings.source, subfolder=settings.subfolder)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise Missing(
            f"diffusers: {settings.source} cannot be read ({reason}); download the repository and name its folder."
        ) from error
    name = str(config.get("_class_name"))
    kind = getattr(diffusers, name, None)
    if kind is None or not ("Autoencoder" in name or name in DISCRETE):
        raise UsageError(
            f"diffusers: {settings.source} holds the class '{name}', which is no autoencoder of diffusers."
        )
    return kind, config


def tokenizer(settings: Settings, build: Build) -> DiffusersTokenizer:
    """The tokenizer for images of the build's size, tried on one black image."""
    model = load(settings).to(build.device)
    if build.channels_last:
        model.to(memory_format=torch.channels_last)
    if build.compile:
        model.encoder.compile()
        model.decoder.compile()
    return DiffusersTokenizer(model, settings, build.size, build.device)


class DiffusersTokenizer:
    """Images to latents float32 ``[N, C, h, w]``, unbounded, or to indices int64 ``[N, h, w]``, and back."""

    def __init__(self, model: Any, settings: Settings, size: tuple[int, int], device: torch.device) -> None:
        self.model = model.eval().requires_grad_(False)
        self.discrete = type(model).__name__ in DISCRETE
        self.size = size
        self.revision = of_weights(
            model.state_dict(), [type(model).__name__, str(sorted(model.config.items(), key=str))]
        )
        self._try(settings.source, device)

    def _try(self, source: str, device: torch.device) -> None:
        """Raises :class:`BenchError` where the model does not give back images of the size it is given."""
        height, width = self.size
        black = torch.zeros(1, 3, *self.size, dtype=torch.uint8, device=device)
        try:
            shape = self.decode(self.encode(black)).shape
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
            reason = " ".join(str(error).split())[:160]
            raise BenchError(
                f"diffusers: {source} does not take images of {height} x {width} pixels ({reason}); "
                "choose another resolution, and an autoencoder of images."
            ) from error
        if shape != black.shape:
            raise BenchError(
                f"diffusers: {source} gives {shape[-2]} x {shape[-1]} pixels back for {height} x "
                f"{width}; choose a resolution that it can halve."
            )

    @torch.no_grad()
    def encode(self, images: Tensor) -> Codes:
        """``images``: uint8 ``[N, 3, H, W]``. The mode of the posterior, or the nearest codes."""
        first = self.model.encode(to_signed(images), return_dict=False)[0]
        latents = first if isinstance(first, Tensor) else first.mode()
        if not self.discrete:
            return Continuous(latents.float())
        _, _, (_, _, indices) = self.model.quantize(latents)
        n, _, height, width = latents.shape
        return Indices(indices.reshape(n, height, width), self.model.config["num_vq_embeddings"])

    @torch.no_grad()
    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        """Float32 ``[N, 3, H, W]`` in [0, 1]; there is no noise to turn on."""
        if isinstance(codes, Indices):
            shape = (*codes.tensor.shape, self.model.quantize.vq_embed_dim)
            latents = self.model.quantize.get_codebook_entry(codes.tensor.reshape(-1), shape)
            decoded = self.model.decode(latents, force_not_quantize=True, return_dict=False)[0]
        else:
            assert isinstance(codes, Continuous)
            decoded = self.model.decode(codes.tensor, return_dict=False)[0]
        return from_signed(decoded.float()).clamp(0, 1)


def parts(settings: Settings, build: Build) -> Sequence[Part]:
    """Bare encoder and decoder of the configuration, on the meta device."""
    kind, config = _kind(settings)
    with torch.device("meta"):
        model = kind.from_config(config).eval()
        images = torch.empty(1, 3, *build.size)
        first = model.encode(images, return_dict=False)[0]
        latents = first if isinstance(first, Tensor) else first.mode()
        given = torch.empty(1, model.config["latent_channels"], *latents.shape[2:])
    encoder, decoder = model.encoder, model.decoder
    codebook = _size(model.quantize) if kind.__name__ in DISCRETE else 0
    return (
        Part("encoder", "encoder", lambda: encoder(images), {"network": _size(encoder)}),
        Part("decoder", "decoder", lambda: decoder(given), {"network": _size(decoder), "codebook": codebook}),
    )


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
