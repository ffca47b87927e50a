"""Use of a codebook, whose entries are single symbols or whole cells, without a table of the levels' product."""

import math
import tracemalloc
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from bench.contract import Indices
from bench.errors import UsageError
from bench.evaluate.rate import Meter, bits_per_image
from bench.evaluate.usage import codebook, profile, use

FSQ, RQ, BSQ, LONG = (8, 5, 5, 5), (16384,) * 4, (2,) * 36, (2,) * 128


def drawn(levels: tuple[int, ...], pooled: bool = False, seed: int = 0) -> Indices:
    """Three images of 4x4 cells; the second half of the cells repeats the first."""
    rng = np.random.default_rng(seed)
    symbols = np.stack([rng.integers(0, level, (3, 2, 4)) for level in levels], -1)
    return Indices(torch.from_numpy(np.concatenate([symbols, symbols], 1)), levels, pooled)


def cells(codes: Indices) -> Counter[tuple[int, ...]]:
    return Counter(tuple(cell) for cell in codes.tensor.flatten(0, -2).tolist())


@pytest.mark.parametrize("levels", [(1024,), FSQ, RQ, BSQ, LONG])
def test_a_cell_costs_the_logarithms_of_its_levels(levels: tuple[int, ...]) -> None:
    expected = 16 * sum(math.log2(level) for level in levels)
    np.testing.assert_allclose(bits_per_image(drawn(levels)), [expected] * 3)


@pytest.mark.parametrize("levels", [FSQ, BSQ, LONG])
def test_the_symbols_of_a_cell_are_one_entry(levels: tuple[int, ...]) -> None:
    meter = Meter()
    batches = [drawn(levels, seed=seed) for seed in (0, 1, 0)]
    for batch in batches:
        meter.update(batch)
    counted = sum((cells(batch) for batch in batches), Counter())
    found = {m.name: m for m in meter.measurements(64)}
    share = found["codebook-use"]
    assert share.value == pytest.approx(len(counted) / math.prod(levels))
    assert found["codebook-entropy"].value == pytest.approx(entropy(list(counted.values()), base=2))
    assert share.signature == {"vocabulary": math.prod(levels), "positions": "pooled", "symbols": "joint"}
    assert share.n == 3 * 48


def test_pooled_symbols_are_entries_of_one_codebook() -> None:
    codes = drawn(RQ, pooled=True)
    counts = np.bincount(codes.tensor.flatten().numpy(), minlength=16384)
    used = use(codes)
    np.testing.assert_array_equal(used.counts, counts)
    share, bits = codebook(used)
    assert share.signature == {"vocabulary": 16384, "positions": "pooled"}
    assert (share.value, share.n) == (float((counts > 0).mean()), 192)
    assert bits.value == pytest.approx(entropy(counts, base=2))


@pytest.mark.parametrize("levels", [RQ, BSQ, LONG])
def test_nothing_of_the_size_of_the_product_is_allocated(levels: tuple[int, ...]) -> None:
    codes = drawn(levels)
    tracemalloc.start()
    used = use(codes)
    shares = profile(used)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
    assert used.entries == math.prod(levels)
    assert (len(shares), sum(shares)) == (256, pytest.approx(48))
    assert shares[0] == pytest.approx(48)  # 24 entries lie within the first share of so many


def test_a_table_and_a_list_of_what_occurs_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    table = use(drawn(FSQ)).joined(use(drawn(FSQ, seed=1)))
    monkeypatch.setattr("bench.evaluate.usage.TABLE", 999)
    listed = use(drawn(FSQ)).joined(use(drawn(FSQ, seed=1)))
    assert table.keys is None
    assert listed.keys is not None
    assert [m.value for m in codebook(table)] == pytest.approx([m.value for m in codebook(listed)])
    assert profile(table) == pytest.approx(profile(listed))


@pytest.mark.parametrize(
    ("tensor", "levels"),
    [(torch.zeros(2, 4, 4).long(), (8,)), (torch.zeros(2, 4, 3).long(), (8, 8)), (torch.zeros(2, 1).long(), (8,))],
)
def test_a_last_axis_that_is_not_that_of_the_levels_is_refused(tensor: torch.Tensor, levels: tuple[int, ...]) -> None:
    for count in (bits_per_image, use):
        with pytest.raises(UsageError, match="last axis must hold the symbols"):
            count(Indices(tensor, levels))


def test_a_symbol_outside_its_own_level_is_refused() -> None:
    with pytest.raises(UsageError, match=r"symbol 1 of a cell span 7..7, outside 0..4"):
        use(Indices(torch.full((1, 2, 2), 7), (8, 5)))
