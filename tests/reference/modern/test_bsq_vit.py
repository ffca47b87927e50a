"""BSQ-ViT against its official module: layouts, bits, pixels, cost, averages, and what it refuses."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from bench.contract import Build, Indices
from bench.core.distributed import Alone
from bench.core.registry import load, method_of
from bench.errors import BenchError, UsageError
from bench.evaluate.adapter import problem_of
from bench.evaluate.cost import count
from bench.evaluate.rate import bits_per_image
from bench.evaluate.usage import use
from methods import METHODS
from methods.bsq_vit.model import BSQModel
from tests import published
from tests.reference.modern import fingerprints as fp

LAYOUTS = {"bsqvit_b18g18": "18bit", "bsqvit_b18g9": "18bit", "bsqvit_b36g36": "36bit"}
TABLES = {"quantize.basis": 2 ** torch.arange(18), "quantize.group_basis": torch.ones(1, dtype=torch.int64)}


def as_published(raw: Mapping[str, Tensor], averaged: Mapping[str, Tensor]) -> dict[str, object]:
    """The two state dicts of a released file, with the prefixes of its trainer."""
    return {
        "epoch": 3,
        "state_dict": {f"module.{name}": value for name, value in (raw | TABLES).items()},
        "ema_state_dict": {f"module.module.{name}": value for name, value in (averaged | TABLES).items()},
    }


@pytest.mark.parametrize("bits", [18, pytest.param(36, marks=pytest.mark.slow)])
def test_bits_and_pixels_are_those_of_the_official_module(bits: int) -> None:
    name = f"bsq-vit-{bits}"
    embeddings = {f"{side}.positional_embedding": (64, 768) for side in ("encoder", "decoder")}
    state = fp.weights(fp.learnable(fp.family(name)["layout"].partition(" ")[0]) | embeddings)
    entry = load(METHODS["bsq-vit"])
    reader, found = method_of(entry).checkpoint, published.content("bsq-vit", as_published(state, state))
    own, variant = reader.identify(entry.settings("paper", None), (64, 64), found)
    assert variant == f"{bits}bit"
    tokenizer = reader.load(own, Build((64, 64), 0, torch.device("cpu"), Alone()), found)
    codes = tokenizer.encode(fp.image(64))
    assert codes.levels == (2,) * bits
    assert codes.tensor.shape == (1, 8, 8, bits)
    with torch.no_grad():
        fp.check_latents(name, tokenizer.model.latents(fp.image(64) / 127.5 - 1))
        fp.check_pixels(name, tokenizer.model.images(codes.tensor))
    # Channel 0 is the most significant bit; a float32 sum would be wrong for every code of 36 bits.
    fp.check_codes(name, (codes.tensor * 2 ** torch.arange(bits - 1, -1, -1)).sum(-1))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_variant_has_the_published_layout(layout: str) -> None:
    with torch.device("meta"):
        model = BSQModel(load(METHODS["bsq-vit"]).settings("paper", LAYOUTS[layout]), (256, 256))
    assert fp.shapes_of(model.state_dict()) == fp.learnable(layout)


@pytest.mark.parametrize("variant", ["18bit", "36bit"])
def test_it_costs_what_was_counted_on_the_official_module(variant: str) -> None:
    entry = load(METHODS["bsq-vit"])
    build = Build((256, 256), 0, torch.device("meta"), Alone())
    counted = {m.name: m.value for m in count(method_of(entry).parts(entry.settings("paper", variant), build))}
    assert counted["encoder-parameters"] == 85_991_424
    assert counted["decoder-parameters"] == 88_796_352
    assert counted["codebook-parameters"] == 0
    assert counted["decoder-gmac"] == pytest.approx(109.320, abs=6e-4)
    assert counted["decoder-gmac-fvcore"] == pytest.approx(90.095, abs=6e-4)
    assert counted["encoder-gmac"] == pytest.approx(106.451, abs=6e-4)


def test_the_averages_are_taken_unless_the_last_step_is_asked_for() -> None:
    averaged = published.narrow_state("bsq-vit")
    raw = {name: value.roll(1) for name, value in averaged.items()}
    saved, images = as_published(raw, averaged), fp.image(32)
    mine = published.loaded("bsq-vit", saved, (32, 32))
    assert mine.revision == published.narrow("bsq-vit", (32, 32)).revision
    last = published.loaded("bsq-vit", saved, (32, 32), ema=False)
    assert not torch.equal(mine.decode(mine.encode(images)), last.decode(last.encode(images)))
    with pytest.raises(UsageError, match="has no moving averages of the weights; write ema=false"):
        published.loaded("bsq-vit", {"state_dict": raw}, (32, 32))
    with pytest.raises(UsageError, match="has moving averages of the weights alone; add the option ema=true"):
        published.loaded("bsq-vit", {"ema_state_dict": averaged}, (32, 32), ema=False)


def test_codes_of_36_bits_have_a_rate_and_a_use_without_a_table_of_them() -> None:
    bits = torch.randint(0, 2, (2, 32, 32, 36), generator=torch.Generator().manual_seed(0))
    codes = Indices(bits, (2,) * 36)
    assert bits_per_image(codes).tolist() == [36_864, 36_864]
    used = use(codes)
    assert used.entries == 2**36
    assert len(used.counts) <= 2 * 32 * 32
    floats = Indices(bits.float(), (2,) * 36)
    assert problem_of(floats, 2) == "returned Indices of torch.float32; they are integers"


def test_images_of_another_side_are_refused_with_the_one_that_is_taken() -> None:
    with pytest.raises(UsageError, match=r"is for images of 32 pixels, not 64; choose the preset of 32 pixels\.$"):
        published.narrow("bsq-vit", (64, 64))
    with pytest.raises(BenchError, match="are 64 x 64 pixels and this tokenizer is built for 32 x 32 alone"):
        published.narrow("bsq-vit", (32, 32)).encode(fp.image(64))
