"""Residual codes against vector-quantize-pytorch and against a search written without any of our code."""

from itertools import pairwise

import pytest
import torch
from vector_quantize_pytorch import ResidualVQ

from methods.autoencoder.quantised_settings import RQSettings
from methods.autoencoder.quantizers.rq import ResidualQuantizer, commitment

COUNT, DIM, DEPTH = 64, 8, 4


def ours(shared: bool) -> ResidualQuantizer:
    torch.manual_seed(0)
    quantizer = ResidualQuantizer(RQSettings(n_embed=COUNT, embed_dim=DIM, depth=DEPTH, shared=shared), seed=0)
    return quantizer.eval()


def vectors() -> torch.Tensor:
    return torch.randn(3, 5, 5, DIM, generator=torch.Generator().manual_seed(1)) * 2


@pytest.mark.parametrize("shared", [True, False])
def test_codes_equal_an_exhaustive_search(shared: bool):
    quantizer = ours(shared)
    indices, totals, _ = quantizer.residual_codes(vectors())
    residual = vectors().double().reshape(-1, DIM)
    for depth in range(DEPTH):
        book = quantizer.books[depth].codes.double()
        distances = ((residual[:, None] - book[None]) ** 2).sum(-1)
        best = distances.argmin(1)
        assert torch.equal(best, indices[..., depth].reshape(-1))
        residual = residual - book[best]
        assert torch.allclose(
            vectors().double().reshape(-1, DIM) - residual, totals[depth].reshape(-1, DIM).double(), atol=1e-5
        )


@pytest.mark.parametrize("shared", [True, False])
def test_codes_and_sums_equal_those_of_vector_quantize_pytorch(shared: bool):
    quantizer = ours(shared)
    theirs = ResidualVQ(dim=DIM, codebook_size=COUNT, num_quantizers=DEPTH, shared_codebook=shared).eval()
    for layer, book in zip(theirs.layers, quantizer.books, strict=True):
        layer._codebook.embed.data.copy_(book.codes[None])
        layer._codebook.initted.fill_(True)
    flat = vectors().reshape(1, -1, DIM)
    quantised, codes, _ = theirs(flat)
    indices, totals, _ = quantizer.residual_codes(flat)
    assert torch.equal(codes, indices)
    assert torch.allclose(quantised, totals[-1], atol=1e-5)


def test_the_partial_sums_approach_the_vector_from_a_codebook_with_a_zero_code():
    quantizer = ours(shared=True)
    with torch.no_grad():
        quantizer.books[0].codes[0] = 0.0
    _, totals, _ = quantizer.residual_codes(vectors())
    errors = [(vectors() - total).square().sum(-1) for total in totals]
    assert all(bool((later <= earlier + 1e-5).all()) for earlier, later in pairwise(errors))


def test_commitment_is_the_mean_over_depths_of_the_distance_to_the_partial_sums():
    quantizer = ours(shared=True)
    _, totals, _ = quantizer.residual_codes(vectors())
    expected = sum(float(((vectors() - totals[d]) ** 2).sum()) for d in range(DEPTH)) / DEPTH / vectors().numel()
    assert float(commitment(vectors(), totals)) == pytest.approx(expected, rel=1e-5)


def test_decoding_indices_gives_the_sum_of_their_codes():
    quantizer = ours(shared=False)
    indices, totals, _ = quantizer.residual_codes(vectors())
    assert torch.allclose(quantizer.lookup(indices).permute(0, 2, 3, 1), totals[-1], atol=1e-6)
