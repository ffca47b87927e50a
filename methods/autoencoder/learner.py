"""How the four autoencoders are trained: one generator phase and, where there is one, a discriminator phase."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.contract import Averaged, Batch, Losses, Phase
from bench.core.images import to_signed
from bench.errors import UsageError
from methods.autoencoder.discriminator import NLayerDiscriminator
from methods.autoencoder.losses import adaptive_weight, hinge_discriminator, hinge_generator, with_gradient

if TYPE_CHECKING:
    from bench.contract import Build, Tokenizer
    from methods.autoencoder.model import Autoencoder
    from methods.autoencoder.settings import AutoencoderSettings


class AutoencoderLearner:
    """Trains an autoencoder as Esser et al. 2021 (section 3.1) do; see :class:`bench.contract.Learner`.

    ``model`` is a module that is an :class:`methods.autoencoder.model.Autoencoder`; ``product`` makes the tokenizer of
    it.
    """

    averaged: Averaged | None = None

    def __init__(
        self,
        model: Autoencoder,
        settings: AutoencoderSettings,
        build: Build,
        product: Callable[[], Tokenizer],
    ) -> None:
        if settings.ema:
            raise UsageError(
                "The option ema=true is for weights of a file (NAME@FILE); leave it out where they are trained."
            )
        self.model, self.settings, self.comm, self.product = model, settings, build.comm, product
        self.channels_last = build.channels_last
        self.batch = settings.batch
        self.perceptual = _perceptual(settings, build)
        self.module = nn.ModuleDict({"autoencoder": _module(model)})
        self.phases: list[Phase] = []
        if not build.training:
            return
        self.phases.append(self._generator_phase())
        if settings.disc_weight:
            self.discriminator = NLayerDiscriminator(settings.disc_width, settings.disc_layers).to(build.device)
            self.module["discriminator"] = self.discriminator
            self.phases.append(self._discriminator_phase())

    def after_step(self, step: int) -> None:
        """Applies the codebook's statistics."""
        self.model.after_step(step, self.comm)

    def finish(self) -> Tokenizer:
        """The tokenizer, in evaluation mode."""
        self.model.settle()
        return self.product()

    def _generator_phase(self) -> Phase:
        trained = [p for p in self.module["autoencoder"].parameters() if p.requires_grad]
        return Phase(
            "autoencoder",
            _adam(trained, self.settings),
            trained,
            self._generator_loss,
            schedule=self._schedule,
            clip=self.settings.clip,
        )

    def _discriminator_phase(self) -> Phase:
        trained = list(self.discriminator.parameters())
        return Phase(
            "discriminator",
            _adam(trained, self.settings),
            trained,
            self._discriminator_loss,
            start=self.settings.disc_start,
            schedule=self._schedule,
        )

    def _schedule(self, step: int, steps: int) -> float:
        """Linear warm-up, then constant or a half cosine to zero (Loshchilov & Hutter 2017, eq. 5)."""
        s = self.settings
        if step < s.warmup:
            return (step + 1) / s.warmup
        if s.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - s.warmup) / max(steps - s.warmup, 1)))

    def _images(self, batch: Batch) -> Tensor:
        assert batch.images is not None
        images = to_signed(batch.images)
        return images.contiguous(memory_format=torch.channels_last) if self.channels_last else images

    def _generator_loss(self, batch: Batch, step: int) -> Losses:
        images = self._images(batch)
        passed = self.model.reconstruct(images, batch.seeds, step, gather=True)
        decoded = passed.reconstruction.float()
        adversarial = self.settings.disc_weight and step >= self.settings.disc_start
        total, parts = (self._weighed if adversarial else self._likelihood)(decoded, images)
        return Losses(total + passed.bottleneck, {**passed.parts, **parts})

    def _weighed(self, decoded: Tensor, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The reconstruction term plus the adversarial one under its weight.

        The weight needs the gradient of each term alone. Both are taken as far as the images, so that LPIPS and the
        discriminator are passed backwards once; the decoder then gets the weighed sum.
        """
        leaf = decoded.detach().requires_grad_()
        likelihood, parts = self._likelihood(leaf, images)
        adversarial = hinge_generator(self.discriminator(leaf).float())
        pulls = [torch.autograd.grad(term, leaf)[0] for term in (likelihood, adversarial)]
        weight = self.settings.disc_weight * self._adaptive_weight(decoded, pulls)
        parts |= {"adversarial": adversarial.detach(), "adaptive-weight": weight}
        total = with_gradient(likelihood + weight * adversarial, decoded, pulls[0] + weight * pulls[1])
        return total, parts

    def _likelihood(self, decoded: Tensor, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The reconstruction term, and what of it is logged."""
        s = self.settings
        distance = (F.l1_loss if s.reconstruction == "l1" else F.mse_loss)(decoded, images)
        parts: dict[str, Tensor] = {s.reconstruction: distance.detach()}
        total = distance
        if self.perceptual is not None:
            perceptual = self.perceptual(decoded, images).mean()
            parts["lpips-vgg"] = perceptual.detach()
            total = total + s.perceptual_weight * perceptual
        return total * (images[0].numel() if s.reduction == "sum" else 1), parts

    def _adaptive_weight(self, decoded: Tensor, pulls: list[Tensor]) -> Tensor:
        """The published weight, from the last layer's gradients under each pull, averaged over the processes."""
        last = self.model.decoder.conv_out.weight
        gradients = [torch.autograd.grad(decoded, last, pull, retain_graph=True)[0] for pull in pulls]
        both = self.comm.all_reduce_mean(torch.stack(gradients).float())
        return adaptive_weight(both[0], both[1])

    def _discriminator_loss(self, batch: Batch, step: int) -> Losses:
        images = self._images(batch)
        with torch.no_grad():
            fake = self.model.reconstruct(images, batch.seeds, step, gather=False).reconstruction
        real_logits, fake_logits = self.discriminator(images).float(), self.discriminator(fake.detach()).float()
        parts = {"logits-real": real_logits.detach().mean(), "logits-fake": fake_logits.detach().mean()}
        return Losses(hinge_discriminator(real_logits, fake_logits), parts)


def _module(model: Autoencoder) -> nn.Module:
    assert isinstance(model, nn.Module)
    return model


def _adam(parameters: list[nn.Parameter], settings: AutoencoderSettings) -> torch.optim.Adam:
    fused = parameters[0].device.type == "cuda"
    return torch.optim.Adam(parameters, lr=settings.lr, betas=settings.betas, fused=fused)


def _perceptual(settings: AutoencoderSettings, build: Build) -> nn.Module | None:
    """LPIPS with its VGG16; None where it has no weight or nothing is computed. Not part of the learner's state."""
    if not settings.perceptual_weight or not build.training or build.device.type == "meta":
        return None
    from bench.pretrained.lpips import lpips_network

    assert build.weights is not None, "a loss that needs weights is built with a way to find them"
    return lpips_network("vgg", build.device, build.weights("vgg16"))
