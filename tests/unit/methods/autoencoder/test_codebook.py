"""Codebooks: search, moving averages, restart, k-means start; a step's batch may be cut in any way."""

import pytest
import torch

from bench.core.distributed import Alone
from methods.autoencoder.quantised_settings import MovingAverage, RQSettings, VQSettings
from methods.autoencoder.quantizers import codebook as module
from methods.autoencoder.quantizers.codebook import Codebook, draw, nearest, statistics, used_share
from methods.autoencoder.quantizers.kmeans import KMeansStart, kmeans
from methods.autoencoder.quantizers.rq import ResidualQuantizer
from methods.autoencoder.quantizers.vq import VectorQuantizer


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def moving(count: int = 8, dim: int = 3, **parameters: float) -> Codebook:
    torch.manual_seed(0)
    return Codebook(count, dim, MovingAverage(**{"decay": 0.9, "restart_below": 0.0, **parameters}), seed=5)


def test_nearest_is_exhaustive_search_whatever_the_pieces(monkeypatch: pytest.MonkeyPatch):
    vectors, book = random(50, 4), random(9, 4, seed=1)
    expected = (vectors[:, None].double() - book[None].double()).square().sum(-1).argmin(1)
    assert torch.equal(nearest(vectors, book), expected)
    monkeypatch.setattr(module, "ROWS", 7)
    assert torch.equal(nearest(vectors, book), expected)


def test_statistics_count_and_sum_the_vectors_of_each_code():
    vectors, indices = random(20, 3), torch.randint(0, 5, (20,), generator=torch.Generator().manual_seed(2))
    counts, sums = statistics(vectors, indices, 5)
    for code in range(5):
        assert counts[code] == (indices == code).sum()
        assert torch.allclose(sums[code], vectors[indices == code].sum(0), atol=1e-6)


def test_used_share():
    assert float(used_share(torch.tensor([[0, 3], [3, 3]]), 8)) == 0.25


def test_one_step_is_the_published_moving_average():
    book = moving()
    before, vectors = book.codes.clone(), random(40, 3, seed=3)
    indices = book.search(vectors)
    book.gather(vectors, indices)
    book.apply_step(0, Alone())
    for code in range(8):
        mine = vectors[indices == code]
        size = 0.9 * 1.0 + 0.1 * len(mine)
        total = 0.9 * before[code] + 0.1 * mine.sum(0)
        assert torch.allclose(book.cluster_size_ema[code], torch.tensor(size), atol=1e-6)
        assert torch.allclose(book.codes[code], total / size, atol=1e-4)


def test_gathering_in_pieces_is_gathering_at_once():
    whole, pieces, vectors = moving(restart_below=2.0), moving(restart_below=2.0), random(40, 3)
    whole.gather(vectors, whole.search(vectors))
    for part in vectors.split(7):
        pieces.gather(part, pieces.search(part))
    whole.apply_step(3, Alone())
    pieces.apply_step(3, Alone())
    assert torch.allclose(whole.codes, pieces.codes, atol=1e-6)
    assert not whole.vectors
    assert float(whole.counts.sum()) == 0


def test_unused_codes_restart_as_vectors_of_the_step_and_used_ones_stay():
    book = moving(restart_below=0.95)
    vectors = book.codes[:2].clone().repeat(5, 1)
    book.gather(vectors, book.search(vectors))
    book.apply_step(0, Alone())
    distances = torch.cdist(book.codes, vectors).min(1).values
    assert torch.allclose(distances, torch.zeros(8), atol=1e-4)
    assert torch.equal(book.cluster_size_ema[2:], torch.ones(6))


def test_draw_repeats_with_noise_where_vectors_are_few():
    drawn = draw(random(3, 2), 8, torch.Generator().manual_seed(0))
    assert drawn.shape == (8, 2)
    assert len(torch.unique(drawn, dim=0)) == 8


def test_kmeans_finds_separated_clusters_and_is_as_good_as_scikit_learn():
    from sklearn.cluster import KMeans

    centres = 10 * random(4, 2, seed=7)
    vectors = centres.repeat_interleave(50, 0) + 0.1 * random(200, 2, seed=8)
    found = kmeans(vectors, 12, torch.Generator().manual_seed(0))
    inertia = float(torch.cdist(vectors, found).min(1).values.square().sum())
    reference = KMeans(12, init="random", n_init=1, random_state=0).fit(vectors.numpy()).inertia_
    assert inertia < 2 * reference
    assert float(torch.cdist(centres, found).min(1).values.max()) < 0.2


def test_the_reservoir_keeps_the_latest_vectors():
    start = KMeansStart(steps=3, capacity=5, dim=1, seed=0)
    for step in range(3):
        start.gather(torch.tensor([[step * 2.0], [step * 2.0 + 1]]))
        start.apply_step(Alone())
    assert start.latest().flatten().tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    start.end()
    assert start.over
    assert not len(start.latest())


@pytest.mark.parametrize("quantizer", ["vq", "rq", "rq-unshared"])
def test_latents_pass_until_the_start_and_are_quantised_well_after_it(quantizer: str):
    torch.manual_seed(0)
    shape = {"embed_dim": 2, "n_embed": 32, "kmeans_at": 2, "restart_below": 0.0}
    made = {
        "vq": lambda: VectorQuantizer(VQSettings(codebook="average", **shape), seed=0),
        "rq": lambda: ResidualQuantizer(RQSettings(depth=2, **shape), seed=0),
        "rq-unshared": lambda: ResidualQuantizer(RQSettings(depth=2, shared=False, **shape), seed=0),
    }[quantizer]()
    z = 3 + random(4, 2, 4, 4)
    for step in range(2):
        passed, loss, codes = made(z, step, True)
        assert torch.equal(passed, z)
        assert codes is None
        assert float(loss) == 0
        made.after_step(step, Alone())
    quantised, loss, codes = made(z, 2, True)
    assert codes is not None
    assert float((quantised - z).square().mean()) < 0.1 * float(z.var())
    made.after_step(2, Alone())


def test_a_training_shorter_than_its_start_still_gives_a_codebook():
    settings = VQSettings(embed_dim=2, n_embed=8, codebook="average", kmeans_at=100)
    quantizer = VectorQuantizer(settings, seed=0)
    z = 5 + 0.1 * random(4, 2, 4, 4)
    quantizer(z, 0, True)
    quantizer.after_step(0, Alone())
    quantizer.settle()
    assert float((quantizer.lookup(quantizer.search(z)) - z).abs().max()) < 0.5
    before = quantizer.embedding.codes.clone()
    quantizer.settle()
    assert torch.equal(before, quantizer.embedding.codes)


@pytest.mark.parametrize("method", ["vq", "rq"])
def test_a_codebook_that_has_started_is_not_started_again(method: str):
    """Previews settle a codebook at any time: once it follows its vectors, that must leave it alone."""
    quantizer = (
        VectorQuantizer(VQSettings(embed_dim=2, n_embed=8, codebook="average", kmeans_at=1), seed=0)
        if method == "vq"
        else ResidualQuantizer(RQSettings(embed_dim=2, n_embed=8, kmeans_at=1), seed=0)
    )
    for step in range(3):
        quantizer(5 + 0.1 * step + 0.1 * random(4, 2, 4, 4), step, True)
        quantizer.after_step(step, Alone())
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    quantizer.settle()
    after = quantizer.state_dict()
    assert not [name for name, value in before.items() if not torch.equal(value, after[name])]


def test_a_resumed_codebook_forgets_the_unfinished_step():
    book = moving()
    state = {key: value.clone() for key, value in book.state_dict().items()}
    book.gather(random(10, 3), book.search(random(10, 3)))
    book.load_state_dict(state)
    assert not book.vectors
    assert float(book.counts.sum()) == 0


def test_the_padding_row_is_never_a_code_and_stays_zero():
    torch.manual_seed(0)
    book = Codebook(4, 2, MovingAverage(), seed=0, padding=True)
    vectors = torch.zeros(10, 2)
    assert int(book.search(vectors).max()) < 4
    book.gather(vectors, book.search(vectors))
    book.apply_step(0, Alone())
    assert torch.equal(book.weight[4], torch.zeros(2))
    assert book.weight.shape == (5, 2)
