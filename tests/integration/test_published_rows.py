"""Rows of published weights through the command line: files as their publishers write them, but narrow."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from tests import published
from tests.conftest import Command

BITS = {
    "va-vae": None,
    "llamagen": 4 * 12,
    "ibq": 4 * 8,
    "open-magvit2": 4 * 18,
    "simvq": 16 * 8,
    "maskgit-vq": 4 * 8,
    "titok": 32 * 10,
    "bsq-vit": 16 * 18,
    "var": (1 + 4) * math.log2(819),
}
"""Bits per image of 32 pixels: 2x2 or 4x4 cells, of codebooks a quarter as large as published; None for no rate.

VAR has scales of 1x1 and 2x2 codes, and a codebook a fifth as large; TiTok has a quarter of its 128 tokens.
"""


def test_every_family_is_measured_and_its_result_says_what_was_read(
    shared_cache: Path, monkeypatch, command: Command, tmp_path: Path
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(shared_cache))
    rows = []
    for method in published.LAYOUTS:
        state = published.narrow_state(method)
        torch.save({"state_dict": published.with_averages(state, state)}, tmp_path / f"{method}.ckpt")
        rows.append(f"{method}@{tmp_path / method}.ckpt")
    arguments = ("--dataset", "photos", "--preset", "smoke", "--stages", "recon,cost", "--device", "cpu")
    done = command(
        "run", "--methods", ",".join(rows), *arguments, "--eval-limit", "4", "--out", str(tmp_path / "out"), "--json"
    )
    assert done.code == 0, done.err
    results = {(r["method"].partition("@")[0], r["stage"]): r for r in json.loads(done.out)}
    for method, bits in BITS.items():
        recon = {m["name"]: m["value"] for m in results[method, "recon"]["metrics"]}
        cost = {m["name"]: m["value"] for m in results[method, "cost"]["metrics"]}
        facts = results[method, "recon"]["facts"]["weights"]
        assert recon["psnr"] > 0
        assert recon.get("bits-per-image") == (bits and pytest.approx(bits))
        assert cost["decoder-gmac"] > 0
        assert facts["file"] == f"{method}.ckpt"
        assert facts["moving_averages"] is True
        assert facts["dropped"] == {"model_ema.": len(published.narrow_state(method)) + 2}


def test_a_row_without_weights_is_said_to_need_them(shared_cache: Path, monkeypatch, command: Command, tmp_path: Path):
    monkeypatch.setenv("BENCH_CACHE", str(shared_cache))
    arguments = ("--dataset", "photos", "--preset", "smoke", "--stages", "recon", "--device", "cpu")
    done = command("run", "--methods", "llamagen", *arguments, "--eval-limit", "8", "--out", str(tmp_path), "--json")
    assert done.code == 2
    assert "it needs weights: write name@WEIGHTS" in done.err


def test_an_option_that_the_weights_decide_is_refused(cache: Path, command: Command, tmp_path: Path) -> None:
    torch.save(published.narrow_state("llamagen"), tmp_path / "narrow.pt")
    done = command("cost", "--methods", f"llamagen@{tmp_path / 'narrow.pt'}:n_embed=5", "--preset", "smoke")
    assert done.code == 2
    assert "'n_embed' is fixed by the weights, which have 4096; leave it out." in done.err
    done = command("cost", "--methods", f"llamagen@{tmp_path / 'narrow.pt'}:attention=matmul", "--preset", "smoke")
    assert done.code == 0, done.err
