"""The DCT tokenizer: exact inverse, any order, any size, its code space, and the rates of its codes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from skimage import data

from bench.contract import Build, Continuous, Sparse
from bench.core import codes as codes_of
from bench.core.distributed import Alone
from bench.core.images import to_uint8
from bench.errors import UsageError
from bench.evaluate.cost import count
from methods.dct import transform
from methods.dct.layout import Layout, to_dense, to_sparse
from methods.dct.model import DctTokenizer
from methods.dct.parts import parts
from methods.dct.placement import placement
from methods.dct.presets import Settings
from methods.dct.rates import DctRates
from methods.dct.statistics import ChannelStatistics

CPU = torch.device("cpu")
CROPS = np.stack([data.astronaut()[:64, 200:264], data.chelsea()[100:164, 100:164], data.coffee()[200:264, 200:264]])
PHOTOS = torch.from_numpy(CROPS).permute(0, 3, 1, 2)
MEDIUM = Settings(q=50)
ALL = [MEDIUM, Settings(q=90, block=16, order="luma-first"), Settings(q=20, block=32)]


def tokenizer(settings: Settings = MEDIUM) -> DctTokenizer:
    return DctTokenizer(settings, CPU)


def psnr(decoded: torch.Tensor, pixels: torch.Tensor) -> float:
    return float(-10 * torch.log10((decoded - pixels / 255).square().mean()))


def test_colour_conversion_is_its_own_inverse_and_jfifs() -> None:
    rgb = torch.rand(2, 3, 4, 4, dtype=torch.float64) * 255
    torch.testing.assert_close(transform.to_rgb(transform.to_ycbcr(rgb)), rgb)
    primaries = 255 * torch.eye(3, dtype=torch.float64)[:, :, None, None]
    jfif = torch.tensor([[76.245, 84.972, 255.5], [149.685, 43.528, 21.235], [29.07, 255.5, 107.265]]).double()
    found = transform.to_ycbcr(primaries)[:, :, 0, 0] + 128
    torch.testing.assert_close(found, jfif, atol=1e-3, rtol=0)


def test_halves_are_rounded_away_from_zero_despite_noise() -> None:
    values = torch.tensor([0.5, 1.5, -2.5, 0.5 - 1e-12, 0.4999], dtype=torch.float64)
    assert transform.round_half_away(values).tolist() == [1, 2, -3, 1, 0]


@pytest.mark.parametrize("settings", ALL)
def test_the_inverse_is_exact_before_clipping(settings: Settings) -> None:
    codec, layout = tokenizer(settings), Layout(settings, (64, 64))
    dense = codec.quantise(PHOTOS.double(), layout)
    again = codec.quantise(codec.dequantise(dense, layout), layout)
    assert torch.equal(again, dense)


@pytest.mark.parametrize("settings", ALL)
def test_only_clipping_changes_codes_of_decoded_images(settings: Settings) -> None:
    """Of the blocks in which nothing was clipped, all come back; the others are counted."""
    codec, layout = tokenizer(settings), Layout(settings, (64, 64))
    dense = codec.quantise(PHOTOS.double(), layout)
    rgb = codec.dequantise(dense, layout)
    changed = (codec.quantise(rgb.clamp(0, 255), layout) != dense).any(1)
    side = settings.block
    clipped = ((rgb < 0) | (rgb > 255)).any(1).unflatten(1, (-1, 2 * side)).unflatten(3, (-1, 2 * side)).any(4).any(2)
    touched = clipped.repeat_interleave(2, 1).repeat_interleave(2, 2).flatten(1)
    assert not (changed & ~touched).any()
    assert changed.float().mean() < 0.5


def test_recoding_an_8_bit_image_changes_few_coefficients() -> None:
    codec = tokenizer()
    codes = codec.encode(PHOTOS)
    again = codec.encode(to_uint8(codec.decode(codes)))
    layout = Layout(codec.settings, (64, 64))
    one, other = (to_dense(c, layout, CPU) for c in (codes, again))
    assert (one != other)[one != 0].float().mean() < 0.03


@pytest.mark.parametrize("settings", ALL)
def test_triples_are_sorted_and_within_their_vocabularies(settings: Settings) -> None:
    codes = tokenizer(settings).encode(PHOTOS)
    codes_of.checked(codes, "dct")
    layout = Layout(settings, (64, 64))
    for triples in codes.triples:
        place = triples[:, 0] * codes.shape[1] + triples[:, 1]
        assert (place.diff() > 0).all()
        assert (triples[:, 2] != layout.limit).all()


@pytest.mark.parametrize("settings", ALL)
def test_the_order_of_the_list_does_not_matter(settings: Settings) -> None:
    codec = tokenizer(settings)
    codes = codec.encode(PHOTOS)
    shuffled = replace(codes, triples=tuple(t[torch.randperm(len(t))] for t in codes.triples))
    assert torch.equal(codec.decode(codes), codec.decode(shuffled))


def test_dense_and_sparse_are_inverse() -> None:
    layout = Layout(Settings(q=50), (64, 64))
    dense = tokenizer().quantise(PHOTOS.double(), layout)
    assert torch.equal(to_dense(to_sparse(dense, layout), layout, CPU), dense)


def test_orders_hold_the_same_coefficients() -> None:
    mixed, first = (tokenizer(Settings(q=50, order=o)) for o in ("interleaved", "luma-first"))
    one, other = mixed.encode(PHOTOS), first.encode(PHOTOS)
    assert torch.equal(mixed.decode(one), first.decode(other))
    assert [len(t) for t in one.triples] == [len(t) for t in other.triples]
    planes = Layout(first.settings, (64, 64)).plane_of[other.triples[0][:, 0]]
    assert (planes.diff() >= 0).all()
    frequencies = one.triples[0][:, 0] // 3
    assert (frequencies.diff() >= 0).all()


@pytest.mark.parametrize("settings", ALL)
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (17, 33), (64, 16)])
def test_every_size_comes_back(settings: Settings, size: tuple[int, int]) -> None:
    pixels = PHOTOS[:, :, : size[0], : size[1]]
    codec = tokenizer(replace(settings, q=95))
    decoded = codec.decode(codec.encode(pixels))
    assert decoded.shape == pixels.shape
    assert psnr(decoded, pixels) > 25


def test_flat_images_are_exact_or_nearly_so() -> None:
    for level in (0, 128, 255):
        pixels = torch.full((1, 3, 16, 16), level, dtype=torch.uint8)
        codes = tokenizer().encode(pixels)
        assert len(codes.triples[0]) == (0 if level == 128 else 4)
        assert (tokenizer().decode(codes) - level / 255).abs().max() < 0.01


def test_an_empty_batch_and_an_empty_list_are_fine() -> None:
    codec = tokenizer()
    assert codec.decode(codec.encode(PHOTOS[:0])).shape == PHOTOS[:0].shape
    nothing = Sparse((torch.empty(0, 3, dtype=torch.int64),), Layout(codec.settings, (64, 64)).shape, (64, 64))
    torch.testing.assert_close(codec.decode(nothing), torch.full((1, 3, 64, 64), 128 / 255))


def test_no_image_leaves_the_values_vocabulary() -> None:
    settings = Settings(q=100)
    patterns = torch.randint(0, 2, (20, 3, 16, 16), dtype=torch.uint8) * 255
    for frequency in range(8):
        wave = (transform.dct_matrix(8)[frequency] > 0).byte() * 255
        patterns[frequency] = wave.repeat(2)
    codes_of.checked(tokenizer(settings).encode(patterns), "dct")


def test_quality_trades_coefficients_for_error() -> None:
    low, high = (tokenizer(Settings(q=q)) for q in (10, 90))
    few, many = low.encode(PHOTOS), high.encode(PHOTOS)
    assert sum(map(len, few.triples)) < sum(map(len, many.triples))
    assert psnr(low.decode(few), PHOTOS) < psnr(high.decode(many), PHOTOS)


def test_codes_do_not_depend_on_the_batch() -> None:
    codec = tokenizer(Settings(q=95))
    together = codec.encode(PHOTOS)
    for i in range(len(PHOTOS)):
        assert torch.equal(codec.encode(PHOTOS[i : i + 1]).triples[0], together.triples[i])


def test_foreign_codes_are_refused() -> None:
    with pytest.raises(UsageError, match="vocabularies"):
        tokenizer(Settings(q=50)).decode(tokenizer(Settings(q=95)).encode(PHOTOS))
    with pytest.raises(UsageError, match="Continuous"):
        tokenizer().decode(Continuous(torch.zeros(1)))


@pytest.mark.parametrize("quality", [0, 101])
def test_a_quality_out_of_range_is_refused(quality: int) -> None:
    with pytest.raises(UsageError, match="outside"):
        Settings(q=quality)


def test_another_block_is_refused() -> None:
    with pytest.raises(UsageError, match="8, 16, 32"):
        Settings(block=12)


def test_the_revision_is_the_definition() -> None:
    assert tokenizer(Settings(q=50)).revision == tokenizer(Settings(q=50)).revision
    assert len({tokenizer(s).revision for s in ALL}) == len(ALL)


def test_the_cost_is_that_of_separable_transforms() -> None:
    """Per pixel of a plane one row and one column product of 8 each; 1.5 planes at 4:2:0."""
    build = Build((256, 256), seed=0, device=torch.device("meta"), comm=Alone())
    values = {m.name: m.value for m in count(parts(Settings(), build))}
    expected = 1.5 * 256 * 256 * 16 / 1e9
    assert values["decoder-gmac"] == pytest.approx(expected)
    assert values["encoder-gmac"] == pytest.approx(expected)
    assert values["decoder-parameters"] == 0


# ----------------------------------------------------------------------------------------------------------------
# Rates


def test_entropy_of_the_training_images_is_the_entropy_of_their_histograms() -> None:
    settings = Settings(q=50)
    codes = tokenizer(settings).encode(PHOTOS.repeat(50, 1, 1, 1))
    statistics = ChannelStatistics(settings)
    statistics.update(codes)
    layout = Layout(settings, (64, 64))
    planes = layout.to_planes(to_dense(codes, layout, CPU)).numpy()
    blocks = [planes[:, 0], planes[:, 1, :, layout.chroma_positions], planes[:, 2, :, layout.chroma_positions]]
    expected = 0.0
    for plane in blocks:
        frequency_first = np.moveaxis(plane, -2 if plane is blocks[0] else -1, 0)
        for levels in frequency_first.reshape(layout.frequencies, -1):
            expected += entropy(np.unique(levels, return_counts=True)[1], base=2) * levels.size
    assert statistics.bits(codes).sum() == pytest.approx(expected, rel=0.02)


def test_probabilities_of_a_channels_levels_sum_to_one() -> None:
    settings = Settings(q=50)
    statistics = ChannelStatistics(settings)
    statistics.update(tokenizer(settings).encode(PHOTOS))
    relative, zero = statistics.costs()
    np.testing.assert_allclose((2.0 ** -(relative + zero[:, None])).sum(1), 1.0, rtol=1e-12)


def test_entropy_is_finite_for_what_training_never_saw() -> None:
    settings = Settings(q=50)
    statistics = ChannelStatistics(settings)
    statistics.update(tokenizer(settings).encode(torch.full((2, 3, 64, 64), 128, dtype=torch.uint8)))
    bits = statistics.bits(tokenizer(settings).encode(PHOTOS))
    assert np.isfinite(bits).all()
    assert (bits > 1000).all()


def test_rates_are_named_and_ordered_sensibly() -> None:
    settings = Settings(q=50)
    rates = DctRates(settings, Build((64, 64), seed=0, device=CPU, comm=Alone()))
    codes = tokenizer(settings).encode(PHOTOS)
    assert set(rates.bits(PHOTOS, codes)) == {"jpeg-file"}
    rates.update(PHOTOS, codes)
    found = rates.bits(PHOTOS, codes)
    assert set(found) == {"entropy", "jpeg-file"}
    assert (found["entropy"] > 0).all()
    assert (found["jpeg-file"] > 8 * 625).all()


# ----------------------------------------------------------------------------------------------------------------
# Heat maps


@pytest.mark.parametrize("settings", ALL)
def test_heat_maps_count_every_coefficient_where_it_is(settings: Settings) -> None:
    codes = tokenizer(settings).encode(PHOTOS)
    maps = placement(settings, codes, 4)
    assert maps.shape == (3, 4, *Layout(settings, (64, 64)).grid)
    np.testing.assert_allclose(maps[:, -1].sum((1, 2)), [len(t) for t in codes.triples])
    for image, triples in enumerate(codes.triples):
        halves = maps[image].sum((1, 2))[1]
        assert halves == pytest.approx(len(triples) / 2, abs=1)
    assert (np.diff(maps, axis=1) >= 0).all()


def test_a_coefficient_lies_in_its_block() -> None:
    pixels = torch.full((1, 3, 32, 32), 128, dtype=torch.uint8)
    pixels[:, :, 8:16, 24:32] = 255
    maps = placement(MEDIUM, tokenizer(MEDIUM).encode(pixels), 1)[0, 0]
    assert maps[1, 3] == 1
    assert maps.sum() == 1


def test_an_empty_list_is_an_empty_map() -> None:
    flat = tokenizer(MEDIUM).encode(torch.full((1, 3, 32, 32), 128, dtype=torch.uint8))
    assert not placement(MEDIUM, flat, 4).any()
