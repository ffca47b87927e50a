"""SSIM (Wang et al. 2004) and MS-SSIM (Wang et al. 2003) on uint8, batched.

Gaussian window of 11 x 11, sigma 1.5, population covariance, K1 0.01, K2 0.03, range 255, valid pixels only, mean over
channels: scikit-image's ``gaussian_weights=True, use_sample_covariance=False``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from bench.networks import Networks

WINDOW = 11
SIGMA = 1.5
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales (Wang et al. 2003, section 3.2)."""


def ssim(reference: Tensor, candidate: Tensor, tools: Networks) -> np.ndarray:
    """Float64 ``[N]`` in [-1, 1]; uint8 ``[N, 3, H, W]``, both sides at least 11 pixels."""
    luminance, contrast = _terms(_doubles(reference), _doubles(candidate))
    return (luminance * contrast).mean(dim=(1, 2, 3)).cpu().numpy()


def ms_ssim(reference: Tensor, candidate: Tensor, tools: Networks) -> np.ndarray:
    """Float64 ``[N]`` in [0, 1]; uint8 ``[N, 3, H, W]``, both sides at least 161 pixels.

    Contrast and structure at five scales, luminance at the last; negative terms count as 0. The mean over channels is
    taken at every scale before the product.
    """
    one, other = _doubles(reference), _doubles(candidate)
    value = torch.ones(len(one), dtype=one.dtype, device=one.device)
    for scale, weight in enumerate(SCALE_WEIGHTS):
        luminance, contrast = _terms(one, other)
        last = scale == len(SCALE_WEIGHTS) - 1
        term = (luminance * contrast if last else contrast).mean(dim=(1, 2, 3))
        value = value * term.clamp(min=0) ** weight
        if not last:
            one, other = avg_pool2d(one, 2), avg_pool2d(other, 2)
    return value.cpu().numpy()


def _doubles(images: Tensor) -> Tensor:
    """float64, on the CPU where the device has none."""
    return (images.cpu() if images.device.type == "mps" else images).double()


def _terms(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The luminance and the contrast-structure map, each ``[N, 3, H - 10, W - 10]``."""
    rows, columns = _blur_matrix(x.shape[2], x.device), _blur_matrix(x.shape[3], x.device)
    maps = rows @ torch.stack((x, y, x * x + y * y, x * y)) @ columns.T
    mean_x, mean_y, squares, products = maps.unbind()
    mean_products, mean_squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    luminance = (2 * mean_products + C1) / (mean_squares + C1)
    contrast = (2 * (products - mean_products) + C2) / (squares - mean_squares + C2)
    return luminance, contrast


def _blur_matrix(size: int, device: torch.device) -> Tensor:
    """Float64 ``[size - 10, size]``: row i holds the window at pixels i to i + 10."""
    offsets = torch.arange(WINDOW, dtype=torch.float64, device=device) - WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    window = window / window.sum()
    matrix = torch.zeros(size - WINDOW + 1, size, dtype=torch.float64, device=device)
    for shift in range(WINDOW):
        matrix.diagonal(shift)[:] = window[shift]
    return matrix
