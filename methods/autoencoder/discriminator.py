"""The PatchGAN discriminator (Isola et al. 2017) as VQGAN and LDM configure it, with their key names."""

from __future__ import annotations

from torch import Tensor, nn


class NLayerDiscriminator(nn.Module):
    """Images ``[N, 3, H, W]`` in [-1, 1] to a map of logits ``[N, 1, h, w]``, one per overlapping patch.

    ``layers`` counts the strided convolutions, ``width`` is the first one's channels (pix2pix: ``n_layers``, ``ndf``).
    Weights start from N(0, 0.02), those of BatchNorm from N(1, 0.02).
    """

    def __init__(self, width: int, layers: int, in_channels: int = 3) -> None:
        super().__init__()
        stack: list[nn.Module] = [nn.Conv2d(in_channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        before = width
        for i in range(1, layers + 1):
            after = width * min(2**i, 8)
            stride = 2 if i < layers else 1
            stack += [nn.Conv2d(before, after, 4, stride, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
            before = after
        self.main = nn.Sequential(*stack, nn.Conv2d(before, 1, 4, 1, 1))
        self.main.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
