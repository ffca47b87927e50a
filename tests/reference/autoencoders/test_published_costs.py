"""Decoder parameters and operations of every published variant, exactly, and our counter against fvcore."""

import pytest
import torch
from fvcore.nn import FlopCountAnalysis

from bench.contract import Build
from bench.core.distributed import Alone
from bench.core.registry import load, method_of
from bench.evaluate.cost import count
from methods import METHODS
from methods.autoencoder.autoencoder import Decoder
from methods.vqgan.presets import settings as vqgan_settings

# decoder parameters in millions, gmac, gmac_fvcore, encoder parameters in millions; at 256 px, batch 1.
# The BRICS paper prints 42.5 / 126.79 and 13.6 / 119.77 for the first two.
PUBLISHED = {
    ("vqgan", "16x16"): (42.450, 126.358, 126.789, 29.298),
    ("vqgan", "32x32"): (13.589, 119.345, 119.771, 9.751),
    ("rqvae", "16x16x4"): (42.450, 126.358, 126.789, 29.298),
    ("rqvae", "8x8x4"): (58.975, 124.772, 125.200, 41.101),
    ("rqvae", "8x8x4-ffhq"): (58.975, 125.565, 125.995, 41.101),
    ("kl-ldm", "f4"): (32.961, 335.291, 335.913, 22.351),
    ("kl-ldm", "f8"): (49.490, 311.094, 311.695, 34.164),
    ("kl-ldm", "f16"): (41.344, 126.074, 126.505, 28.266),
    ("kl-ldm", "f32"): (61.245, 125.722, 126.152, 42.615),
    ("vq-ldm", "f4"): (32.961, 335.291, 335.913, 22.337),
    ("vq-ldm", "f4-noattn"): (31.909, 313.816, 314.428, 21.286),
    ("vq-ldm", "f8"): (40.254, 236.200, 236.758, 27.398),
    ("vq-ldm", "f16"): (41.307, 126.065, 126.496, 28.155),
}


@pytest.mark.parametrize(("method", "variant"), PUBLISHED)
def test_the_published_decoders_cost_what_was_measured_on_the_official_code(method: str, variant: str):
    entry = load(METHODS[method])
    settings = entry.settings("paper", variant)
    parts = method_of(entry).parts(settings, Build((256, 256), 0, torch.device("meta"), Alone()))
    numbers = {m.name: m.value for m in count(parts)}
    decoder, gmac, gmac_fvcore, encoder = PUBLISHED[method, variant]
    assert round(numbers["decoder-parameters"] / 1e6, 3) == decoder
    assert round(numbers["encoder-parameters"] / 1e6, 3) == encoder
    assert round(numbers["decoder-gmac"], 3) == gmac
    assert round(numbers["decoder-gmac-fvcore"], 3) == gmac_fvcore


def test_the_counter_agrees_with_fvcore_on_a_real_forward():
    settings = vqgan_settings("paper", "16x16")
    architecture = type(settings)(**(vars(settings) | {"ch": 32, "attention": "matmul"})).architecture((64, 64))
    decoder, latents = Decoder(architecture).eval(), torch.randn(1, 256, architecture.grid, architecture.grid)
    analysis = FlopCountAnalysis(decoder, latents).unsupported_ops_warnings(False)
    from bench.core.flops import tally

    counted = tally(lambda: decoder(latents))
    assert counted.gmac_fvcore * 1e9 == pytest.approx(analysis.total(), rel=1e-9)
