"""A Gaussian diffusion model over continuous codes: its training and its sampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bench.contract import Batch, Codes, Condition, Continuous, Losses, Phase, Seeds
from bench.core import digest, seeding
from bench.core.codes import checked, count
from bench.errors import UsageError
from methods.priors import common, samplers, schedules
from methods.priors import labels as labelling
from methods.priors.settings import Diffusion
from methods.priors.unet import build_unet, smallest_side

if TYPE_CHECKING:
    from bench.contract import Build, Tokenizer


class DiffusionModel(nn.Module):
    """The U-Net with the numbers that travel with its weights: the affine map of codes and the tokenizer's digest."""

    def __init__(self, settings: Diffusion, example: Continuous, tokenizer_revision: str) -> None:
        super().__init__()
        embedded = settings.classes + 1 if settings.classes else 0
        self.unet = build_unet(settings.unet, example.tensor.shape[1], embedded)
        shift, scale = scaling(settings, example)
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        self.register_buffer("owner", common.owner(tokenizer_revision))
        self.shift: Tensor
        self.scale: Tensor
        self.owner: Tensor

    def forward(self, z: Tensor, time: Tensor, labels: Tensor | None) -> Tensor:
        """The noise in ``z`` float ``[N, C, h, w]`` at the network's times ``[N]``."""
        return self.unet(z, time, class_labels=labels, return_dict=False)[0]

    def scaled(self, codes: Tensor) -> Tensor:
        """Codes as the diffusion sees them."""
        return (codes - self.shift) * self.scale

    def unscaled(self, z: Tensor) -> Tensor:
        """The inverse of :meth:`scaled`."""
        return z / self.scale + self.shift


def scaling(settings: Diffusion, example: Continuous) -> tuple[float, float]:
    """Shift and scale that make codes what the diffusion expects; see ``Diffusion.scaling``."""
    if settings.scaling == "none":
        return 0.0, 1.0
    if settings.scaling == "bounds":
        if example.low is None or example.high is None:
            raise UsageError("Codes without bounds cannot be mapped to [-1, 1]; choose scaling=std.")
        return (example.high + example.low) / 2, 2 / (example.high - example.low)
    deviation = float(example.tensor.float().std())
    if not deviation > 0:
        raise UsageError("The training codes are all equal; the tokenizer has collapsed, train it again.")
    return 0.0, 1 / deviation


class DiffusionLearner:
    """Trains a :class:`DiffusionPrior` (Ho et al. 2020, algorithm 1)."""

    def __init__(
        self,
        settings: Diffusion,
        build: Build,
        tokenizer: Tokenizer,
        codes: Codes,
        draw: Callable[[Codes, Seeds], Codes] | None = None,
    ) -> None:
        """``codes`` are some of the training set's; their statistics scale all of them.

        Where the stored codes are not what the prior shall give, ``draw`` turns those of a batch into it, by its seeds.
        """
        self.settings, self.device, self.tokenizer_revision = settings, build.device, tokenizer.revision
        self.draw = draw
        self.example = self._drawn(codes, range(count(codes)))
        samplers.check_steps(settings)
        self.module: DiffusionModel = DiffusionModel(settings, self.example, tokenizer.revision).to(build.device)
        self.batch = settings.optimisation.batch
        self.averaged = common.averaged(self.module.unet, settings.optimisation)
        self.phases: Sequence[Phase] = common.phases(self.module, settings.optimisation, self.loss, build)
        self.gammas = schedules.gammas(settings).to(build.device)

    def loss(self, batch: Batch, step: int) -> Losses:
        """The mean distance of predicted and true noise, weighted by min-SNR where the settings say so."""
        assert batch.codes is not None, "a prior is trained on codes"
        clean = self.module.scaled(self._drawn(batch.codes, batch.seeds).tensor.float())
        gamma, time = self.times(batch.seeds)
        noise = seeding.normal(batch.seeds, tuple(clean.shape[1:]), "noise", clean.device)
        z = gamma.sqrt().float()[:, None, None, None] * clean + (1 - gamma).sqrt().float()[:, None, None, None] * noise
        labels = labelling.training_labels(batch, labelling.classes(self.settings))
        error = self.module(z, time, labels).float() - noise
        each = (error.abs() if self.settings.loss == "l1" else error.square()).flatten(1).mean(1)
        if self.settings.min_snr is not None:
            each = each * schedules.min_snr_weight(gamma, self.settings.min_snr).float()
        return Losses(each.mean(), {"noise-error": error.detach().square().mean()})

    def _drawn(self, codes: Codes, seeds: Seeds) -> Continuous:
        return _continuous(self.draw(codes, seeds) if self.draw else codes, self.settings)

    def times(self, seeds: Seeds) -> tuple[Tensor, Tensor]:
        """Gamma (float64) and the network's time (float32) of each image of a batch, both ``[N]``."""
        u = seeding.uniform(seeds, (), "time", self.device)
        if self.settings.continuous_time:
            gamma = schedules.gamma(self.settings.schedule, u.double())
            return gamma, schedules.log_snr_time(gamma).float()
        t = (u * self.settings.timesteps).long().clamp(max=self.settings.timesteps - 1)
        return self.gammas[t], t.float()

    def after_step(self, step: int) -> None:
        """Nothing: all state is trained by gradients."""

    def finish(self) -> DiffusionPrior:
        """The prior; refuses weights that were loaded from another tokenizer's prior."""
        common.check_owner(self.module.owner, self.tokenizer_revision)
        return DiffusionPrior(self.module.eval(), self.settings, self.example, self.tokenizer_revision)


class DiffusionPrior:
    """Samples continuous codes."""

    def __init__(
        self, module: DiffusionModel, settings: Diffusion, example: Continuous, tokenizer_revision: str
    ) -> None:
        self.module, self.settings, self.tokenizer_revision = module, settings, tokenizer_revision
        self.shape = tuple(example.tensor.shape[1:])
        self.low, self.high = example.low, example.high
        self.revision = digest.of_weights(module.state_dict(), settings)
        gammas = schedules.gammas(settings)
        self.times = schedules.log_snr_time(gammas) if settings.continuous_time else torch.arange(settings.timesteps)

    @torch.no_grad()
    def sample(self, seeds: Seeds, condition: Condition | None = None) -> Codes:
        """Codes float32 ``[N, C, h, w]``, clamped to their bounds; NaN is refused."""
        device = self.module.scale.device
        labels = labelling.sampling_labels(condition, labelling.classes(self.settings), seeds, device)

        def predict(z: Tensor, t: int) -> Tensor:
            return self.noise(z, t, labels)

        z = samplers.sample(predict, self.shape, seeds, self.settings, device)
        codes = self.module.unscaled(z)
        if self.low is not None or self.high is not None:
            codes = codes.clamp(self.low, self.high)
        return checked(Continuous(codes, self.low, self.high), "this diffusion prior")

    def noise(self, z: Tensor, t: int, labels: Tensor | None) -> Tensor:
        """The noise in ``z`` at timestep ``t``, guided where the settings say so."""
        guidance = labelling.guidance(labelling.classes(self.settings))
        rows = z.repeat(guidance.copies, 1, 1, 1)
        prediction = self.module(rows, self.times[t].to(z).expand(len(rows)), guidance.rows(labels))
        return guidance.merged(prediction)


def _continuous(codes: Codes | None, settings: Diffusion) -> Continuous:
    """The codes, made sure to be continuous maps that the U-Net can halve as often as it wants to."""
    if not isinstance(codes, Continuous) or codes.tensor.ndim != 4:
        raise UsageError("A diffusion prior needs continuous codes [N, C, h, w]; this tokenizer gives others.")
    side = smallest_side(settings.unet)
    if codes.tensor.shape[2] % side or codes.tensor.shape[3] % side:
        raise UsageError(f"This prior needs codes with sides divisible by {side}, not {tuple(codes.tensor.shape[2:])}.")
    return codes
