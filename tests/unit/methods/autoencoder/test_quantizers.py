"""FSQ, LFQ, BSQ, SimVQ and the rotation trick against independent implementations and formulas written out."""

from __future__ import annotations

import itertools
import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from vector_quantize_pytorch import LFQ
from vector_quantize_pytorch.vector_quantize_pytorch import rotate_to

from bench.contract import Indices
from methods.autoencoder.equal_terms import PRESETS
from methods.autoencoder.losses import rotated, straight_through
from methods.autoencoder.quantised import share_of_codes
from methods.autoencoder.quantised_settings import BitSettings, FSQSettings, VQSettings
from methods.autoencoder.quantizers.bits import BitQuantizer, entropies
from methods.autoencoder.quantizers.fsq import FiniteScalarQuantizer
from methods.autoencoder.quantizers.simvq import ProjectedQuantizer
from methods.autoencoder.settings import AutoencoderSettings
from methods.bsq import presets as bsq
from methods.fsq import presets as fsq
from methods.lfq import presets as lfq
from methods.vqgan import presets as vqgan


def latents(dim: int, spread: float = 2.0, seed: int = 0) -> torch.Tensor:
    return torch.randn(3, dim, 4, 4, generator=torch.Generator().manual_seed(seed)) * spread


# ------------------------------------------------------------------------------------------------------------- FSQ


def fsq_values(z: np.ndarray, levels: tuple[int, ...]) -> np.ndarray:
    """The rounded channels by the formulas of the paper and its code, in float64; ``z`` ``[..., D]``."""
    found = np.empty_like(z)
    for i, level in enumerate(levels):
        half = (level - 1) * (1 - 1e-3) / 2
        offset = 0.0 if level % 2 else 0.5
        bounded = np.tanh(z[..., i] + math.tan(offset / half)) * half - offset
        found[..., i] = np.round(bounded) / (level // 2)
    return found


@pytest.mark.parametrize("levels", fsq.LEVELS.values())
def test_fsq_rounds_as_in_its_paper(levels: tuple[int, ...]) -> None:
    quantizer = FiniteScalarQuantizer(FSQSettings(levels=levels), 0)
    z = latents(len(levels))
    found = quantizer(z, 0, gather=True)
    wanted = fsq_values(z.permute(0, 2, 3, 1).double().numpy(), levels)
    np.testing.assert_allclose(found.latents.permute(0, 2, 3, 1).numpy(), wanted, atol=1e-6)
    symbols = quantizer.search(z)
    assert torch.equal(found.indices, symbols)
    assert torch.allclose(quantizer.lookup(symbols), found.latents, atol=1e-6)
    for i, level in enumerate(levels):
        assert set(symbols[..., i].unique().tolist()) <= set(range(level))
    assert quantizer.levels == levels
    assert abs(sum(math.log2(level) for level in levels) - {4: 10, 5: 14, 6: 16}[len(levels)]) < 0.1


def test_fsq_reaches_every_level_and_the_gradient_passes_the_rounding_alone() -> None:
    quantizer = FiniteScalarQuantizer(FSQSettings(levels=(8, 5)), 0)
    z = torch.linspace(-9, 9, 400).reshape(1, 1, 20, 20).repeat(1, 2, 1, 1).requires_grad_()
    found = quantizer(z, 0, gather=True)
    assert [len(found.indices[..., i].unique()) for i in range(2)] == [8, 5]
    assert len(quantizer.codebook.unique(dim=0)) == 40
    found.latents.sum().backward()
    half, middle = quantizer.reach[:, None, None], quantizer.middle[:, None, None]
    slope = (1 - torch.tanh(z + quantizer.shift[:, None, None]) ** 2) * half / middle
    torch.testing.assert_close(z.grad, slope.detach())


def test_fsq_counts_codes_as_the_facts_of_its_code_say() -> None:
    """[8, 5, 5, 5], z = (-0.14385, 0, 0, 0): number 500, the first channel varying fastest."""
    quantizer = FiniteScalarQuantizer(FSQSettings(levels=(8, 5, 5, 5)), 0)
    symbols = quantizer.search(torch.tensor([-0.14385, 0, 0, 0]).reshape(1, 4, 1, 1)).flatten().tolist()
    assert symbols[0] + 8 * symbols[1] + 40 * symbols[2] + 200 * symbols[3] == 500


# ------------------------------------------------------------------------------------------------- bits: LFQ and BSQ


@pytest.mark.parametrize("spherical", [False, True])
def test_bits_are_those_of_an_independent_implementation(spherical: bool) -> None:
    bits, inverse = 8, 100.0
    settings = BitSettings(embed_dim=bits, spherical=spherical, group=bits, entropy_weight=0.1, commitment=0.25)
    quantizer = BitQuantizer(settings, 0)
    other = LFQ(
        codebook_size=2**bits, dim=bits, spherical=spherical, entropy_loss_weight=0.1, commitment_loss_weight=0.25,
        diversity_gamma=1.0,
    ).train()  # fmt: skip
    z = latents(bits, spread=0.02 if not spherical else 1.0)
    found = quantizer(z, 0, gather=True)
    output, numbers, loss = other(z, inv_temperature=inverse)
    torch.testing.assert_close(found.latents, output, atol=1e-6, rtol=1e-5)
    weights = 2 ** torch.arange(bits - 1, -1, -1)
    assert torch.equal((found.indices * weights).sum(-1), numbers.long().reshape(found.indices.shape[:3]))
    torch.testing.assert_close(found.loss, loss, atol=2e-4, rtol=2e-4)


def brute_force(logits: torch.Tensor) -> tuple[float, float]:
    """Both entropies over the table of all codes, in float64."""
    codes = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=logits.shape[1])), dtype=torch.float64)
    whole = torch.softmax(logits.double() @ codes.T / 2, 1)
    mean = whole.mean(0)
    return float(torch.special.entr(whole).sum(1).mean()), float(torch.special.entr(mean).sum())


def test_entropies_are_those_over_the_whole_table() -> None:
    logits = torch.randn(50, 6, generator=torch.Generator().manual_seed(3)) * 2
    single, spread = brute_force(logits)
    one, together = entropies(logits, group=6)
    assert float(one) == pytest.approx(single, rel=1e-5)
    assert float(together) == pytest.approx(spread, rel=1e-5)
    grouped = float(entropies(logits, group=3)[1])
    assert grouped == pytest.approx(sum(brute_force(part)[1] for part in logits.split(3, 1)), rel=1e-5)
    assert grouped >= spread - 1e-6, "an upper bound"


def test_certain_bits_have_a_finite_gradient() -> None:
    logits = torch.tensor([[400.0, -400.0, 0.0], [400.0, 400.0, 1.0]], requires_grad=True)
    single, spread = entropies(logits, group=3)
    (single - spread).backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("bits", [18, 36])
def test_many_bits_need_no_table(bits: int) -> None:
    quantizer = BitQuantizer(BitSettings(embed_dim=bits, spherical=True), 0)
    z = latents(bits).requires_grad_()
    found = quantizer(z, 0, gather=True)
    (found.loss + found.latents.sum()).backward()
    assert torch.isfinite(z.grad).all()
    assert found.indices.dtype == torch.int64
    assert quantizer.levels == (2,) * bits
    codes = Indices(found.indices, quantizer.levels)
    assert torch.allclose(quantizer.lookup(codes.tensor), found.latents.detach(), atol=1e-6)
    lengths = torch.linalg.vector_norm(found.latents.detach(), dim=1)
    assert torch.allclose(lengths, torch.ones_like(lengths), atol=1e-5)
    assert 0 < float(share_of_codes(found.indices, quantizer)) <= 48 / 2**bits


# ----------------------------------------------------------------------------------------------- SimVQ and rotation


def test_simvq_takes_the_nearest_of_the_projected_vectors_and_trains_the_layer_alone() -> None:
    quantizer = ProjectedQuantizer(VQSettings(n_embed=32, embed_dim=6, codebook="projected"), 0)
    z = latents(6).requires_grad_()
    found = quantizer(z, 0, gather=True)
    layer = quantizer.embedding_proj
    book = (quantizer.embedding.double() @ layer.weight.double().T + layer.bias.double()).detach()
    flat = z.detach().double().permute(0, 2, 3, 1).reshape(-1, 6)
    nearest = torch.cdist(flat, book).argmin(1)
    assert torch.equal(found.indices.flatten(), nearest)
    code = book[nearest].reshape(3, 4, 4, 6).permute(0, 3, 1, 2)
    torch.testing.assert_close(found.latents.double(), code, atol=1e-5, rtol=1e-5)
    square = float((z.detach().double() - code).square().mean())
    assert float(found.loss) == pytest.approx(1.25 * square, rel=1e-5)
    found.loss.backward()
    assert layer.weight.grad is not None
    assert {name for name, _ in quantizer.named_parameters()} == {"embedding_proj.weight", "embedding_proj.bias"}
    assert torch.equal(quantizer.lookup(quantizer.search(z)), quantizer.lookup(found.indices[..., None]))


def test_the_rotation_trick_turns_the_gradient_as_the_matrix_of_its_paper() -> None:
    z, code = latents(5, seed=1).requires_grad_(), latents(5, seed=2)
    passed = rotated(z, code)
    torch.testing.assert_close(passed.detach(), code, atol=1e-5, rtol=1e-4)
    upstream = latents(5, seed=3)
    (passed * upstream).sum().backward()
    for n, y, x in itertools.product(range(3), range(4), range(4)):
        e, q, g = (t.detach()[n, :, y, x].double() for t in (z, code, upstream))
        unit, goal = e / e.norm(), q / q.norm()
        between = (unit + goal) / (unit + goal).norm()
        matrix = torch.eye(5) - 2 * torch.outer(between, between) + 2 * torch.outer(goal, unit)
        wanted = (q.norm() / e.norm() * matrix.double()).T @ g
        torch.testing.assert_close(z.grad[n, :, y, x].double(), wanted, atol=1e-4, rtol=1e-4)


def test_the_rotation_trick_is_that_of_an_independent_implementation() -> None:
    z, code = latents(5, seed=1).requires_grad_(), latents(5, seed=2)
    other = z.detach().clone().requires_grad_()
    (rotated(z, code) ** 2).sum().backward()
    last = rotate_to(other.permute(0, 2, 3, 1), code.permute(0, 2, 3, 1))
    (last**2).sum().backward()
    torch.testing.assert_close(z.grad, other.grad, atol=1e-3, rtol=1e-3)
    assert not torch.allclose(z.grad, torch.autograd.grad((straight_through(z, code) ** 2).sum(), z)[0], atol=0.1)


# ------------------------------------------------------------------------------------------------------ equal terms


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("presets", [fsq, lfq, bsq])
def test_all_but_the_quantiser_is_that_of_vqgan(presets, preset: str) -> None:
    own, other = presets.settings(preset, None), vqgan.settings(preset, None)
    for field in fields(AutoencoderSettings):
        if field.name != "embed_dim":
            assert getattr(own, field.name) == getattr(other, field.name), field.name
