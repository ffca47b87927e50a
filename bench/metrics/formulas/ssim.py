"""SSIM (Wang et al. 2004) and MS-SSIM (Wang et al. 2003) on uint8, batched.

Gaussian window of 11 x 11, sigma 1.5, population covariance, K1 0.01, K2 0.03, range 255, valid pixels only, mean over
channels: scikit-image's ``gaussian_weights=True, use_sample_covariance=False``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.metrics.entries import MetricEntry
from bench.results.record import Tolerance

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch
    from torch import Tensor

    from bench.pretrained.lpips import Networks

    Terms = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

WINDOW = 11
EDGE = WINDOW - 1
SIGMA = 1.5
TILE = 32
PIECE = 1 << 15
"""Pixels that are worked on at once."""
STRIP = 1 << 22
"""Pixels of an image (4 million) above which its maps are made in strips of rows, so that memory stays bounded."""
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales (Wang et al. 2003, section 3.2)."""


def ssim(reference: Tensor, candidate: Tensor, tools: Networks) -> np.ndarray:
    """Float64 ``[N]`` in [-1, 1]; uint8 ``[N, 3, H, W]``, both sides at least 11 pixels."""
    return in_pieces(_ssim, reference, candidate)


def ms_ssim(reference: Tensor, candidate: Tensor, tools: Networks) -> np.ndarray:
    """Float64 ``[N]`` in [0, 1]; uint8 ``[N, 3, H, W]``, both sides at least 161 pixels.

    Contrast and structure at five scales, luminance at the last; negative terms count as 0. Each channel has its own
    product, and the mean over channels is taken of those, as pytorch-msssim does.
    """
    return in_pieces(_ms_ssim, reference, candidate)


def in_pieces(formula: Callable[[Tensor, Tensor], Tensor], reference: Tensor, candidate: Tensor) -> np.ndarray:
    """Few images at a time, so that the float64 maps stay in the processor's cache."""
    import torch

    count = max(PIECE // (reference.shape[2] * reference.shape[3]), 1)
    pairs = zip(reference.split(count), candidate.split(count), strict=True)
    return torch.cat([formula(one, other) for one, other in pairs]).cpu().numpy()


def _ssim(one: Tensor, other: Tensor) -> Tensor:
    return mean_over_places(one, other, _level_terms)


def mean_over_places(one: Tensor, other: Tensor, terms: Terms, edge: int = EDGE) -> Tensor:
    """``[N]``: the mean of the product of both maps that ``terms`` gives of two stacks of images."""
    if one.shape[2] * one.shape[3] <= STRIP:
        luminance, contrast = terms(one, other)
        return (luminance * contrast).mean(dim=(1, 2, 3))
    return _means(one, other, terms, edge)[0].mean(dim=1)


def _level_terms(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    return gaussian_terms(doubles(one), doubles(other))


def _means(one: Tensor, other: Tensor, terms: Terms, edge: int = EDGE) -> tuple[Tensor, Tensor]:
    """Means ``[N, 3]`` over all places of SSIM and of contrast-structure, from strips of rows."""
    height, width = one.shape[2] - edge, one.shape[3] - edge
    rows = max(STRIP // one.shape[3], 1)
    sums: list[tuple[Tensor, Tensor]] = []
    for start in range(0, height, rows):
        strip = slice(start, min(start + rows, height) + edge)
        luminance, contrast = terms(one[:, :, strip], other[:, :, strip])
        sums.append(((luminance * contrast).sum(dim=(2, 3)), contrast.sum(dim=(2, 3))))
    whole, contrasts = (sum(parts[1:], parts[0]) for parts in zip(*sums, strict=True))
    return whole / (height * width), contrasts / (height * width)


def _ms_ssim(one: Tensor, other: Tensor) -> Tensor:
    import torch
    from torch.nn.functional import avg_pool2d

    one, other = doubles(one), doubles(other)
    value = torch.ones(one.shape[:2], dtype=one.dtype, device=one.device)
    for scale, weight in enumerate(SCALE_WEIGHTS):
        last = scale == len(SCALE_WEIGHTS) - 1
        if one.shape[2] * one.shape[3] <= STRIP:
            luminance, contrast = gaussian_terms(one, other)
            term = (luminance * contrast if last else contrast).mean(dim=(2, 3))
        else:
            term = _means(one, other, gaussian_terms)[0 if last else 1]
        value = value * term.clamp(min=0) ** weight
        if not last:
            odd = [side % 2 for side in one.shape[2:]]
            one, other = (avg_pool2d(images, 2, padding=odd) for images in (one, other))
    return value.mean(dim=1)


def doubles(images: Tensor) -> Tensor:
    """float64, on the CPU where the device has none."""
    return (images.cpu() if images.device.type == "mps" else images).double()


def gaussian_terms(x: Tensor, y: Tensor, c1: float | Tensor = C1, c2: float | Tensor = C2) -> tuple[Tensor, Tensor]:
    """The luminance and the contrast-structure map of float64 images, each ``[N, 3, H - 10, W - 10]``."""
    means = _blur(x), _blur(y), _blur(x * x + y * y), _blur(x * y)
    return maps(*means, c1, c2)


def maps(
    mean_x: Tensor,
    mean_y: Tensor,
    squares: Tensor,
    products: Tensor,
    c1: float | Tensor,
    c2: float | Tensor,
    correction: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Luminance and contrast-structure from the windows' means of x, y, x² + y² and xy.

    ``correction`` makes sample covariances of those of the population.
    """
    mean_products, mean_squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    luminance = (2 * mean_products + c1) / (mean_squares + c1)
    covariance, variances = correction * (products - mean_products), correction * (squares - mean_squares)
    return luminance, (2 * covariance + c2) / (variances + c2)


def _blur(planes: Tensor) -> Tensor:
    """The window's weighted mean at every place where it fits: ``[N, 3, H, W]`` to ``[N, 3, H - 10, W - 10]``.

    Tiles of an axis share one small band matrix; a product with it is the fastest separable filter in float64.
    """
    import torch

    band = _blur_matrix(TILE + EDGE, planes.device)
    height, width = planes.shape[2] - EDGE, planes.shape[3] - EDGE
    tall = torch.cat([band[:n, : n + EDGE] @ planes[:, :, s : s + n + EDGE] for s, n in _tiles(height)], dim=2)
    return torch.cat([tall[..., s : s + n + EDGE] @ band[:n, : n + EDGE].T for s, n in _tiles(width)], dim=3)


def _tiles(length: int) -> list[tuple[int, int]]:
    """(start, size) of consecutive tiles of an axis."""
    return [(start, min(TILE, length - start)) for start in range(0, length, TILE)]


def _blur_matrix(size: int, device: torch.device) -> Tensor:
    """Float64 ``[size - 10, size]``: row i holds the window at pixels i to i + 10."""
    import torch

    offsets = torch.arange(WINDOW, dtype=torch.float64, device=device) - WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    window = window / window.sum()
    matrix = torch.zeros(size - WINDOW + 1, size, dtype=torch.float64, device=device)
    for shift in range(WINDOW):
        matrix.diagonal(shift)[:] = window[shift]
    return matrix


_CONVENTION: dict[str, str | int | float] = {
    "window": "gaussian 11 sigma 1.5",
    "covariance": "population",
    "channels": "mean",
    "range": 255,
}

ROWS = (
    MetricEntry(
        name="ssim",
        title="SSIM",
        kind="pair",
        higher_is_better=True,
        unit="",
        decimals=4,
        place=20,
        function=ssim,
        tolerance=Tolerance(0.002),
        smallest_side=11,
        convention=_CONVENTION,
    ),
    MetricEntry(
        name="ms-ssim",
        title="MS-SSIM",
        kind="pair",
        higher_is_better=True,
        unit="",
        decimals=4,
        place=20,
        function=ms_ssim,
        tolerance=Tolerance(0.002),
        smallest_side=161,
        version=2,
        convention={**_CONVENTION, "channels": "mean of products", "scales": 5},
    ),
)
