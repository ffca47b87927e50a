"""``run --stand-in``: every method's own losses and all six stages without a weight file; nothing passes for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.pretrained.stand_ins import stand_in
from bench.results.record import STAND_IN, TRAINED_WITH, from_json, stand_ins
from tests.conftest import Command
from tests.narrow import NAMES, plugin

ROOT = Path(__file__).parents[2]
STAGES = ("train", "recon", "cost", "prior", "sample", "gen")
SHORT = ("--set", "images-seen=8", "--set", "prior-images-seen=8", "--set", "samples=4", "--set", "previews=0")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smooth random images of 256 px."""
    folder = tmp_path_factory.mktemp("images")
    for index in range(60):
        small = Image.fromarray(np.random.RandomState(index).randint(0, 256, (6, 6, 3)).astype(np.uint8))
        small.resize((256, 256), Image.Resampling.BICUBIC).save(folder / f"{index:03d}.png")
    return folder


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stand-in-cache")


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The narrow methods, each in a file that is imported once."""
    folder = tmp_path_factory.mktemp("narrow")
    return {name: plugin(name, folder) for name in NAMES}


@pytest.fixture
def run(
    module_cache: Path,
    images: Path,
    plugins: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: Command,
):
    """``run`` at ``paper`` on the CPU, on 64 px, with narrow methods; the cache is shared by the tests of this file."""
    monkeypatch.setenv("BENCH_CACHE", str(module_cache))
    monkeypatch.delenv("BENCH_WEIGHTS", raising=False)

    def start(*names: str, out: Path = tmp_path / "out", stages: str = ",".join(STAGES), more: tuple[str, ...] = ()):
        files = [part for name in names for part in ("--plugin", plugins[name])]
        methods = ",".join(f"narrow-{name}" for name in names)
        data = ("--dataset", f"folder:{images}", "--preset", "paper", "--set", "resolution=64", "--limit", "8")
        flags = (*SHORT, "--eval-limit", "4", "--device", "cpu", "--stages", stages, "--out", str(out))
        return command("run", *files, "--methods", methods, *data, *flags, *more)

    return start


def results(out: Path) -> dict[tuple[str, str], object]:
    files = [file for stage in STAGES for file in out.rglob(f"{stage}.json")]
    found = [from_json(file.read_text(), str(file)) for file in files]
    return {(result.method, result.stage): result for result in found}


def test_every_method_trains_with_a_stand_in_and_says_so(run, tmp_path: Path) -> None:
    """Tokenizer, prior and samples of all six; what needs every network of the metrics is in the slow tier."""
    done = run(*NAMES, stages="cost,sample", more=("--stand-in",))
    assert done.code == 0, done.err
    found = results(tmp_path / "out")
    for name in NAMES:
        for stage in ("cost", "prior", "sample") if name == "dct" else ("train", "cost", "prior", "sample"):
            result = found[f"narrow-{name}", stage]
            assert result.status == "ok"
            marks = {str(m.signature.get(TRAINED_WITH, ""))[:14] for m in result.metrics if m.value is not None}
            assert marks == {"" if stage == "cost" or name == "dct" else "stand-in vgg16"}, (name, stage)
        if name != "dct":
            assert found[f"narrow-{name}", "train"].facts["images_seen"] == 8
            assert f"narrow-{name} ({STAND_IN})" in done.out
    assert "Random weights took the place of pretrained ones, not ranked (stand-in vgg16#" in " ".join(done.out.split())
    assert "Limited by --eval-limit" in " ".join(done.out.split())


@pytest.mark.slow
def test_every_method_goes_through_six_stages_and_says_stand_in(run, tmp_path: Path, command: Command) -> None:
    done = run(*NAMES, more=("--stand-in",))
    assert done.code == 0, done.err
    found = results(tmp_path / "out")
    for name in NAMES:
        for stage in STAGES if name != "dct" else STAGES[1:]:
            result = found[f"narrow-{name}", stage]
            assert result.status == "ok"
            assert all(m.value is None or np.isfinite(m.value) for m in result.metrics)
            touched = stand_ins(result.metrics)
            assert bool(touched) == (stage != "cost" and (name != "dct" or stage in ("recon", "gen"))), (name, stage)
            for m in result.metrics if stage != "cost" and name != "dct" else ():
                assert str(m.signature[TRAINED_WITH]).startswith("stand-in vgg16#")
    lpips = next(m for m in found["narrow-dct", "recon"].metrics if m.name == "lpips-alex")
    assert str(lpips.signature["weights"]).startswith("stand-in alexnet#")
    psnr = next(m for m in found["narrow-dct", "recon"].metrics if m.name == "psnr")
    assert not stand_ins([psnr]), "no network, no stand-in"
    for name in NAMES:
        assert f"narrow-{name} ({STAND_IN})" in done.out
    assert "not ranked (stand-in alexnet#" in " ".join(done.out.split())
    assert "Limited by --eval-limit" in " ".join(done.out.split())
    assert "*" not in done.out.replace("* best", ""), "nothing is ranked"
    again = run(*NAMES, more=("--stand-in",))
    assert again.code == 0
    assert again.err.count("done before") >= len(found)


@pytest.mark.parametrize("name", ["vqgan", "brics"])
def test_without_leave_an_absent_network_stops_the_run_before_its_first_step(name: str, run, tmp_path: Path) -> None:
    done = run(name, stages="train")
    assert done.code == 2
    assert f"'narrow-{name}' trains with VGG16 (ImageNet) of torchvision: vgg16-397923af.pth is not here" in done.err
    assert "python -m bench fetch vgg16" in done.err
    assert not list((tmp_path / "out").rglob("*"))


@pytest.mark.parametrize("kind", ["truncated", "another"])
@pytest.mark.parametrize("more", [(), ("--stand-in",)], ids=["plain", "stand-in"])
def test_a_damaged_network_stops_the_run_before_its_first_step(
    kind: str, more: tuple[str, ...], run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    whole = stand_in("squeezenet1_1", tmp_path / "made").read_bytes()
    (folder / "vgg16-397923af.pth").write_bytes(whole[:1000] if kind == "truncated" else whole)
    monkeypatch.setenv("BENCH_WEIGHTS", str(folder))
    done = run("vqgan", stages="train", more=more)
    assert done.code == 5
    assert "vgg16-397923af.pth is not the pinned file" in done.err
    assert "delete it and fetch it again" in done.err
    assert "Traceback" not in done.err
    assert not list((tmp_path / "out").rglob("*"))


@pytest.mark.slow
def test_a_run_that_is_killed_in_each_stage_ends_as_one_left_alone(
    images: Path, plugins: dict[str, str], module_cache: Path, tmp_path: Path
) -> None:
    """SIGKILL at the first line of every stage; what is there then is not made again, and the numbers are equal."""

    def start(name: str) -> subprocess.Popen[str]:
        cache = tmp_path / f"cache-{name}"
        (cache / "stand-ins").parent.mkdir(exist_ok=True)
        if not (cache / "stand-ins").exists() and (module_cache / "stand-ins").exists():
            (cache / "stand-ins").symlink_to(module_cache / "stand-ins")
        environment = {**os.environ, "BENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1", "BENCH_WEIGHTS": ""}
        flags = ["--plugin", plugins["kl-ldm"], "--methods", "narrow-kl-ldm", "--dataset", f"folder:{images}"]
        flags += ["--preset", "paper", "--set", "resolution=64", "--limit", "8", "--eval-limit", "4", *SHORT]
        flags += ["--device", "cpu", "--stages", ",".join(STAGES), "--out", str(tmp_path / name), "--stand-in"]
        command = [sys.executable, "-m", "bench", "run", *flags]
        return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)

    for stage in STAGES:
        process = start("killed")
        assert process.stderr is not None
        assert any(line.startswith(f"narrow-kl-ldm seed 0, {stage} (") for line in process.stderr), stage
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    for name in ("killed", "whole"):
        process = start(name)
        _, said = process.communicate()
        assert process.returncode == 0, said
    whole, killed = (results(tmp_path / name) for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    for place, result in whole.items():
        numbers = [(m.name, m.value) for m in result.metrics if m.name != "training-seconds"]
        assert numbers == [(m.name, m.value) for m in killed[place].metrics if m.name != "training-seconds"], place
