"""How BRICS is trained: one generator phase, and where the settings have it, a discriminator with lazy R1."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.contract import Averaged, Batch, Build, Losses, Phase
from bench.core import seeding
from bench.core.images import square, to_signed
from methods.brics.discriminator import Discriminator
from methods.brics.losses import kl_divergence, logistic, non_saturating, r1_penalty, vgg_perceptual
from methods.brics.model import Autoencoder, Posterior
from methods.brics.modulation import full_precision
from methods.brics.presets import Settings
from methods.brics.tokenizer import BricsTokenizer, decoder_noise


class BricsLearner:
    """Trains a BRICS autoencoder; see :class:`bench.contract.Learner`."""

    def __init__(self, settings: Settings, build: Build) -> None:
        self.settings = settings
        self.resolution = square(build.size, "BRICS")
        self.layout = torch.channels_last if build.channels_last else torch.contiguous_format
        self.perceptual = _perceptual(settings, build)
        self.model = Autoencoder(settings, self.resolution).to(build.device).to(memory_format=self.layout)
        if build.compile:
            self.model.compile_parts()
        self.module = nn.ModuleDict({"autoencoder": self.model})
        self.batch = settings.batch
        self.averaged = Averaged(self.model, settings.half_life) if settings.half_life else None
        self.phases: list[Phase] = []
        if not build.training:
            return
        self.phases.append(self._generator_phase())
        if settings.losses.adversarial:
            self.discriminator = (
                Discriminator(self.resolution, settings.losses.discriminator_base, settings.losses.discriminator_half)
                .to(build.device)
                .to(memory_format=self.layout)
            )
            self.module["discriminator"] = self.discriminator
            self.phases += self._discriminator_phases()

    def after_step(self, step: int) -> None:
        """Nothing is gathered between steps."""

    def finish(self) -> BricsTokenizer:
        """The tokenizer, in evaluation mode."""
        model = self.model.eval().requires_grad_(False)
        return BricsTokenizer(model, self.resolution, self.layout is torch.channels_last)

    def _generator_phase(self) -> Phase:
        s = self.settings
        encoder, grids = list(self.model.encoder.parameters()), list(self.model.retrieval.grids.parameters())
        others = {id(p) for p in (*encoder, *grids)}
        decoder = [p for p in self.model.parameters() if id(p) not in others]
        rates = (s.learning_rate, s.decoder_learning_rate, s.grid_learning_rate)
        groups = [{"params": p, "lr": rate} for p, rate in zip((encoder, decoder, grids), rates, strict=True)]
        every = [*encoder, *decoder, *grids]
        optimizer = torch.optim.Adam(groups, betas=(s.beta1, s.beta2), eps=1e-15, fused=_fused(every))
        return Phase("autoencoder", optimizer, every, self._generator_loss, schedule=self._schedule)

    def _discriminator_phases(self) -> list[Phase]:
        """The main phase, and R1 every ``r1_every`` steps, with one optimiser.

        As the optimiser takes k + 1 steps where it would take k, rate and momenta are reduced to the power k / (k + 1)
        (Karras et al. 2020, appendix B, "Lazy regularization").
        """
        s, every = self.settings, self.settings.losses.r1_every
        share = every / (every + 1) if s.losses.r1 else 1.0
        parameters = list(self.discriminator.parameters())
        if s.losses.discriminator_half:
            for parameter in parameters:
                parameter.register_hook(_finite)
        betas = (s.beta1**share, s.beta2**share)
        rate, fused = s.learning_rate * share, _fused(parameters)
        optimizer = torch.optim.Adam(parameters, lr=rate, betas=betas, eps=1e-8, fused=fused)
        phases = [Phase("discriminator", optimizer, parameters, self._discriminator_loss, schedule=self._schedule)]
        if s.losses.r1:
            phases.append(Phase("r1", optimizer, parameters, self._r1_loss, every=every, schedule=self._schedule))
        return phases

    def _schedule(self, step: int, steps: int) -> float:
        """Linear warm-up, then constant or a half cosine to zero (Loshchilov & Hutter 2017, equation 5)."""
        warm_up = self.settings.warm_up * steps
        rise = min(1.0, (step + 1) / warm_up) if warm_up else 1.0
        return rise * (0.5 * (1 + math.cos(math.pi * step / steps)) if self.settings.cosine else 1.0)

    def _images(self, batch: Batch) -> Tensor:
        """Float images ``[B, 3, S, S]`` in [-1, 1]."""
        assert batch.images is not None, "a tokenizer is trained on images"
        return to_signed(batch.images).contiguous(memory_format=self.layout)

    def _reconstruct(self, images: Tensor, batch: Batch) -> tuple[Tensor, Posterior]:
        """Reconstructions with training noise, a function of the batch's seeds."""
        posterior = self.model.posterior(images)
        shape = tuple(posterior.mean.shape[1:])
        if posterior.log_variance is None:
            keys = posterior.mode()
        else:
            keys = posterior.sample(seeding.normal(batch.seeds, shape, "brics-posterior", images.device))
        return self.model.decode(keys, decoder_noise(self.model, batch.seeds, images.device)), posterior

    def _generator_loss(self, batch: Batch, step: int) -> Losses:
        weights = self.settings.losses
        images = self._images(batch)
        decoded, posterior = self._reconstruct(images, batch)
        terms = {"mse": (weights.mse, F.mse_loss(decoded, images))}
        if self.perceptual is not None:
            terms["perceptual"] = (weights.perceptual, self.perceptual(decoded, images))
        if weights.adversarial:
            terms["adversarial"] = (weights.adversarial, non_saturating(self.discriminator(decoded)))
        if posterior.log_variance is not None:
            terms["kl"] = (weights.kl, kl_divergence(posterior.mean, posterior.log_variance))
        total = torch.stack([weight * value for weight, value in terms.values()]).sum()
        return Losses(total, {name: value.detach() for name, (_, value) in terms.items()})

    def _discriminator_loss(self, batch: Batch, step: int) -> Losses:
        images = self._images(batch)
        with torch.no_grad():
            decoded, _ = self._reconstruct(images, batch)
        real, fake = self.discriminator(images), self.discriminator(decoded)
        parts = {"logits-real": real.detach().mean(), "logits-fake": fake.detach().mean()}
        return Losses(logistic(real, fake), parts)

    def _r1_loss(self, batch: Batch, step: int) -> Losses:
        """Gamma / 2 times the penalty, and times the interval at which it is computed; without autocast."""
        images = self._images(batch).requires_grad_(True)
        with full_precision(images.device):
            penalty = r1_penalty(self.discriminator(images), images)
        weights = self.settings.losses
        return Losses(penalty * (weights.r1 / 2 * weights.r1_every), {"penalty": penalty.detach()})


def _finite(gradient: Tensor) -> Tensor:
    """NaN becomes 0 and infinity 1e5, as released: an overflow in float16 costs one step, not the run."""
    return torch.nan_to_num(gradient, nan=0.0, posinf=1e5, neginf=-1e5)


def _fused(parameters: list[nn.Parameter]) -> bool:
    """Whether Adam runs as one kernel: wherever there is something to run."""
    return parameters[0].device.type != "meta"


def _perceptual(settings: Settings, build: Build) -> nn.Module | None:
    """The perceptual loss; None where it has no weight or nothing is computed. Not part of the learner's state."""
    if not settings.losses.perceptual or not build.training or build.device.type == "meta":
        return None
    assert build.weights is not None, "a loss that needs weights is built with a way to find them"
    return vgg_perceptual(build.weights("vgg16")).to(build.device)
