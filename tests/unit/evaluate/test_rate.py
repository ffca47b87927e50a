"""What counts as a bit, for codes of every kind."""

from math import log2

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from bench.contract import Continuous, Indices, Sparse, Stream
from bench.errors import UsageError
from bench.evaluate.rate import Meter, bits_per_image, payload_bits_per_image, quantise_uniform
from bench.evaluate.usage import Use, codebook, profile

KEYS = Continuous(torch.rand(3, 4, 8, 8, generator=torch.Generator().manual_seed(0)), 0.0, 1.0)


def values(meter: Meter, pixels: int = 64) -> dict[str, float | None]:
    return {m.name: m.value for m in meter.measurements(pixels)}


def test_indices_cost_the_logarithm_of_the_vocabulary() -> None:
    codes = Indices(torch.zeros(2, 8, 8, 4, dtype=torch.int64), (16384,) * 4)
    np.testing.assert_array_equal(bits_per_image(codes), [256 * 14.0] * 2)


def test_continuous_codes_cost_their_bit_depth() -> None:
    np.testing.assert_array_equal(bits_per_image(KEYS, 6), [256 * 6.0] * 3)


def test_sparse_codes_cost_their_triples_and_a_stop() -> None:
    triples = (torch.zeros(5, 3, dtype=torch.int64), torch.zeros(0, 3, dtype=torch.int64))
    bits = bits_per_image(Sparse(triples, (192, 64, 2048), (64, 64)))
    np.testing.assert_allclose(bits, [6 * log2(193) + 5 * (6 + 11), log2(193)], rtol=1e-15)


def test_streams_cost_their_bytes_and_the_payload_leaves_the_header_out() -> None:
    codes = Stream((b"abc", b"abcdef"), (8, 16), (4, 4))
    np.testing.assert_array_equal(bits_per_image(codes), [24, 48])
    np.testing.assert_array_equal(payload_bits_per_image(codes), [16, 32])


@pytest.mark.parametrize(("codes", "depth"), [(KEYS, None), (KEYS, 0), (KEYS, 17), (Continuous(KEYS.tensor), 8)])
def test_continuous_codes_without_bounds_or_depth_have_no_rate(codes: Continuous, depth: int | None) -> None:
    with pytest.raises(UsageError):
        bits_per_image(codes, depth)


@pytest.mark.parametrize("depth", [1, 4, 8, 16])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-2.0, 3.0)])
def test_quantisation_has_that_many_levels_and_is_nearest(depth: int, low: float, high: float) -> None:
    tensor = torch.linspace(low, high, 200_001, dtype=torch.float64)[None]
    rounded = quantise_uniform(Continuous(tensor, low, high), depth)
    levels = torch.linspace(low, high, 2**depth, dtype=torch.float64)
    assert len(rounded.tensor.unique()) == 2**depth
    assert (rounded.tensor - tensor).abs().max() <= (levels[1] - levels[0]) / 2 + 1e-12
    assert (rounded.low, rounded.high) == (low, high)
    torch.testing.assert_close(quantise_uniform(rounded, depth).tensor, rounded.tensor)


def test_quantisation_keeps_the_bounds_and_the_type() -> None:
    codes = Continuous(torch.tensor([[0.0, 0.4999, 0.5001, 1.0, 1.2]]), 0.0, 1.0)
    rounded = quantise_uniform(codes, 1).tensor
    assert rounded.dtype == torch.float32
    assert rounded.tolist() == [[0, 0, 1, 1, 1]]


def test_the_meter_averages_over_batches() -> None:
    meter = Meter()
    meter.update(Stream((b"abc",), (8,), (4, 4)))
    meter.update(Stream((b"abcdef", b""), (16, 0), (4, 4)))
    found = values(meter, pixels=16)
    assert found["bits-per-image"] == pytest.approx(24)
    assert found["bits-per-pixel"] == pytest.approx(1.5)
    assert found["payload-bits-per-image"] == pytest.approx(16)
    np.testing.assert_array_equal(meter.bits, [24, 48, 0])


def test_the_meter_counts_codebook_use_and_entropy() -> None:
    meter = Meter()
    rng = torch.Generator().manual_seed(1)
    batches = [torch.randint(0, 11, (2, 4, 4), generator=rng) for _ in range(3)]
    for batch in batches:
        meter.update(Indices(batch[..., None], (13,)))
    counts = np.bincount(torch.cat(batches).flatten().numpy(), minlength=13)
    found = values(meter)
    assert found["codebook-use"] == pytest.approx((counts > 0).mean())
    assert found["codebook-entropy"] == pytest.approx(entropy(counts, base=2))
    assert found["bits-per-image"] == pytest.approx(16 * log2(13))


def test_the_profile_of_a_codebook_is_falling_and_keeps_the_sum() -> None:
    counts = np.array([0, 5, 1, 4])
    assert profile(Use(4, counts)) == [5, 4, 1, 0]
    assert profile(Use(4, counts), 2) == [9, 1]
    uneven = profile(Use(4, counts), 3)  # ends at 4/3 and 8/3 entries
    assert uneven == pytest.approx([5 + 4 / 3, 4 * 2 / 3 + 2 / 3, 1 / 3])
    large = profile(Use(16384, np.arange(16384)))
    assert len(large) == 256
    assert sum(large) == 16383 * 16384 / 2
    assert large[0] == sum(range(16384 - 64, 16384))


def test_the_meter_gives_the_counts_of_indices_alone() -> None:
    meter = Meter()
    meter.update(Indices(torch.tensor([[0, 2], [2, 2]])[..., None], (4,)))
    assert meter.usage is not None
    assert meter.usage.counts.tolist() == [1, 0, 3, 0]
    other = Meter(8)
    other.update(KEYS)
    assert other.usage is None


def test_a_uniformly_used_codebook_has_full_entropy() -> None:
    use, bits = codebook(Use(64, np.full(64, 3)))
    assert (use.value, bits.value) == (1.0, pytest.approx(6.0))


@pytest.mark.parametrize("codes", [KEYS, Continuous(KEYS.tensor)])
def test_codes_without_a_rate_are_absent_with_a_reason(codes: Continuous) -> None:
    meter = Meter()
    meter.update(codes)
    for measurement in meter.measurements(64):
        assert measurement.value is None
        assert "continuous" in measurement.reason


def test_rates_at_different_depths_have_different_signatures() -> None:
    found = []
    for depth in (8, 6):
        meter = Meter(depth)
        meter.update(KEYS)
        found.append(meter.measurements(64)[0].signature)
    assert found[0] != found[1]
