"""A plug-in's mistake fails its own row, with its own file and line; the others are measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.errors import AdapterError

from ..conftest import Command

GOOD = """
import os
import torch
from bench.contract import Continuous, Indices, MethodEntry, Sparse, Stream

METHOD = MethodEntry(name="{name}", title="Mine", summary="a test", code="{stem}:Mine")


class Mine:
    def __init__(self, settings, build):
        BUILT

    @property
    def revision(self):
        return REVISION

    def encode(self, images):
        half = torch.nn.functional.avg_pool2d(images.float() / 255, 4)
        return ENCODED

    def decode(self, codes, noise=None):
        images = torch.nn.functional.interpolate(codes.tensor, scale_factor=4)
        return DECODED
"""
RIGHT = {
    "BUILT": "pass",
    "REVISION": "'0123456789abcdef'",
    "ENCODED": "Continuous(half, 0.0, 1.0)",
    "DECODED": "images",
}
INDEX = "half[:, :1].long().permute(0, 2, 3, 1)"
FAULTS = {
    "built-raises": ("BUILT", "raise RuntimeError('no network')", "RuntimeError: no network"),
    "built-ends": ("BUILT", "raise SystemExit(0)", "SystemExit"),
    "built-cancelled": ("BUILT", "import asyncio; raise asyncio.CancelledError", "CancelledError: no message"),
    "revision-raises": ("REVISION", "1 / 0", "ZeroDivisionError"),
    "revision-none": ("REVISION", "None", "revision"),
    "revision-number": ("REVISION", "3", "revision"),
    "encode-raises": ("ENCODED", "{}['codes']", "KeyError"),
    "encode-ends": ("ENCODED", "exit()", "SystemExit"),
    "encode-first-version": ("ENCODED", f"Indices({INDEX}[..., 0], vocab=8)", "written for version 0.1"),
    "encode-none": ("ENCODED", "None", "returned NoneType"),
    "encode-list": ("ENCODED", "[1, 2]", "returned list"),
    "encode-tensor": ("ENCODED", "half", "returned Tensor"),
    "encode-array": ("ENCODED", "Continuous(half.numpy(), 0.0, 1.0)", "of a ndarray"),
    "encode-integers": ("ENCODED", "Continuous((half * 9).long(), 0.0, 9.0)", "returned Continuous of torch.int64"),
    "encode-bounds": ("ENCODED", "Continuous(half, '0', '1')", "with the bounds '0' and '1'"),
    "encode-floats": ("ENCODED", "Indices(half.permute(0, 2, 3, 1), (2,) * 3)", "returned Indices of torch.float32"),
    "encode-levels": ("ENCODED", f"Indices({INDEX}, 2)", "with the levels 2"),
    "encode-axes": ("ENCODED", f"Indices({INDEX}, (2, 2))", "their last axis must hold the symbols"),
    "encode-negative": ("ENCODED", f"Indices({INDEX} - 1, (2,))", "outside"),
    "encode-large": ("ENCODED", f"Indices({INDEX} + 8, (2,))", "outside"),
    "encode-nan": ("ENCODED", "Continuous(half * float('nan'), 0.0, 1.0)", "NaN"),
    "encode-out": ("ENCODED", "Continuous(half + 2, 0.0, 1.0)", "bounds"),
    "encode-fewer": ("ENCODED", "Continuous(half[:1], 0.0, 1.0)", "returned 1 codes for"),
    "encode-triples": ("ENCODED", "Sparse(tuple(half), (3, 256, 256), (64, 64))", "whose triples are no integers"),
    "encode-text": ("ENCODED", "Stream(('a',) * len(half), (0,) * len(half), (64, 64))", "whose data are no bytes"),
    "decode-raises": ("DECODED", "undefined_name", "NameError"),
    "decode-none": ("DECODED", "None", "NoneType and not a tensor"),
    "decode-bytes": ("DECODED", "(images * 255).to(torch.uint8)", "torch.uint8 and not a tensor of floats"),
    "decode-nan": ("DECODED", "images / 0 * 0", "NaN"),
    "decode-small": ("DECODED", "images[:, :, ::2]", "of shape"),
    "decode-flat": ("DECODED", "images.flatten(1)", "not [N, 3, H, W]"),
}


def plugin(folder: Path, fault: str | None, prefix: str = "run", name: str = "mine") -> Path:
    stem = f"faulty_{prefix}_{(fault or 'good').replace('-', '_')}"
    text = GOOD.replace("{stem}", stem).replace("{name}", name)
    for place, right in RIGHT.items():
        wrong = FAULTS[fault][1] if fault and FAULTS[fault][0] == place else right
        text = text.replace(place, wrong)
    file = folder / f"{stem}.py"
    file.write_text(text)
    return file


@pytest.fixture
def shared(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(shared_cache))


def asked(methods: str, out: Path, *plugins: Path) -> list[str]:
    files = [part for file in plugins for part in ("--plugin", str(file))]
    flags = ["--preset", "smoke", "--stages", "recon", "--eval-limit", "4", "--out", str(out)]
    return ["--methods", methods, *flags, *files]


def rows(out: Path) -> dict[str, dict[str, Any]]:
    return {row["method"]: row for path in out.rglob("recon.json") for row in [json.loads(path.read_text())]}


def test_each_fails_its_own_row_with_file_and_line(shared: None, tmp_path: Path, command: Command) -> None:
    files = {fault: plugin(tmp_path, fault, name=fault) for fault in FAULTS}
    good = plugin(tmp_path, None)
    methods = ",".join([*FAULTS, "mine", "jpeg:q=50"])
    done = command("run", *asked(methods, tmp_path / "r", *files.values(), good))
    assert done.code == 3, done.err
    assert "Traceback" not in done.err
    found = rows(tmp_path / "r")
    assert {name for name, row in found.items() if row["status"] == "ok"} == {"mine", "jpeg:q=50", "downsample:8"}
    said = {fault: found[fault]["error"] for fault in FAULTS}
    assert {fault: text for fault, text in said.items() if FAULTS[fault][2] not in text} == {}
    assert {fault: text for fault, text in said.items() if f"{files[fault]}:" not in text} == {}


@pytest.mark.parametrize("fault", FAULTS)
def test_selftest_finds_each(tmp_path: Path, command: Command, fault: str) -> None:
    done = command("selftest", str(plugin(tmp_path, fault, "self")))
    assert done.code == 3, done.out
    assert "FAIL" in done.out
    assert "Traceback" not in done.out + done.err


LINES = [
    "raise RuntimeError('at import')",
    "raise SystemExit(0)",
    "1 / 0",
    "def broken(:",
    "import not_there_at_all",
]
ROW = 'METHOD = MethodEntry(name="{name}", title="Mine", summary="", code="mine:Mine")'


def test_a_raise_at_import_fails_its_row_alone(shared: None, tmp_path: Path, command: Command) -> None:
    files = [tmp_path / f"faulty_import_{number}.py" for number in range(len(LINES))]
    for file, line in zip(files, LINES, strict=True):
        file.write_text(f"from bench.contract import MethodEntry\n{line}\n{ROW.replace('{name}', file.stem)}\n")
    flags = asked(",".join([*(file.stem for file in files), "jpeg:q=50"]), tmp_path / "r", *files)
    done = command("run", *flags)
    assert done.code == 3, done.err
    assert "Traceback" not in done.err
    found = rows(tmp_path / "r")
    assert found["jpeg:q=50"]["status"] == "ok"
    assert all(f"{file}:2" in found[file.stem]["error"] for file in files)
    checked = command("validate", *flags)
    assert checked.code == 3
    assert all(f"fails: '{file.stem}': The plugin {file} cannot be imported" in checked.err for file in files)
    assert [command("selftest", str(file)).code for file in files] == [3] * len(files)


@pytest.mark.parametrize("name", ["settings", "bit_depth"])
def test_a_function_of_the_row_that_raises_fails_its_row_alone(
    shared: None, tmp_path: Path, command: Command, name: str
) -> None:
    file = plugin(tmp_path, None, f"fn_{name}")
    file.write_text(file.read_text().replace('"a test"', f'"a test", {name}=lambda *given: given[7]'))
    done = command("run", *asked("mine,jpeg:q=50", tmp_path / "r", file))
    assert done.code == 3, done.err
    found = rows(tmp_path / "r")
    assert found["jpeg:q=50"]["status"] == "ok"
    assert "IndexError" in found["mine"]["error"]
    assert f"{file}:6" in found["mine"]["error"]


LEARNS = """
from bench.contract import Method, MethodEntry
from tests import toys


class Learner(toys.ToyLearner):
    def after_step(self, step):
        {line}


CODE = Method(learner=Learner)
METHOD = MethodEntry("{name}", "Mine", "", "{name}:CODE", settings=toys.toy_settings)
"""


def test_whatever_a_training_raises_fails_its_cell_alone(shared: None, tmp_path: Path, command: Command) -> None:
    lines = {"faulty_key": "{}['none']", "faulty_exit": "exit(0)", "faulty_memory": "raise MemoryError"}
    for name, line in lines.items():
        (tmp_path / f"{name}.py").write_text(LEARNS.replace("{line}", line).replace("{name}", name))
    flags = asked(",".join([*lines, "jpeg:q=50"]), tmp_path / "r", *(tmp_path / f"{name}.py" for name in lines))
    done = command("run", *flags)
    assert done.code == 3, done.err
    trained = {
        row["method"]: row for path in (tmp_path / "r").rglob("train.json") for row in [json.loads(path.read_text())]
    }
    said = {
        "faulty_key": "KeyError: 'none'",
        "faulty_exit": "SystemExit: it asked the whole program to end",
        "faulty_memory": "MemoryError",
    }
    for name, words in said.items():
        assert trained[name]["status"] == "failed"
        assert words in trained[name]["error"]
        assert f"{tmp_path / name}.py:8" in trained[name]["error"]
        assert name in done.out
    assert rows(tmp_path / "r")["jpeg:q=50"]["status"] == "ok"
    assert command("run", *flags, "--fail-fast").code == 3
    with pytest.raises(AdapterError) as shown:
        command("run", *flags, "--debug")
    assert isinstance(shown.value.__cause__, KeyError)
