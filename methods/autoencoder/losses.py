"""The published loss terms as functions of tensors, each with its paper and equation."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def codebook_loss(z: Tensor, code: Tensor, beta: float, legacy: bool) -> Tensor:
    """Codebook plus commitment term (van den Oord et al. 2017, eq. 3), a mean over all values.

    As written there ``beta`` weighs the commitment, which pulls ``z`` to its code. ``legacy`` reproduces the released
    code of VQGAN and LDM, which puts ``beta`` on the term that pulls the code to ``z``.
    """
    commitment = F.mse_loss(z, code.detach())
    codebook = F.mse_loss(code, z.detach())
    return commitment + beta * codebook if legacy else beta * commitment + codebook


def straight_through(z: Tensor, code: Tensor) -> Tensor:
    """The value of ``code`` with the gradient of ``z`` (van den Oord et al. 2017, section 3.2)."""
    return z + (code - z).detach()


def rotated(z: Tensor, code: Tensor) -> Tensor:
    """The value of ``code`` with the gradient of ``z`` turned and scaled from the one to the other, ``[N, D, ...]``.

    The rotation trick (Fifty et al. 2025, section 4.2): the linear map that takes z to its code, a product of two
    reflections and a scaling, counts as constant.
    """
    with torch.no_grad():
        z_length = torch.linalg.vector_norm(z, dim=1, keepdim=True).clamp_min(1e-6)
        code_length = torch.linalg.vector_norm(code, dim=1, keepdim=True).clamp_min(1e-6)
        start, end = z / z_length, code / code_length
        between = F.normalize(start + end, dim=1)
        scale = code_length / z_length
    along, across = (z * between).sum(1, keepdim=True), (z * start).sum(1, keepdim=True)
    return scale * (z - 2 * along * between + 2 * across * end)


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of a diagonal Gaussian from N(0, I) (Kingma & Welling 2014, appendix B), summed: ``[N]``."""
    terms = mean.square() + log_variance.exp() - 1 - log_variance
    return 0.5 * terms.flatten(1).sum(1)


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of the discriminator (Lim & Ye 2017; Miyato et al. 2018, eq. 16), halved as in VQGAN's code."""
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())


def hinge_generator(fake: Tensor) -> Tensor:
    """The generator's side of the hinge loss (Miyato et al. 2018, eq. 17)."""
    return -fake.mean()


def adaptive_weight(reconstruction_gradient: Tensor, adversarial_gradient: Tensor) -> Tensor:
    """VQGAN's weight of the adversarial term (Esser et al. 2021, eq. 7), at most 1e4.

    Both are gradients with respect to the decoder's last layer. The paper writes 1e-6 in the denominator, the released
    code adds 1e-4; this is the released code.
    """
    ratio = torch.linalg.vector_norm(reconstruction_gradient) / (torch.linalg.vector_norm(adversarial_gradient) + 1e-4)
    return ratio.clamp(0, 1e4).detach()


def with_gradient(value: Tensor, inputs: Tensor, gradient: Tensor) -> Tensor:
    """``value``, as a scalar whose gradient with respect to ``inputs`` is ``gradient``."""
    towards = (inputs * gradient.detach()).sum()
    return value.detach() + towards - towards.detach()
