"""``reproduce`` and ``env --diff``: the same cell again, from nothing."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Command
from tests.toys import smoke


def test_a_smoke_result_gives_equal_numbers(toy: str, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "r"
    assert command(*smoke(toy, out)).code == 0
    file = out / "photos-smoke" / "toy" / "seed0" / "recon.json"
    done = command("reproduce", str(file))
    assert done.code == 0, done.out + done.err
    assert "Environment: the same." in done.out
    assert "Reproduced." in done.out
    assert "psnr" in done.out
    assert done.out.count("equal") >= 5
    raw = json.loads(file.read_text())
    for metric in raw["metrics"]:
        if metric["name"] == "psnr":
            metric["value"] += 1.0
    raw["provenance"]["packages"]["numpy"] = "1.0"
    file.write_text(json.dumps(raw))
    changed = command("reproduce", str(file))
    assert changed.code == 1
    assert "packages.numpy: 1.0 ->" in changed.out
    assert "outside the tolerance" in changed.out
    drift = command("env", "--diff", str(file))
    assert "packages.numpy: 1.0 ->" in drift.out
