"""TiTok against its official module: layouts, tokens, pixels, cost, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bench.contract import Build, Continuous, Indices
from bench.core.distributed import Alone
from bench.core.registry import load, method_of
from bench.errors import BenchError, UsageError
from bench.evaluate.cost import count
from bench.evaluate.rate import bits_per_image
from bench.evaluate.selftest import selftest
from methods import METHODS
from methods.titok.checkpoint import renamed
from methods.titok.model import TiTokModel
from methods.titok.presets import TiTokSettings
from tests import published
from tests.reference.modern import fingerprints as fp

LAYOUTS = {
    "l-32": "titok_l32",
    "b-64": "titok_b64",
    "s-128": "titok_s128",
    "bl-64": "titok_bl64_vq8k",
    "bl-128": "titok_bl128_vq8k",
    "sl-256": "titok_sl256_vq8k",
    "ll-32-vae": "titok_ll32_vae_c16",
}
CASES = {"titok-legacy": "s-128", "titok-one-stage": "bl-64", "titok-vae": "ll-32-vae"}
SMALL = {"width": 512, "layers": 8, "decoder_width": 512, "decoder_layers": 8, "tokens": 16}
"""What the fingerprints are of: the variants in their smallest size, for images of 64 pixels."""


def network(settings: TiTokSettings, side: int) -> TiTokModel:
    """The network without memory."""
    with torch.device("meta"):
        return TiTokModel(settings, (side, side))


def official(settings: TiTokSettings, side: int) -> dict[str, tuple[int, ...]]:
    """The layout of the settings under the official names."""
    shapes = fp.shapes_of(network(settings, side).state_dict())
    return {key.removeprefix("proxy."): shape for key, shape in shapes.items()}


@pytest.mark.parametrize("name", CASES)
def test_tokens_and_pixels_are_those_of_the_official_module(name: str) -> None:
    settings = replace(load(METHODS["titok"]).settings("paper", CASES[name]), **SMALL)
    tokenizer = published.loaded("titok", fp.weights(official(settings, 64)), (64, 64))
    codes = tokenizer.encode(fp.image(64))
    latents = tokenizer.model.latents(fp.image(64) / 127.5 - 1)
    with torch.no_grad():
        if isinstance(codes, Continuous):
            assert codes.tensor.shape == (1, 16, 16)
            assert torch.equal(codes.tensor, latents[:, :16])
            fp.check_latents(name, codes.tensor[:, :, None])
            pixels = tokenizer.model.pixels(codes.tensor)
        else:
            assert codes.tensor.shape == (1, 16, 1)
            fp.check_latents(name, latents[:, :, None])
            fp.check_codes(name, codes.tensor)
            pixels = tokenizer.model.images(codes.tensor)
    fp.check_pixels(name, pixels / 2 + 0.5)
    assert torch.allclose(tokenizer.decode(codes), (pixels / 2 + 0.5).clamp(0, 1), atol=1e-6)


@pytest.mark.parametrize("variant", ["bl-64", "ll-32-vae"])
def test_the_laws_of_the_contract_hold_without_a_proxy(variant: str) -> None:
    narrow = {"width": 64, "layers": 1, "decoder_width": 64, "decoder_layers": 1, "tokens": 4}
    settings = replace(load(METHODS["titok"]).settings("paper", variant), **narrow)
    tokenizer = published.loaded("titok", fp.weights(official(settings, 32)), (32, 32))
    assert not [check.law for check in selftest(tokenizer, 32, torch.device("cpu")) if check.problem]
    changed = fp.weights(official(settings, 32))
    changed["latent_tokens"] = changed["latent_tokens"] + 1
    assert published.loaded("titok", changed, (32, 32)).revision != tokenizer.revision


@pytest.mark.parametrize("variant", LAYOUTS)
def test_a_variant_has_the_published_layout(variant: str) -> None:
    settings = load(METHODS["titok"]).settings("paper", variant)
    layout = {renamed(key, {}): shape for key, shape in fp.learnable(LAYOUTS[variant]).items()}
    assert fp.shapes_of(network(settings, 256).state_dict()) == layout


@pytest.mark.parametrize(
    ("variant", "tokens", "bits"), [("l-32", 32, 384), ("s-128", 128, 1536), ("sl-256", 256, 3328)]
)
def test_the_rate_is_that_of_the_list(variant: str, tokens: int, bits: int) -> None:
    settings = load(METHODS["titok"]).settings("paper", variant)
    codes = Indices(torch.zeros(2, settings.tokens, 1, dtype=torch.int64), (settings.n_embed,))
    assert settings.tokens == tokens
    assert bits_per_image(codes).tolist() == [bits, bits]


# Encoder without and with its latent tokens, decoder, codebooks; decoder gmac and gmac-fvcore, encoder gmac.
COSTS = {
    "l-32": (303_410_188 + 32_768, 306_822_144 + 30_478_339, 49_152 + 262_144, 185.795, 182.072, 91.582),
    "b-64": (85_904_652 + 49_152, 88_070_656 + 30_478_339, 49_152 + 262_144, 123.209, 121.650, 29.315),
    "s-128": (25_818_636 + 65_536, 27_000_832 + 30_478_339, 49_152 + 262_144, 104.647, 103.759, 11.005),
    "bl-64": (85_944_640 + 49_152, 303_498_068, 524_288, 102.214, 102.296, 29.317),
    "bl-128": (85_993_792 + 98_304, 303_563_604, 524_288, 123.767, 123.865, 35.589),
    "sl-256": (25_910_848 + 131_072, 303_694_676, 524_288, 168.080, 168.210, 15.175),
    "ll-32-vae": (303_430_688 + 32_768, 303_416_148, 0, 91.588, 91.661, 91.583),
}
NUMBERS = ("encoder-parameters", "decoder-parameters", "codebook-parameters")


@pytest.mark.parametrize("variant", COSTS)
def test_a_variant_costs_what_was_counted_on_the_official_module(variant: str) -> None:
    entry = load(METHODS["titok"])
    settings = entry.settings("paper", variant)
    build = Build((256, 256), 0, torch.device("meta"), Alone())
    counted = {m.name: m.value for m in count(method_of(entry).parts(settings, build))}
    known = COSTS[variant]
    assert tuple(counted[name] for name in NUMBERS) == known[:3]
    assert counted["decoder-gmac"] == pytest.approx(known[3], abs=6e-4)
    assert counted["encoder-gmac"] == pytest.approx(known[5], abs=6e-4)
    # Of the models without a proxy fvcore's number is given with attention, which it does not see.
    length = 1 + 256 + settings.tokens
    unseen = 0 if settings.proxy else 2 * settings.decoder_layers * length**2 * settings.decoder_width / 1e9
    assert counted["decoder-gmac-fvcore"] == pytest.approx(known[4] - unseen, abs=6e-4)


def test_images_of_another_side_are_refused_with_the_one_that_is_taken() -> None:
    state = published.narrow_state("titok")
    with pytest.raises(UsageError, match=r"is for images of 32 pixels, not 64; choose the preset of 32 pixels\.$"):
        published.loaded("titok", state, (64, 64))
    tokenizer = published.narrow("titok", (32, 32))
    with pytest.raises(BenchError, match="are 64 x 64 pixels and this tokenizer is built for 32 x 32 alone"):
        tokenizer.encode(fp.image(64))
