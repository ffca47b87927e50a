"""Pairs are one to one by name, or refused; order counts only where it is asked for."""

import re
import unicodedata

import pytest

from bench.data.pairing import by_name, by_order
from bench.errors import UsageError


def test_paths_pair_without_suffix_and_whatever_their_unicode_form():
    names = ["caf\u00e9/\u00e4.png", "b/c.png"]
    found = by_name(names, ["b/c.jpg", unicodedata.normalize("NFD", "caf\u00e9/\u00e4.webp")])
    assert (found.rule, found.order) == ("path", (1, 0))


def test_bare_names_pair_where_they_are_unique():
    found = by_name(["val/x/2.png", "val/y/1.png"], ["out/1.png", "out/2.png", "out/more.png"])
    assert (found.rule, found.order) == ("file name", (1, 0))


@pytest.mark.parametrize(
    ("reference", "candidate", "words"),
    [
        ([f"class{i % 4}/{i // 4:03d}.png" for i in range(20)], [f"{i:03d}.png" for i in range(5)], "several images"),
        (["a.png", "b.png"], ["a.jpg", "a.png", "b.png"], "a.jpg and a.png, which have one name"),
        (["0.png", "1.png"], ["00.png", "01.png"], r"'0.png', '1.png' against '00.png', '01.png'"),
        (["a.png", "b.png", "c.png"], ["a.png"], "2 of 3 images .* for example b.png"),
    ],
)
def test_what_is_not_one_to_one_is_refused_with_names_of_both_sides(reference, candidate, words):
    with pytest.raises(UsageError, match=words):
        by_name(reference, candidate)


def test_a_bare_name_that_the_whole_set_has_twice_is_no_key_of_its_first_images():
    whole = ["class0/0.png", "class1/1.png", "class1/0.png"]
    assert by_name(whole[:2], ["0.png", "1.png"]).rule == "file name"
    with pytest.raises(UsageError, match="several images"):
        by_name(whole[:2], ["0.png", "1.png"], whole)


def test_order_is_natural_and_of_equal_counts():
    found = by_order([f"{i}.png" for i in (10, 9, 0)], ["00.png", "10.png", "09.png"])
    assert (found.rule, found.order) == ("natural order", (1, 2, 0))
    assert by_order(["9" * 5000, "1"], ["b", "a"]).order == (0, 1)
    with pytest.raises(UsageError, match=re.escape("2 images cannot be paired in order with 1")):
        by_order(["a", "b"], ["a"])
