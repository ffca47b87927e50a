"""One cache for many: two runs at once, a cache that was cleaned, one that can only be read, one that is damaged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.results.store import Place
from bench.run import experiment
from bench.run.config import RunConfig

from ..conftest import Command
from ..unit.report.sample_results import recon

ROOT = Path(__file__).parents[2]


def pictures(folder: Path, seed: int, count: int = 6) -> Path:
    folder.mkdir(parents=True)
    for i in range(count):
        pixels = np.random.default_rng(seed + i).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "BENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1"}


def arguments(plugin: str, out: Path, *more: str) -> list[str]:
    return [
        "run",
        "--plugin",
        plugin,
        "--methods",
        "toy",
        "--preset",
        "smoke",
        "--device",
        "cpu",
        "--out",
        str(out),
        *more,
    ]


def psnr(out: Path) -> float:
    (file,) = (path for path in out.rglob("recon.json") if "toy" in str(path))
    return float(next(m["value"] for m in json.loads(file.read_text())["metrics"] if m["name"] == "psnr"))


@pytest.mark.slow
def test_the_same_command_twice_at_once_waits(plugin: str, tmp_path: Path) -> None:
    pair = [
        subprocess.Popen(
            [sys.executable, "-m", "bench", *arguments(plugin, tmp_path / name)],
            cwd=ROOT,
            env=environment(tmp_path / "cache"),
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b")
    ]
    told = [process.communicate()[1] for process in pair]
    assert [process.returncode for process in pair] == [0, 0], told
    assert psnr(tmp_path / "a") == psnr(tmp_path / "b")
    assert len(list((tmp_path / "cache" / "runs").glob("*/final.safetensors"))) == 1
    assert not list((tmp_path / "cache").rglob("*.tmp"))


HOLDING = """
import sys, time
from pathlib import Path
from filelock import FileLock
run = Path(sys.argv[1])
with FileLock(run / "lock"):
    print("held", flush=True)
    while not (run / "waiting").exists():
        time.sleep(0.05)
    for name in ("report.json", "final.safetensors"):
        (run / name).with_suffix(".aside").rename(run / name)
"""


def holder_of(run: Path) -> subprocess.Popen[str]:
    """A process that holds the lock of a training until it sees somebody wait, and ends the training then."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDING, str(run)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_training_that_another_process_holds_is_waited_for_unless_it_was_killed(
    plugin: str, tmp_path: Path, cache: Path
) -> None:
    said: list[str] = []

    def train() -> None:
        config = RunConfig(("toy",), preset="smoke", stages=("train",), plugin=(plugin,), out=tmp_path / f"{len(said)}")
        (result,) = experiment.run(config, say=say)
        assert result.status == "ok", result.error

    def say(line: str) -> None:
        said.append(line)
        if "waiting for it to end" in line:
            (run / "waiting").touch()

    train()
    (run,) = (cache / "runs").iterdir()
    report, final = run / "report.json", run / "final.safetensors"
    inode = final.stat().st_ino
    for path in (report, final):
        path.rename(path.with_suffix(".aside"))
    holder = holder_of(run)
    train()
    assert holder.wait() == 0
    assert sum("waiting for it to end" in line for line in said) == 1
    assert final.stat().st_ino == inode
    report.unlink()
    (run / "waiting").unlink()
    killed = holder_of(run)
    killed.kill()
    killed.wait()
    train()
    assert sum("waiting for it to end" in line for line in said) == 1
    assert report.exists()


def test_what_was_cleaned_is_made_again_by_the_next_stage(
    plugin: str, tmp_path: Path, cache: Path, command: Command
) -> None:
    out = tmp_path / "r"
    assert command(*arguments(plugin, out, "--stages", "train")).code == 0
    assert command("cache", "clean", "--yes").code == 0
    done = command(*arguments(plugin, out, "--stages", "recon"))
    assert done.code == 0, done.err
    assert list((cache / "runs").glob("*/final.safetensors"))


def test_a_complete_cache_that_can_only_be_read_is_enough(
    plugin: str, tmp_path: Path, cache: Path, command: Command
) -> None:
    assert command(*arguments(plugin, tmp_path / "a")).code == 0
    for memo in (cache / "sources").glob("*.bin"):  # what is only remembered is not needed
        memo.unlink()
    mounted = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    asked = ["unshare", "--mount", "sh", "-c", mounted, "sh", str(cache)]
    if subprocess.run([*asked, "true"], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    program = [sys.executable, "-m", "bench", *arguments(plugin, tmp_path / "b")]
    done = subprocess.run(
        [*asked, *program], cwd=ROOT, env=environment(cache), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be written: what is not in it yet cannot be made" in done.stderr
    assert psnr(tmp_path / "b") == psnr(tmp_path / "a")
    more = [*program, "--stages", "train", "--set", "images_seen=8"]
    done = subprocess.run(
        [*asked, *more], cwd=ROOT, env=environment(cache), capture_output=True, text=True, check=False
    )
    assert done.returncode in (2, 3)
    assert "Traceback" not in done.stderr


def test_cache_verify_finds_what_is_damaged(plugin: str, tmp_path: Path, cache: Path, command: Command) -> None:
    assert command(*arguments(plugin, tmp_path / "a")).code == 0
    assert command("cache", "verify").code == 0
    for file in (*(cache / "images").glob("*/pixels.u8"), *(cache / "features").glob("*/values.npy")):
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        done = command("cache", "verify")
        assert done.code == 5, done.out
        assert file.parent.name in done.out
        shutil.rmtree(file.parent)
    assert command("cache", "verify").code == 0


@pytest.mark.usefixtures("cache")
def test_a_device_is_never_replaced(tmp_path: Path, command: Command) -> None:
    node = tmp_path / "pipe"
    os.mkfifo(node)
    one, other, results = pictures(tmp_path / "one", 0), pictures(tmp_path / "other", 50), tmp_path / "results"
    held = recon("vqgan", 21.0)
    Place(results, held.dataset, held.preset, held.method, held.seed).write(held)
    images = ["-r", "64", "--out", str(node)]
    for asked in (
        ["score", "--real", str(one), "--fake", str(other), "--metrics", "psnr", "--per-image", str(node)],
        ["compare", str(results), str(results), "--out", str(node)],
        ["data", "show", f"testset:{one}", *images],
        ["data", "export", f"testset:{one}", "--split", "val", *images],
    ):
        done = command(*asked)
        assert done.code == 2, done.err
        assert "is not a file but a device" in done.err
        assert node.is_fifo()
    done = command("report", "-r", str(results), "--out", str(node))
    assert done.code in (2, 3)
    assert node.is_fifo()
