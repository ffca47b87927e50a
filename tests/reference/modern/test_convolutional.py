"""VA-VAE, LlamaGen, IBQ, Open-MAGVIT2 and SimVQ against their official modules: layouts, codes, pixels, cost.

The weights are those of the recipe, in files as the publishers write them; the expected codes and pixels are what the
official modules gave for them.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from bench.contract import Build, Continuous, Indices
from bench.core.distributed import Alone
from bench.core.registry import load, method_of
from bench.errors import BenchError, IntegrityError, UsageError
from bench.evaluate.cost import count
from methods import METHODS
from methods.autoencoder.kl import KLModel
from methods.autoencoder.quantizers import codebook
from methods.autoencoder.quantizers.codebook import most_similar, nearest
from methods.autoencoder.settings import published_architecture
from methods.ibq import checkpoint as ibq
from methods.llamagen import checkpoint as llamagen
from methods.open_magvit2.model import LookupFreeModel
from methods.simvq.model import SimVQModel
from tests import published
from tests.conftest import Command
from tests.reference.modern import fingerprints as fp

SIDE = 64
LOOKUPS = {"llamagen": llamagen.model, "ibq": ibq.model}
RECENT = {"quantize.codebook_used": torch.ones(65536)}
TEACHER = {"foundation_model.blocks.0.weight": torch.ones(2), "linear_proj.weight": torch.ones(2, 2)}


def bare(state):
    return state


def under_model(state):
    return {"model": state | RECENT, "steps": 3, "optimizer": {}}


def beside_a_teacher(state):
    return {"state_dict": state | TEACHER | {"loss.discriminator.main.0.weight": torch.ones(1)}}


FROZEN = "quantize.embedding.weight"


def as_averages(state):
    """The recipe's weights are the averages; those of the last step are others. What SimVQ freezes has no average."""
    frozen = {FROZEN} if "quantize.embedding_proj.weight" in state else set()
    other = {name: value if name in frozen else value + 1 for name, value in state.items()}
    averages = {name: value for name, value in state.items() if name not in frozen}
    return {"state_dict": published.with_averages(other, averages) | {"loss.x.weight": torch.ones(1)}, "epoch": 1}


@dataclass(frozen=True)
class Case:
    fingerprint: str
    method: str
    variant: str
    saved: object
    slow: bool = False


CASES = [
    Case("va-vae", "va-vae", "f16d32", beside_a_teacher),
    Case("llamagen-vq16", "llamagen", "vq-16", under_model),
    Case("llamagen-vq8", "llamagen", "vq-8", bare, slow=True),
    Case("ibq-1024", "ibq", "1024", as_averages),
    Case("open-magvit2-f16-2^18", "open-magvit2", "f16", as_averages),
    Case("open-magvit2-f16-2^14", "open-magvit2", "f16-14bit", as_averages, slow=True),
    Case("simvq-1024", "simvq", "1024", as_averages),
]


def number(codes: Indices) -> torch.Tensor:
    """One number a cell, as the official modules give it: of bits, the first is the least significant."""
    weights = 2 ** torch.arange(len(codes.levels))
    return (codes.tensor * weights).sum(-1) if len(codes.levels) > 1 else codes.tensor


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=c.fingerprint, marks=[pytest.mark.slow] if c.slow else []) for c in CASES]
)
def test_codes_and_pixels_are_those_of_the_official_module(case: Case) -> None:
    state = fp.weights(fp.learnable(fp.family(case.fingerprint)["layout"]))
    entry, size = load(METHODS[case.method]), (SIDE, SIDE)
    reader, found = method_of(entry).checkpoint, published.content(case.method, case.saved(state))
    settings, variant = reader.identify(entry.settings("paper", None), size, found)
    assert variant == case.variant
    tokenizer = reader.load(settings, Build(size, 0, torch.device("cpu"), Alone()), found)
    codes = tokenizer.encode(fp.image(SIDE))
    with torch.no_grad():
        if isinstance(codes, Continuous):
            fp.check_latents(case.fingerprint, codes.tensor)
            _, log_variance = tokenizer.model.posterior(fp.image(SIDE) / 127.5 - 1)
            known = fp.family(case.fingerprint)["log-variance, first 4 in C order"]
            assert log_variance.flatten()[:4].tolist() == pytest.approx(known, abs=fp.CLOSE)
            pixels = tokenizer.model.images(codes.tensor)
        else:
            fp.check_codes(case.fingerprint, number(codes))
            pixels = tokenizer.model.images(codes.tensor)
    fp.check_pixels(case.fingerprint, pixels)
    assert torch.allclose(tokenizer.decode(codes), (pixels / 2 + 0.5).clamp(0, 1), atol=1e-6)


LAYOUTS = {
    ("va-vae", "f16d32"): "vavae_f16d32",
    ("llamagen", "vq-16"): "llamagen_vq16",
    ("llamagen", "vq-8"): "llamagen_vq8",
    **{("ibq", str(n)): f"ibq_{n}" for n in (1024, 8192, 16384, 262144)},
    ("open-magvit2", "f16"): "open_magvit2_f16_2e18",
    ("open-magvit2", "f8"): "open_magvit2_f8_2e18",
    ("open-magvit2", "f16-14bit"): "open_magvit2_f16_2e14_pretrain",
    **{("simvq", str(n)): f"simvq_{n}" for n in (1024, 8192, 65536, 262144)},
}


def network(method: str, variant: str) -> nn.Module:
    """The published network of a variant, without memory."""
    settings, size = load(METHODS[method]).settings("paper", variant), (256, 256)
    with torch.device("meta"):
        if method == "va-vae":
            return KLModel(published_architecture(settings, size, double_z=True), settings.embed_dim)
        if method in LOOKUPS:
            return LOOKUPS[method](published_architecture(settings, size), settings)
        return (LookupFreeModel if method == "open-magvit2" else SimVQModel)(settings)


@pytest.mark.parametrize(("method", "variant"), LAYOUTS)
def test_a_variant_has_the_published_layout(method: str, variant: str) -> None:
    layout = fp.learnable(LAYOUTS[method, variant])
    if method == "llamagen":
        layout = {llamagen.renamed(key, layout): shape for key, shape in layout.items()}
    assert fp.shapes_of(network(method, variant).state_dict()) == layout


# Encoder and decoder parameters, codebook values, decoder gmac and gmac-fvcore, encoder gmac; at 256 px, batch 1.
COSTS = {
    ("va-vae", "f16d32"): (28_413_248, 41_417_603, 0, 126.093, 126.524, 68.971),
    ("llamagen", "vq-16"): (29_298_176, 42_449_795, 131_072, 126.358, 126.789, 69.198),
    ("llamagen", "vq-8"): (28_559_232, 41_415_171, 131_072, 237.389, 237.947, 114.245),
    **{("ibq", str(n)): (46_752_256, 59_903_875, 256 * n, 189.843, 190.513, 132.683) for n in (1024, 262144)},
    ("open-magvit2", "f16"): (49_751_442, 65_376_387, 0, 158.558, 159.151, 133.121),
    ("open-magvit2", "f8"): (48_422_162, 63_599_491, 0, 285.658, 286.429, 212.904),
    ("open-magvit2", "f16-14bit"): (49_749_390, 65_344_643, 0, 158.553, 159.146, 133.121),
    ("simvq", "1024"): (24_282_496, 39_851_907, 128 * 1024 + 16_512, 179.877, 180.260, 106.661),
}
NUMBERS = ("encoder-parameters", "decoder-parameters", "codebook-parameters")
OPERATIONS = ("decoder-gmac", "decoder-gmac-fvcore", "encoder-gmac")


@pytest.mark.parametrize(("method", "variant"), COSTS)
def test_a_variant_costs_what_was_counted_on_the_official_module(method: str, variant: str) -> None:
    entry = load(METHODS[method])
    build = Build((256, 256), 0, torch.device("meta"), Alone())
    counted = {m.name: m.value for m in count(method_of(entry).parts(entry.settings("paper", variant), build))}
    known = COSTS[method, variant]
    assert tuple(counted[name] for name in NUMBERS) == known[:3]
    assert tuple(counted[name] for name in OPERATIONS) == pytest.approx(known[3:], abs=6e-4)


def test_bench_cost_prints_them(command: Command) -> None:
    done = command("cost", "--methods", "llamagen:vq-16,simvq:1024", "--preset", "paper")
    assert done.code == 0, done.err
    assert "126.789" in done.out
    assert "180.260" in done.out


# ------------------------------------------------------------------------------------------------------------------
# Files that are refused


def file_of(method: str, **changes: object) -> dict[str, torch.Tensor]:
    return published.narrow_state(method) | changes


@pytest.mark.parametrize("method", published.LAYOUTS)
@pytest.mark.parametrize("held", published.LAYOUTS)
def test_a_file_of_another_family_is_refused_with_the_method_that_reads_it(method: str, held: str) -> None:
    if method == held:
        assert published.content(method, file_of(held)).facts["file"] == "weights.ckpt"
        return
    with pytest.raises(UsageError, match=rf" holds an? .*; write .*{held}@PATH") as refused:
        published.loaded(method, {"state_dict": published.with_averages(file_of(held), file_of(held))}, (32, 32))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("held", ["llamagen", "open-magvit2", "simvq"])
@pytest.mark.parametrize("method", ["vqgan", "kl-ldm", "rqvae"])
def test_the_readers_of_taming_networks_refuse_the_others(method: str, held: str) -> None:
    with pytest.raises(UsageError, match=f"write {held}@PATH"):
        published.content(method, file_of(held))


@pytest.mark.parametrize("method", ["ibq", "open-magvit2", "simvq"])
def test_the_averages_are_taken_and_a_file_without_them_is_said_to_have_none(method: str) -> None:
    state = published.narrow_state(method)
    with pytest.raises(UsageError, match=r"has no moving averages of the weights; write ema=false"):
        published.loaded(method, state, (32, 32))
    raw = published.loaded(method, state, (32, 32), ema=False)
    other = {name: value if name == FROZEN else value * 1.5 for name, value in state.items()}
    averaged = published.loaded(method, {"state_dict": published.with_averages(other, state)}, (32, 32))
    images = fp.image(32)
    assert torch.equal(raw.encode(images).tensor, averaged.encode(images).tensor)
    assert torch.equal(raw.decode(raw.encode(images)), averaged.decode(averaged.encode(images)))
    last = published.loaded(method, {"state_dict": published.with_averages(other, state)}, (32, 32), ema=False)
    assert not torch.equal(last.decode(last.encode(images)), raw.decode(raw.encode(images)))


@pytest.mark.parametrize("method", published.LAYOUTS)
def test_a_file_that_lacks_a_weight_is_refused_with_its_name(method: str) -> None:
    state = file_of(method)
    lacking = "decoder.conv_out.bias" if "decoder.conv_out.bias" in state else min(state)
    del state[lacking]
    with pytest.raises(IntegrityError, match=rf"1 missing \({lacking}\)"):
        published.loaded(method, {"state_dict": published.with_averages(state, state)}, (32, 32))


@pytest.mark.parametrize("method", published.LAYOUTS)
def test_a_side_that_cannot_be_halved_is_said_with_the_remedy(method: str) -> None:
    with pytest.raises(BenchError, match=r"not multiples of (8|16), the downsampling; choose another resolution"):
        published.narrow(method, (32, 32)).encode(fp.image(36))


# ------------------------------------------------------------------------------------------------------------------
# What tells these quantisers from others


def test_ibq_searches_by_inner_product_where_the_nearest_code_is_another() -> None:
    tokenizer = published.narrow("ibq", (64, 64))
    model, images = tokenizer.model, fp.image(64)
    with torch.no_grad():
        vectors = model.latents(images / 127.5 - 1).permute(0, 2, 3, 1).reshape(-1, 64)
    found = tokenizer.encode(images).tensor.flatten()
    assert torch.equal(found, (vectors @ model.quantize.book.t()).argmax(1))
    assert not torch.equal(found, nearest(vectors, model.quantize.book))


def test_a_large_codebook_is_searched_in_pieces_that_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, book = torch.randn(50, 4), torch.randn(30, 4)
    whole = nearest(vectors, book), most_similar(vectors, book)
    monkeypatch.setattr(codebook, "VALUES", 90)
    assert [len(piece) for piece in codebook.pieces_of(vectors, book)] == [3] * 16 + [2]
    assert torch.equal(nearest(vectors, book), whole[0])
    assert torch.equal(most_similar(vectors, book), whole[1])


def test_attention_stays_on_the_deepest_level_whatever_the_side() -> None:
    for side in (32, 64, 256, 512):
        architecture = published_architecture(load(METHODS["llamagen"]).settings("paper", "vq-8"), (side, side))
        assert architecture.attn_resolutions == (side // 8,)
