"""Codes of every kind survive storing, selecting and joining, and bad ones are refused."""

import io

import numpy as np
import pytest
import torch

from bench.contract import Continuous, Indices, Sparse, Stream
from bench.core import codes as codec
from bench.errors import IntegrityError, UsageError


def continuous():
    return Continuous(torch.randn(3, 2, 4, 4).clamp(-1, 1), -1.0, 1.0)


def unbounded():
    return Continuous(torch.randn(3, 5))


def indices():
    return Indices(torch.arange(12).reshape(3, 2, 2, 1), (12,))


def sparse():
    triples = (torch.tensor([[0, 1, 2], [1, 0, 3]]), torch.empty(0, 3, dtype=torch.long), torch.tensor([[1, 1, 1]]))
    return Sparse(triples, (2, 2, 4), (16, 16))


def stream():
    return Stream((b"abc", b"", b"\x00\xff"), (8, 0, 8), (16, 24), "libx 1.0")


EVERY = [continuous, unbounded, indices, sparse, stream]


def same(one, other):
    arrays, others = codec.to_arrays(one), codec.to_arrays(other)
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name])
    return True


@pytest.mark.parametrize("make", EVERY)
def test_stored_codes_come_back(make):
    codes = make()
    file = io.BytesIO()
    np.savez(file, **codec.to_arrays(codes))
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        again = codec.from_arrays(stored)
    assert type(again) is type(codes)
    assert same(codes, again)
    if isinstance(codes, Continuous):
        assert (again.low, again.high) == (codes.low, codes.high)


@pytest.mark.parametrize("make", EVERY)
def test_joining_selections_restores_the_order(make):
    codes = make()
    assert codec.count(codes) == 3
    parts = [codec.take(codes, [i]) for i in range(3)]
    assert same(codec.concat(parts), codes)
    assert same(
        codec.concat([codec.take(codes, [2, 0]), codec.take(codes, np.array([1]))]), codec.take(codes, [2, 0, 1])
    )
    assert codec.count(codec.take(codes, [])) == 0
    assert same(codec.to(codes, "cpu"), codes)


@pytest.mark.parametrize("make", EVERY)
def test_a_number_outside_is_refused(make):
    for bad in (3, -1):
        with pytest.raises(UsageError, match=f"no image {bad}"):
            codec.take(make(), [0, bad])


def test_codes_of_different_meaning_do_not_join():
    with pytest.raises(UsageError, match="different meaning"):
        codec.concat([indices(), Indices(torch.zeros(1, 2, 2, 1, dtype=torch.long), (13,))])
    with pytest.raises(UsageError, match="different meaning"):
        codec.concat([continuous(), indices()])
    with pytest.raises(UsageError, match="no images"):
        codec.concat([])


def test_foreign_arrays_are_refused():
    for arrays in ({}, {"kind": np.array("pixels")}, {"kind": np.array("indices")}):
        with pytest.raises(IntegrityError, match="do not hold codes"):
            codec.from_arrays(arrays)


def test_bfloat16_is_widened():
    codes = Continuous(torch.randn(2, 3).bfloat16())
    assert torch.equal(codec.from_arrays(codec.to_arrays(codes)).tensor, codes.tensor.float())


def test_values_that_no_decoder_takes_are_refused():
    tensor = torch.zeros(3, 4)
    tensor[1, 2] = torch.nan
    with pytest.raises(UsageError, match="prior P hold NaN or infinity, first in image 1"):
        codec.checked(Continuous(tensor), "prior P")
    with pytest.raises(UsageError, match="leave their bounds"):
        codec.checked(Continuous(torch.full((1, 1), 1.5), 0.0, 1.0), "P")
    with pytest.raises(UsageError, match=r"outside 0\.\.3"):
        codec.checked(Indices(torch.tensor([[[4]]]), (4,)), "P")
    with pytest.raises(UsageError, match="Column 2"):
        codec.checked(Sparse((torch.tensor([[0, 0, 9]]),), (1, 1, 4), (8, 8)), "P")
    for make in EVERY:
        assert codec.checked(make(), "P") is not None
