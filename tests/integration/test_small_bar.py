"""At ``small`` every convolutional tokenizer beats the floor of its own grid on real photographs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MARGIN = 0.8
"""Decibels of PSNR over area reduction and bicubic enlargement at the same grid."""

TRAINED = {
    "vqgan": 16,
    "vqgan:8x8": 8,
    "rqvae": 8,
    "kl-ldm": 16,
    "kl-ldm:f8": 8,
    "vq-ldm": 16,
}
"""Method strings and the sides of their grids."""


def psnr(out: Path, method: str) -> float:
    """The PSNR of a method's reconstructions, from the results that lie anywhere under ``out``."""
    for path in out.rglob("recon.json"):
        result = json.loads(path.read_text())
        if result["method"] == method:
            return next(metric["value"] for metric in result["metrics"] if metric["name"] == "psnr")
    raise AssertionError(f"no reconstruction of {method} under {out}")


@pytest.mark.slow
def test_the_trained_tokenizers_beat_the_floor_of_their_grid(tmp_path: Path) -> None:
    """BENCH_PHOTOS_ZIP names a zip of 64 px photographs in train/ and val/ folders. About 20 minutes on two cores."""
    photos = os.environ.get("BENCH_PHOTOS_ZIP")
    if not photos:
        pytest.skip("BENCH_PHOTOS_ZIP does not name a zip of photographs")
    command = ["run", "--methods", ",".join(TRAINED), "--dataset", f"folder:{photos}", "--out", str(tmp_path / "out")]
    environment = {**os.environ, "BENCH_CACHE": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-m", "bench", *command], cwd=ROOT, env=environment, check=True)
    gains = {
        name: psnr(tmp_path / "out", name) - psnr(tmp_path / "out", f"downsample:{g}") for name, g in TRAINED.items()
    }
    assert min(gains.values()) >= MARGIN, gains
