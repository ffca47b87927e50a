"""MaskGIT-VQGAN, VQGAN+ and MaskBit against their official modules: layouts in both styles, codes, pixels, cost."""

from __future__ import annotations

import pytest
import torch

from bench.contract import Build
from bench.core.distributed import Alone
from bench.core.registry import load, method_of
from bench.evaluate.cost import count
from methods import METHODS
from methods.maskgit_vq.checkpoint import renamed
from methods.maskgit_vq.model import MaskGITModel
from tests import published
from tests.reference.modern import fingerprints as fp

MASKBIT = "maskbit_repo_maskbit_{}bit"
LAYOUTS = {
    "maskgit": ("maskgit_vqgan", "maskbit_repo_maskgit"),
    "vqgan-plus-10bit": ("maskbit_repo_vqgan_plus_10bit",),
    "vqgan-plus-12bit": ("maskbit_repo_vqgan_plus_12bit",),
    **{f"maskbit-{bits}bit": (MASKBIT.format(bits),) for bits in (10, 12, 14, 16, 18)},
}
FINGERPRINTS = {"maskgit-vqgan": "maskgit", "maskbit-14bit": "maskbit-14bit", "vqgan-plus-12bit": "vqgan-plus-12bit"}


def tables(bits: int) -> dict[str, torch.Tensor]:
    """What the official quantiser of bits registers beside the weights."""
    return {"quantize.bits_to_indices": 2 ** torch.arange(bits), "quantize.codebook": torch.ones(2**bits, bits)}


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_codes_and_pixels_are_those_of_the_official_module(name: str) -> None:
    state = fp.weights(fp.learnable(fp.family(name)["layout"]))
    saved = state | (tables(14) if name == "maskbit-14bit" else {})
    entry, found = load(METHODS["maskgit-vq"]), published.content("maskgit-vq", saved)
    own, variant = method_of(entry).checkpoint.identify(entry.settings("paper", None), (64, 64), found)
    assert variant == FINGERPRINTS[name]
    assert found.facts["dropped"] == {key: 1 for key in saved if key not in state}
    tokenizer = method_of(entry).checkpoint.load(own, Build((64, 64), 0, torch.device("cpu"), Alone()), found)
    codes = tokenizer.encode(fp.image(64))
    with torch.no_grad():
        fp.check_latents(name, tokenizer.model.encoder(fp.image(64) / 255))
        fp.check_pixels(name, tokenizer.model.images(codes.tensor) / 2 + 0.5)
    # Channel 0 is the least significant bit.
    fp.check_codes(name, (codes.tensor * 2 ** torch.arange(len(codes.levels))).sum(-1))


@pytest.mark.parametrize(("variant", "layout"), [(v, name) for v, names in LAYOUTS.items() for name in names])
def test_a_variant_has_the_published_layout(variant: str, layout: str) -> None:
    with torch.device("meta"):
        model = MaskGITModel(load(METHODS["maskgit-vq"]).settings("paper", variant))
    shapes = fp.learnable(layout)
    if layout != "maskgit_vqgan":
        shapes = {renamed(key, shapes): shape for key, shape in shapes.items()}
    assert fp.shapes_of(model.state_dict()) == shapes


@pytest.mark.parametrize("layout", ["maskgit_vqgan", "maskbit_repo_maskgit"])
def test_the_two_styles_of_keys_give_the_same_tokenizer(layout: str) -> None:
    mine = published.narrow("maskgit-vq", (32, 32))
    shapes = published.narrowed(fp.learnable(layout))
    theirs = {renamed(key, shapes): key for key in shapes}
    state = {theirs[name]: value for name, value in published.narrow_state("maskgit-vq").items()}
    assert published.loaded("maskgit-vq", state, (32, 32)).revision == mine.revision


# Encoder and decoder parameters, codebook values, decoder gmac and gmac-fvcore, encoder gmac; at 256 px, batch 1.
COSTS = {
    "maskgit": (23_775_104, 30_478_339, 262_144, 93.273, 93.582, 64.316),
    "vqgan-plus-10bit": (25_250_432, 30_478_339, 262_144, 93.273, 93.582, 68.090),
    "vqgan-plus-12bit": (25_151_936, 29_593_603, 262_144, 93.046, 93.356, 68.065),
    "maskbit-10bit": (25_124_234, 29_344_771, 0, 92.983, 93.292, 68.058),
    "maskbit-18bit": (25_124_234 + 8 * 513, 29_344_771 + 8 * 4608, 0, 92.992, 93.301, 68.058),
}
NUMBERS = ("encoder-parameters", "decoder-parameters", "codebook-parameters")
OPERATIONS = ("decoder-gmac", "decoder-gmac-fvcore", "encoder-gmac")


@pytest.mark.parametrize("variant", COSTS)
def test_a_variant_costs_what_was_counted_on_the_official_module(variant: str) -> None:
    entry = load(METHODS["maskgit-vq"])
    build = Build((256, 256), 0, torch.device("meta"), Alone())
    counted = {m.name: m.value for m in count(method_of(entry).parts(entry.settings("paper", variant), build))}
    known = COSTS[variant]
    assert tuple(counted[name] for name in NUMBERS) == known[:3]
    # One figure is given for the encoders of all numbers of bits; a bit is 1.3e-4 of it.
    assert tuple(counted[name] for name in OPERATIONS) == pytest.approx(known[3:], abs=1.5e-3)
