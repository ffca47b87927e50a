"""Kodak against its JPEG-75 versions: a full table, in which only metrics without weights are absent.

BENCH_KODAK=DIR BENCH_WEIGHTS=DIR pytest -m slow tests/reference/metrics/test_kodak_table.py
"""

import json
import os
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from bench.cli import app
from bench.metrics import METRICS, measured
from bench.metrics.features import FEATURES
from bench.metrics.protocols import PROTOCOLS
from bench.metrics.signatures import needed
from bench.pretrained.weights import available


@pytest.mark.slow
@pytest.mark.skipif("BENCH_KODAK" not in os.environ, reason="BENCH_KODAK names no folder of the 24 Kodak images")
def test_only_metrics_without_weights_are_absent(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    kodak, fake = Path(os.environ["BENCH_KODAK"]), tmp_path / "jpeg75"
    fake.mkdir()
    for path in sorted(kodak.glob("*.png")):
        Image.open(path).save(fake / f"{path.stem}.jpg", quality=75)
    result = CliRunner().invoke(app, ["score", "--real", str(kodak), "--fake", str(fake), "--json"])
    assert result.exit_code == 0, result.output
    found = {m["name"]: m for m in json.loads(result.stdout)["metrics"]}
    assert set(found) == set(measured(PROTOCOLS["clean"]))
    for name, measurement in found.items():
        lacking = [n for n in needed(METRICS[name], FEATURES, PROTOCOLS["clean"]) if not available(n)]
        if lacking:
            assert "bench fetch" in measurement["reason"]
        elif name == "fid-infinity":
            assert "at least 200" in measurement["reason"]
        else:
            assert measurement["value"] is not None, name
    assert 33 < found["psnr"]["value"] < 36
