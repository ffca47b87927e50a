"""Small true implementations of the contract, for tests of the harness itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.contract import Averaged, Batch, Build, Codes, Continuous, Losses, Method, MethodEntry, Phase, Seeds
from bench.core import digest, images, seeding


@dataclass(frozen=True)
class ToySettings:
    """Width of the code, learning rate and batch; ``explode`` makes the loss NaN at that step."""

    width: int = 4
    rate: float = 1e-2
    batch: int = 8
    explode: int | None = None
    noise: float = 0.1


class ToyNetwork(nn.Module):
    """One strided convolution and its transpose, and a buffer that counts what was seen."""

    seen: Tensor
    gathered: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, width, 4, stride=4)
        self.up = nn.ConvTranspose2d(width, 3, 4, stride=4)
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("gathered", torch.zeros(()), persistent=False)


@dataclass(frozen=True)
class ToyTokenizer:
    """The trained toy."""

    network: ToyNetwork

    @property
    def revision(self) -> str:
        return digest.of_weights(self.network.state_dict(), "toy")

    def encode(self, pixels: Tensor) -> Codes:
        return Continuous(self.network.down(images.to_unit(pixels)).sigmoid(), 0.0, 1.0)

    def decode(self, codes: Codes, noise: Seeds | None = None) -> Tensor:
        assert isinstance(codes, Continuous)
        return self.network.up(codes.tensor).clamp(0, 1).float()


class ToyLearner:
    """Two phases: an autoencoder, and every third step an extra one on the decoder alone."""

    def __init__(self, settings: ToySettings, build: Build) -> None:
        self.settings, self.comm = settings, build.comm
        self.module = ToyNetwork(settings.width)
        self.averaged = Averaged(self.module, half_life=100.0)
        self.batch = settings.batch
        everything, decoder = list(self.module.parameters()), list(self.module.up.parameters())
        self.phases: Sequence[Phase] = (
            Phase("main", torch.optim.Adam(everything, settings.rate), everything, self.loss, clip=10.0),
            Phase("extra", torch.optim.Adam(decoder, 1e-3), decoder, self.loss, every=3, start=2),
        )

    def loss(self, batch: Batch, step: int) -> Losses:
        assert batch.images is not None
        pixels = images.to_unit(batch.images)
        codes = self.module.down(pixels).sigmoid()
        codes = codes + self.settings.noise * seeding.normal(batch.seeds, tuple(codes.shape[1:]), "toy", codes.device)
        error = (self.module.up(codes) - pixels).square().mean()
        if self.settings.explode == step:
            error = error * float("nan")
        self.module.gathered += pixels.mean() * len(pixels)
        return Losses(error, {"mse": error.detach()})

    def after_step(self, step: int) -> None:
        self.module.seen += self.comm.all_reduce_mean(self.module.gathered)
        self.module.gathered.zero_()

    def finish(self) -> ToyTokenizer:
        return ToyTokenizer(self.module.eval())


def toy_settings(preset: str, variant: str | None) -> ToySettings:
    """The same at every preset."""
    return ToySettings()


METHOD: Method[ToySettings] = Method(learner=ToyLearner)
ENTRY = MethodEntry(
    name="toy",
    title="Toy",
    summary="a convolution and its transpose",
    code="tests.toys:METHOD",
    settings=toy_settings,
)


def smoke(toy: str, out: Path, *more: str) -> list[str]:
    """The command line of a smoke run of the toy."""
    return ["run", "--plugin", toy, "--methods", "toy", "--preset", "smoke", "--out", str(out), *more]
