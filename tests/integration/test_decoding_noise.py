"""Rows that decode with the paper's noise: they share the training of the rows without it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Command

SMALL = ("--preset", "smoke", "--eval-limit", "16", "--set", "images_seen=64")


def trained(cache: Path) -> set[Path]:
    return {path.parent for path in (cache / "runs").glob("*/final.safetensors")}


def recons(out: Path) -> dict[str, dict]:
    found = (json.loads(path.read_text()) for path in out.rglob("recon.json"))
    return {result["method"]: result for result in found}


def number(result: dict, name: str) -> float:
    return next(m["value"] for m in result["metrics"] if m["name"] == name)


@pytest.mark.usefixtures("toy")
def test_bits_and_noise_are_rows_of_one_training(tmp_path: Path, command: Command, shared_cache: Path) -> None:
    before, out = trained(shared_cache), tmp_path / "r"
    methods = "brics,brics:bits=8,brics:bits=4,brics:bits=4,noise=true"
    done = command("run", "--methods", methods, *SMALL, "--out", str(out))
    assert done.code == 0, done.err
    assert len(trained(shared_cache) - before) == 1
    found = recons(out)
    eight, four, noisy = (found[f"brics:bits={options}"] for options in ("8", "4", "4,noise=true"))
    assert "decoding_noise" not in {**eight["facts"], **four["facts"]}
    assert noisy["facts"]["decoding_noise"] == {"keys": 1 / 32}
    assert noisy["facts"]["revision"] == four["facts"]["revision"]
    assert len({result["facts"]["reconstructions"] for result in (eight, four, noisy)}) == 3
    assert [number(r, "bits-per-image") for r in (eight, four, noisy)] == [8 * 8 * 4 * bits for bits in (8, 4, 4)]
    assert noisy["method"] in done.out
    assert found["brics"]["facts"]["bit_depth"] == 8
    assert "bit_depth" not in {**eight["facts"], **noisy["facts"]}
    assert found["brics"]["facts"]["reconstructions"] == eight["facts"]["reconstructions"]
    assert number(found["brics"], "bits-per-image") == number(eight, "bits-per-image")
    assert number(found["brics"], "psnr") == number(eight, "psnr")


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("vqgan:noise=true", "'vqgan:noise=true' has no option 'noise'"),
        ("brics:codes=plain,noise=true", "with these settings BRICS decodes without noise"),
        ("brics:noise=loud", "'noise=loud' of 'brics:noise=loud'"),
    ],
)
def test_noise_is_refused_where_there_is_none(tmp_path: Path, command: Command, method: str, words: str) -> None:
    done = command("run", "--methods", method, *SMALL, "--out", str(tmp_path / "r"))
    assert done.code == 2
    assert words in done.err
