"""The README does not rot: its plugin runs, its commands and flags exist, its length of plugin stays honest."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from bench.results.record import signature_id
from bench.results.store import Place
from bench.run.presets import PRESETS
from tests.conftest import Command
from tests.unit.report.sample_results import SIGNATURE, recon

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
COMMANDS = sorted(
    {
        line.partition("#")[0].strip()
        for language, text in BLOCKS
        if language == "bash"
        for piece in text.splitlines()
        for line in piece.split("&&")
        if "python -m bench" in line
    }
)


def plugin_source() -> str:
    return next(text for language, text in BLOCKS if language == "python" and "# my_tokenizer.py" in text)


def test_the_plugin_has_at_most_25_lines() -> None:
    assert len([line for line in plugin_source().splitlines() if line.strip()]) <= 25


def test_the_plugin_runs_as_written(
    tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(shared_cache))
    monkeypatch.chdir(tmp_path)
    Path("my_tokenizer.py").write_text(plugin_source())
    tested = command("selftest", "my_tokenizer.py")
    assert tested.code == 0, tested.out
    done = command("run", "--plugin", "my_tokenizer.py", "--methods", "posterise", "--preset", "smoke", "--json")
    assert done.code == 0, done.err
    assert '"psnr"' in done.out


@pytest.mark.parametrize("line", COMMANDS)
def test_every_flag_of_every_command_exists(line: str, command: Command) -> None:
    words = shlex.split(line)
    arguments = words[words.index("bench") + 1 :]
    depth = 2 if arguments[0] in ("data", "stats", "cache") else 1
    helped = command(*arguments[:depth], "--help")
    assert helped.code == 0, helped.err
    for word in arguments:
        if word.startswith("--"):
            assert re.search(rf"{re.escape(word)}\b", helped.out), f"{word} of '{line}' is not a flag"


def test_the_presets_of_the_readme_are_those_of_the_program() -> None:
    for preset in PRESETS.values():
        assert re.search(rf"\| `{preset.name}`.*\| {preset.resolution} px", README), preset.name


def test_every_file_of_the_tree_exists() -> None:
    tree = next(text for language, text in BLOCKS if not language and text.startswith("bench/"))
    for name in re.findall(r"^\s*([\w.]+(?:\.py|/))", tree, re.MULTILINE):
        assert any(ROOT.rglob(name.rstrip("/"))), name


def test_the_data_frame_of_the_readme_is_made_as_written(
    tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(shared_cache))
    monkeypatch.chdir(tmp_path)
    source = next(text for language, text in BLOCKS if language == "python" and "# frame.py" in text)
    made: dict[str, Any] = {}
    other = recon("jpeg:q=50", 1.0, preset="small"), recon("jpeg:q=50", 2.0, limited=("eval_limit",))
    for number, unlike in enumerate(other):
        place = Path(f"results/local/{number}")
        Place(place, unlike.dataset, unlike.preset, unlike.method, unlike.seed).write(unlike, None)
    exec(source, made)
    assert "jpeg:q=50" in capsys.readouterr().out
    (own,) = made["frame"].query("metric == 'psnr' and method == 'jpeg:q=50' and value > 2").itertuples()
    assert made["table"].loc["jpeg:q=50", "photos"].dropna().to_dict() == {
        ("smoke", own.signature_id): own.value,
        ("small", signature_id(SIGNATURE)): 1.0,
    }, "nothing that is limited, of another preset or of another protocol is averaged"
    assert len(made["images"]) > len(made["frame"])


CONTINUOUS = '''
from dataclasses import dataclass

import torch

from bench.core import digest
from bench.contract import AnySize, Continuous, Method, MethodEntry, NoSettings, Part


class Mean:
    """The mean of every 8 x 8 pixels."""

    def __init__(self, settings, build):
        self.revision = digest.of_weights({}, "mean")

    def encode(self, pixels):
        return Continuous(torch.nn.functional.avg_pool2d(pixels.float() / 255, 8), 0.0, 1.0)

    def decode(self, codes, noise=None):
        return torch.nn.functional.interpolate(codes.tensor, scale_factor=8)


def parts(settings, build):
    layer = torch.nn.Conv2d(3, 3, 1, bias=False)
    return [Part("decoder", "decoder", lambda: layer(torch.zeros(1, 3, 8, 8)), {"network": 9})]


CODE = Method(tokenizer=Mean, parts=parts)
METHOD = MethodEntry(
    name="mean", title="Mean", summary="means", code="my_mean:CODE", settings=lambda preset, variant: NoSettings(),
    bit_depth=lambda settings: 8,
)
'''


def test_what_the_readme_says_of_continuous_codes_and_parts_works(
    tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(shared_cache))
    monkeypatch.chdir(tmp_path)
    Path("my_mean.py").write_text(CONTINUOUS)
    done = command("run", "--plugin", "my_mean.py", "--methods", "mean", "--preset", "smoke", "--json")
    assert done.code == 0, done.err
    numbers = {
        m["name"]: m["value"]
        for result in json.loads(done.out)
        for m in result["metrics"]
        if result["method"] == "mean"
    }
    assert numbers["bits-per-pixel"] == pytest.approx(8 * 3 / 64)
    assert numbers["decoder-parameters"] == 9
    assert numbers["decoder-gmac"] == pytest.approx(9 * 64 / 1e9)
