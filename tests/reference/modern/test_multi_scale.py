"""VAR's tokenizer against its official module: layout, codes of all scales, pixels, cost, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bench.contract import Build
from bench.core.distributed import Alone
from bench.core.registry import load, method_of
from bench.errors import BenchError, UsageError
from bench.evaluate.cost import count
from methods import METHODS
from methods.autoencoder.settings import published_architecture
from methods.var import checkpoint
from methods.var.model import MultiScale, VARModel
from methods.var.presets import CONVOLUTIONS, SCALES, scales
from tests import published
from tests.reference.modern import fingerprints as fp

LAYOUT = "var_vae_ch160v4096z32"
SEEN = {"quantize.ema_vocab_hit_SV": torch.ones(10, 4096)}
NARROW = 32
"""The width of the fingerprint at all ten scales."""


def with_width(ch: int) -> dict[str, tuple[int, ...]]:
    """The published layout at another width; the scales and their convolutions stay."""
    layout = fp.learnable(LAYOUT)
    return {name: tuple(n // 160 * ch if n % 160 == 0 else n for n in shape) for name, shape in layout.items()}


def by_scale(codes: Tensor) -> list[list[int]]:
    return [piece.tolist() for piece in codes.flatten().split([side * side for side in SCALES[16]])]


def test_codes_and_pixels_are_those_of_the_official_module() -> None:
    state = fp.weights(fp.learnable(LAYOUT))
    tokenizer = published.loaded("var", state | SEEN, (64, 64))
    codes = tokenizer.encode(fp.image(64))
    assert codes.tensor.shape == (1, 30, 1)
    assert codes.levels == (4096,)
    assert codes.tensor.flatten().tolist() == fp.family("var-4-scales")["all 30 indices"]
    fp.check_codes("var-4-scales", codes.tensor)
    with torch.no_grad():
        fp.check_latents("var-4-scales", tokenizer.model.latents(fp.image(64) / 127.5 - 1))
        fp.check_pixels("var-4-scales", tokenizer.model.images(codes.tensor))


def test_all_ten_scales_are_those_of_the_official_module() -> None:
    known = fp.family("var-10-scales-narrow")
    tokenizer = published.loaded("var", fp.weights(with_width(NARROW)), (256, 256))
    codes = tokenizer.encode(fp.image(256)).tensor
    found = by_scale(codes)
    assert [scale[:4] for scale in found] == known["first 4 indices of each scale"]
    assert [sum(scale) for scale in found] == known["sum of the indices of each scale"]
    with torch.no_grad():
        quantised = tokenizer.model.quantize(codes[..., 0])
        assert quantised.flatten()[:6].tolist() == pytest.approx(known["f_hat, first 6 in C order"], abs=fp.CLOSE)
        fp.check_pixels("var-10-scales-narrow", tokenizer.model.images(codes))


def test_the_quantiser_alone_gives_the_official_codes_and_residual() -> None:
    known = fp.facts()["quantizers"]["var"]
    shapes = {"embedding.weight": (4096, 32)}
    for i in range(4):
        shapes |= {f"quant_resi.qresi_ls.{i}.weight": (32, 32, 3, 3), f"quant_resi.qresi_ls.{i}.bias": (32,)}
    quantizer = MultiScale(4096, 32, SCALES[16])
    quantizer.load_state_dict(fp.weights(shapes))
    latents = torch.from_numpy(2 * fp.uniform(32 * 16 * 16, 99)).float().reshape(1, 32, 16, 16)
    with torch.no_grad():
        codes = quantizer.search(latents)
        quantised = quantizer(codes)
    assert codes.flatten()[:16].tolist() == known["first 16 of the list"]
    assert [sum(scale) for scale in by_scale(codes)] == known["sum of each scale"]
    assert quantised[0, 0, 0, :4].tolist() == pytest.approx(known["fhat[0,0,0,:4]"], abs=fp.CLOSE)
    assert float((latents - quantised).square().mean()) == pytest.approx(known["residual mean square"], abs=fp.CLOSE)
    assert list(CONVOLUTIONS[10]) == known["phi of each scale"]
    assert list(CONVOLUTIONS[14]) == known["phi of each scale, 14 scales"]


def test_the_network_has_the_published_layout() -> None:
    settings = load(METHODS["var"]).settings("paper", None)
    with torch.device("meta"):
        model = VARModel(published_architecture(settings, (256, 256)), settings)
        layout = {name: torch.empty(shape) for name, shape in fp.learnable(LAYOUT).items()}
    assert fp.shapes_of(model.state_dict()) == fp.shapes_of(checkpoint.split(layout))


def test_it_costs_what_was_counted_on_the_official_module() -> None:
    entry = load(METHODS["var"])
    build = Build((256, 256), 0, torch.device("meta"), Alone())
    counted = {m.name: m.value for m in count(method_of(entry).parts(entry.settings("paper", None), build))}
    assert counted["encoder-parameters"] == 44_107_872
    assert counted["decoder-parameters"] == 64_653_923
    assert counted["codebook-parameters"] == 131_072
    assert counted["decoder-gmac"] == pytest.approx(196.854, abs=6e-4)
    assert counted["decoder-gmac-fvcore"] == pytest.approx(197.393, abs=6e-4)
    assert counted["encoder-gmac"] == pytest.approx(107.563, abs=6e-4)


@pytest.mark.parametrize("grid", [*range(2, 17), 32, 64])
def test_a_grid_has_scales_up_to_its_side_and_a_convolution_for_each(grid: int) -> None:
    assert scales(grid)[0] == 1
    assert scales(grid)[-1] == grid
    assert len(CONVOLUTIONS[len(scales(grid))]) == len(scales(grid))


def test_sides_without_scales_are_refused_with_those_that_have_some() -> None:
    for grid in (1, 17, 24):
        with pytest.raises(UsageError, match=f"no scales for images of {16 * grid} pixels; choose 256, 512 or 1024"):
            scales(grid)
    with pytest.raises(BenchError, match="48 x 32 pixels and this tokenizer is built for 32 x 32 alone; resize them"):
        published.narrow("var", (32, 32)).encode(torch.zeros(1, 3, 48, 32, dtype=torch.uint8))
