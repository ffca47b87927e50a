"""JPEG on the Kodak photographs against an independent benchmark's published figures (Pillow 7, default settings).

``BENCH_KODAK`` names the folder with kodim01.png to kodim24.png.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.contract import Build
from bench.core.distributed import Alone
from bench.evaluate.rate import bits_per_image
from methods.codecs.formats import JpegSettings
from methods.codecs.model import FileCodec

PUBLISHED = {10: (0.3266, 26.58), 50: (0.906, 32.06), 95: (3.392, 40.56)}
"""Quality to (bits per pixel, PSNR in dB): means over images of file bytes x 8 / pixels, and of per-image PSNR."""


@pytest.fixture(scope="module")
def kodak() -> list[np.ndarray]:
    folder = os.environ.get("BENCH_KODAK")
    if not folder:
        pytest.skip("BENCH_KODAK does not name the folder of the 24 Kodak photographs")
    files = sorted(Path(folder).glob("kodim*.png"))
    assert len(files) == 24
    return [np.array(Image.open(file).convert("RGB")) for file in files]


@pytest.mark.slow
@pytest.mark.parametrize("quality", PUBLISHED)
def test_jpeg_on_kodak(kodak: list[np.ndarray], quality: int) -> None:
    codec = FileCodec(JpegSettings(q=quality), Build((512, 512), seed=0, device=torch.device("cpu"), comm=Alone()))
    rates, decibels = [], []
    for pixels in kodak:
        codes = codec.encode(torch.from_numpy(pixels).permute(2, 0, 1)[None])
        decoded = (codec.decode(codes)[0] * 255).round().permute(1, 2, 0).double().numpy()
        rates.append(bits_per_image(codes)[0] / pixels[..., 0].size)
        decibels.append(10 * np.log10(255**2 / np.mean((decoded - pixels) ** 2)))
    published_rate, published_psnr = PUBLISHED[quality]
    assert np.mean(rates) == pytest.approx(published_rate, rel=0.003)
    assert np.mean(decibels) == pytest.approx(published_psnr, abs=0.15)
