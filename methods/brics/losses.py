"""The losses of BRICS, one function each (arXiv 2305.18601 as released; sources per function)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from pathlib import Path

VGG_BLOCKS = (4, 9, 16, 23)
"""Ends of the four blocks of VGG16's feature stack, behind relu1_2, relu2_2, relu3_3 and relu4_3."""
VGG_SIDE = 224
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


def non_saturating(fake: Tensor) -> Tensor:
    """The generator's loss -log D(G(z)) from logits (Goodfellow et al. 2014, arXiv 1406.2661, section 3); scalar."""
    return F.softplus(-fake).mean()


def logistic(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's loss -log D(x) - log(1 - D(G(z))) from logits (ibid., equation 1); scalar."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def r1_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Mean squared norm of the logits' gradient at real images (Mescheder et al. 2018, arXiv 1801.04406, equation 9).

    Without the factor gamma / 2. ``images`` must require gradients; the result can be differentiated again.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)), mean over all elements (Kingma & Welling 2014, arXiv 1312.6114, appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()


def feature_distance(one: Sequence[Tensor], other: Sequence[Tensor]) -> Tensor:
    """Sum over layers of the mean absolute difference of features (Johnson et al. 2016, section 3.2, with L1)."""
    return torch.stack([F.l1_loss(a.float(), b.float()) for a, b in zip(one, other, strict=True)]).sum()


class VggPerceptual(nn.Module):
    """:func:`feature_distance` on four blocks of a frozen VGG16, images resized to 224 px.

    ``forward(x, y)`` takes float images ``[N, 3, H, W]`` of about [-1, 1]; only ``x`` receives gradients.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self.features(y)
        return feature_distance(self.features(x), wanted)

    def features(self, images: Tensor) -> list[Tensor]:
        """The outputs of the blocks for images in [-1, 1]."""
        x = (images * 0.5 + 0.5 - self.mean) / self.deviation
        x = F.interpolate(x, size=(VGG_SIDE, VGG_SIDE), mode="bilinear", align_corners=False)
        found = []
        for block in self.blocks:
            x = block(x)
            found.append(x)
        return found


def vgg_perceptual(weights: Path) -> VggPerceptual:
    """:class:`VggPerceptual` with torchvision's VGG16 weights, frozen. Raises :class:`IntegrityError` for others."""
    import torchvision

    from bench.pretrained.weights import load_state, load_strictly

    with torch.device("meta"):  # the classifier that is not needed has nine tenths of the weights
        stack = torchvision.models.vgg16(weights=None).features
    stack.to_empty(device="cpu")
    state = {k.removeprefix("features."): v for k, v in load_state(weights).items() if k.startswith("features.")}
    load_strictly(stack, state, str(weights))
    starts = (0, *VGG_BLOCKS)
    blocks = [stack[a:b] for a, b in zip(starts, VGG_BLOCKS, strict=False)]
    return VggPerceptual(blocks).requires_grad_(False).eval()
