"""The method grammar: parsing, canonical print, sweeps, folder names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.core.files import folder_name
from bench.errors import UsageError
from bench.run.method_string import Method, parse_list

GREEDY = ("samples", "diffusers")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("brics,vqgan", ["brics", "vqgan"]),
        ("vqgan:16x16, vqgan:8x8", ["vqgan:16x16", "vqgan:8x8"]),
        ("brics:codes=d,schedule=b", ["brics:codes=d,schedule=b"]),
        ("brics:schedule=b,codes=d,vqgan", ["brics:codes=d,schedule=b", "vqgan"]),
        ("brics:16x16x8,codes=d", ["brics:16x16x8:codes=d"]),
        ("brics:16x16x8:codes=d,a=1", ["brics:16x16x8:a=1,codes=d"]),
        ("rqvae@church-8x8x4", ["rqvae@church-8x8x4"]),
        ("vqgan:16x16@runs/a/last.ckpt:k=2", ["vqgan:16x16@runs/a/last.ckpt:k=2"]),
        ("jpeg:q=5..25", ["jpeg:q=5", "jpeg:q=15", "jpeg:q=25"]),
        ("jpeg:q=5..7..2", ["jpeg:q=5", "jpeg:q=7"]),
        ("samples:X=/a,b/c.zip", ["samples:X=/a,b/c.zip"]),
    ],
)
def test_labels(text: str, labels: list[str]) -> None:
    methods = parse_list([text], GREEDY)
    assert [m.label for m in methods] == labels
    for method in methods:
        assert parse_list([method.label], GREEDY) == [method]


@pytest.mark.parametrize("text", ["", ",", "a b", "brics:", "brics@", "brics:k=1,k=2", "jpeg:q=9..3", "a:b:c", "-x"])
def test_malformed(text: str) -> None:
    with pytest.raises(UsageError):
        parse_list([text], GREEDY)


@pytest.mark.parametrize(
    "texts",
    [
        ["jpeg:q=5..1000000000"],
        ["jpeg:q=1..900..1,method=1..900..1"],
        ["jpeg:q=1..600..1", "webp:q=1..600..1"],
    ],
)
def test_a_sweep_of_very_many_rows_is_refused_before_it_is_made(texts: list[str]) -> None:
    with pytest.raises(UsageError, match=r"rows, more than 1,000; sweep in larger steps"):
        parse_list(texts, GREEDY)


def test_two_sweeps_make_every_combination() -> None:
    labels = [m.label for m in parse_list(["jpeg:q=1..3..2,a=0..1..1"], ())]
    assert labels == ["jpeg:a=0,q=1", "jpeg:a=0,q=3", "jpeg:a=1,q=1", "jpeg:a=1,q=3"]


def test_two_methods_with_one_label() -> None:
    with pytest.raises(UsageError, match="'brics:a=1,b=2' is named twice"):
        parse_list(["brics:a=1,b=2", "brics:b=2,a=1"], GREEDY)


@given(st.text(), st.text())
def test_folder_names_are_injective_and_portable(one: str, other: str) -> None:
    assert (folder_name(one) == folder_name(other)) == (one == other)
    assert not set(folder_name(one)) & set('/\\:*?"<>|')


def test_options_are_sorted() -> None:
    assert Method("a", options=(("b", "1"), ("c", "2"))).label == "a:b=1,c=2"


def test_a_path_after_the_at_sign_is_tried_as_a_path_first(tmp_path: Path) -> None:
    for name in ("plain.ckpt", "a,b=1.ckpt", "a:k=2,c=3.ckpt", "epoch=3-step=4.ckpt"):
        (tmp_path / name).touch()
    (tmp_path / "a").touch()
    odd = [f"vqgan@{tmp_path / name}" for name in ("a,b=1.ckpt", "a:k=2,c=3.ckpt", "epoch=3-step=4.ckpt")]
    found = parse_list([",".join([odd[0], "jpeg:q=50", f"{odd[1]}:ema=true,ch=3", odd[2], "kl-ldm:f8"])], ())
    assert [(m.name, m.weights and Path(m.weights).name, dict(m.options)) for m in found] == [
        ("vqgan", "a,b=1.ckpt", {}),
        ("jpeg", None, {"q": "50"}),
        ("vqgan", "a:k=2,c=3.ckpt", {"ema": "true", "ch": "3"}),
        ("vqgan", "epoch=3-step=4.ckpt", {}),
        ("kl-ldm", None, {}),
    ]
    (absent,) = parse_list([f"vqgan@{tmp_path / 'absent.ckpt'}:ch=3"], ())
    assert absent == Method("vqgan", None, str(tmp_path / "absent.ckpt"), (("ch", "3"),))


def test_what_follows_a_path_in_a_list_is_a_method_of_its_own(tmp_path: Path) -> None:
    odd, known = tmp_path / "a,jpeg", ("samples", "diffusers", "jpeg", "kl-ldm")
    odd.mkdir()
    for variant in (f"X={odd}", f"X={tmp_path}"):
        found = parse_list([f"kl-ldm:f8, samples:{variant},jpeg:q=50,m=1,diffusers:{odd},kl-ldm"], GREEDY, known)
        assert [m.label for m in found] == [
            "kl-ldm:f8",
            f"samples:{variant}",
            "jpeg:m=1,q=50",
            f"diffusers:{odd}",
            "kl-ldm",
        ]
    found = parse_list(["diffusers:owner/name,jpeg:q=50", "samples:X=/absent,2020,kl-ldm@a"], GREEDY, known)
    assert [m.label for m in found] == ["diffusers:owner/name", "jpeg:q=50", "samples:X=/absent,2020", "kl-ldm@a"]


def test_all_stands_for_every_method_without_a_path() -> None:
    known = ("samples", "diffusers", "jpeg", "kl-ldm")
    assert [m.label for m in parse_list(["all,jpeg:q=5"], GREEDY, known)] == ["jpeg", "kl-ldm", "jpeg:q=5"]
    assert [m.label for m in parse_list(["all"], GREEDY, (*known, "all"))] == ["all"]
    with pytest.raises(UsageError, match="'jpeg' is named twice"):
        parse_list(["all,jpeg"], GREEDY, known)
