"""An autoencoder of diffusers as a tokenizer. Its own ``encode`` and ``decode`` do the work."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bench.contract import Continuous, Indices, Part
from bench.core.digest import of_weights
from bench.core.images import from_signed, to_signed
from bench.errors import BenchError, IntegrityError, Missing, UsageError
from methods.diffusers_vae import Settings
from methods.diffusers_vae.classes import CLASSES, Kind
from methods.diffusers_vae.names import remedy

if TYPE_CHECKING:
    from bench.contract import Build, Codes, Seeds


def load(settings: Settings) -> Any:
    """The pretrained module in float32, its weights strictly those of its configuration.

    Raises :class:`Missing` without the library or the files, :class:`UsageError` for what is no autoencoder, and
    :class:`IntegrityError` for missing or unexpected weights.
    """
    made, _, _ = _kind(settings)
    try:
        model, info = made.from_pretrained(
            settings.source,
            subfolder=settings.subfolder,
            variant=settings.variant,
            revision=settings.revision,
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


def _kind(settings: Settings) -> tuple[Any, dict[str, Any], Kind]:
    """The class that the configuration names, the configuration, and how such a class is called."""
    config = configuration(settings.source, settings.subfolder, settings.revision)
    import diffusers

    name = str(config.get("_class_name"))
    kind, made = CLASSES.get(name), getattr(diffusers, name, None)
    if kind is None or made is None:
        raise UsageError(
            f"diffusers: {settings.source} holds the class '{name}', which is no image autoencoder that is known here; "
            f"there are {', '.join(CLASSES)}."
        )
    if kind.needs is not None and importlib.util.find_spec(kind.needs) is None:
        raise Missing(f"diffusers: {name} needs {kind.needs}; run: pip install {kind.needs}")
    return made, config, kind


def configuration(source: str, subfolder: str, revision: str) -> dict[str, Any]:
    """The configuration of the autoencoder; raises :class:`Missing` without the library or the file."""
    try:
        import diffusers
    except ImportError as error:
        raise Missing("diffusers is not installed; run: pip install diffusers") from error
    try:
        config: dict[str, Any] = diffusers.AutoencoderKL.load_config(source, subfolder=subfolder, revision=revision)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise Missing(f"diffusers: {source} cannot be read ({reason}); {remedy(source)}.") from error
    return config


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
    """Images to latents float32 ``[N, C, h, w]``, unbounded, or to indices int64 ``[N, h, w, 1]``, and back."""

    def __init__(self, model: Any, settings: Settings, size: tuple[int, int], device: torch.device) -> None:
        self.model = model.eval().requires_grad_(False)
        self.kind = CLASSES[type(model).__name__]
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
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError, KeyError) as error:
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
        latents = _latents(self.model, _given(images, self.kind))
        if not self.kind.discrete:
            return Continuous((latents.squeeze(2) if self.kind.time else latents).float())
        _, _, (_, _, indices) = self.model.quantize(latents)
        n, _, height, width = latents.shape
        return Indices(indices.reshape(n, height, width, 1), (self.model.config["num_vq_embeddings"],))

    @torch.no_grad()
    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        """Float32 ``[N, 3, H, W]`` in [0, 1]; there is no noise to turn on."""
        if isinstance(codes, Indices):
            decoded = self._looked_up(codes)
        else:
            assert isinstance(codes, Continuous)
            latents = codes.tensor.unsqueeze(2) if self.kind.time else codes.tensor
            decoded = self.model.decode(latents, return_dict=False)[0]
        pixels = (decoded.squeeze(2) if self.kind.time else decoded).float()
        return (from_signed(pixels) if self.kind.low else pixels).clamp(0, 1)

    def _looked_up(self, codes: Indices) -> Tensor:
        """Images of indices; some models look their vectors up themselves."""
        indices, shape = codes.tensor.reshape(-1), (*codes.tensor.shape[:3], self.model.quantize.vq_embed_dim)
        itself = self.model.config["lookup_from_codebook"]
        given = indices if itself else self.model.quantize.get_codebook_entry(indices, shape)
        decoded: Tensor = self.model.decode(given, force_not_quantize=True, return_dict=False, shape=shape)[0]
        return decoded


def _given(images: Tensor, kind: Kind) -> Tensor:
    """Images as the class takes them."""
    pixels = to_signed(images) if kind.low else images.float() / 255
    return pixels.unsqueeze(2) if kind.time else pixels


def _latents(model: Any, pixels: Tensor) -> Tensor:
    """What the model encodes images to, of a distribution its mode."""
    first = model.encode(pixels, return_dict=False)[0]
    latents: Tensor = first if isinstance(first, Tensor) else first.mode()
    return latents


def parts(settings: Settings, build: Build) -> Sequence[Part]:
    """Bare encoder and decoder on the meta device, where that is possible, given what the model itself gives them."""
    made, config, kind = _kind(settings)
    with torch.device("meta" if kind.meta else "cpu"), torch.no_grad():
        model = made.from_config(config).eval()
        black = torch.empty(1, 3, *build.size, dtype=torch.uint8)
        encode = _call(model.encoder, lambda: _latents(model, _given(black, kind)))
        latents = _latents(model, _given(black, kind))
        options = {"force_not_quantize": True} if kind.discrete and not config.get("lookup_from_codebook") else {}
        decode = _call(model.decoder, lambda: model.decode(latents, **options))
    codebook = _size(model.quantize) if kind.discrete else 0
    return (
        Part("encoder", "encoder", encode, {"network": _size(model.encoder)}),
        Part("decoder", "decoder", decode, {"network": _size(model.decoder), "codebook": codebook}),
    )


def _call(module: nn.Module, around: Callable[[], object]) -> Callable[[], object]:
    """The call of ``module`` that happens within ``around``, to be repeated; without caches of earlier frames."""
    seen: list[tuple[Any, dict[str, Any]]] = []
    hook = module.register_forward_pre_hook(lambda _, args, named: seen.append((args, named)), with_kwargs=True)
    around()
    hook.remove()
    args, named = seen[0]
    without = {name: value for name, value in named.items() if not name.startswith("feat_")}
    return lambda: module(*args, **without)


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
