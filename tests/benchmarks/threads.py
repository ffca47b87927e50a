"""Training and scoring alone, and beside one and two busy processes, with idle threads that spin and that sleep.

    python tests/benchmarks/threads.py

Prints wall and processor seconds of ``vqgan`` at ``smoke`` (train, recon) and of ``score`` on its images.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

POLICIES = {
    "spinning": {"GOMP_SPINCOUNT": "300000"},
    "sleeping": {},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
"""GNU OpenMP's idle threads spin that often unless told otherwise; the command line tells them to sleep."""


@contextmanager
def busy(count: int) -> Iterator[None]:
    """That many processes that do nothing but compute."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def measured(arguments: list[str], policy: dict[str, str]) -> tuple[float, float]:
    """Wall and processor seconds of ``python -m bench`` with these arguments, on an empty cache."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
    with tempfile.TemporaryDirectory() as cache:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        environment = {**plain, **policy, "BENCH_CACHE": cache}
        command = [sys.executable, "-m", "bench", *arguments]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, used


def images(folder: Path, count: int = 200) -> None:
    """Random photographs' stand-ins of 64 px."""
    folder.mkdir()
    for index in range(count):
        small = Image.fromarray(np.random.RandomState(index).randint(0, 256, (8, 8, 3)).astype(np.uint8))
        small.resize((64, 64), Image.Resampling.BICUBIC).save(folder / f"{index:04d}.png")


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images(folder / "a")
        run = ["run", "--methods", "vqgan", "--dataset", "photos", "--preset", "smoke", "--stages", "train,recon"]
        score = ["score", "--real", str(folder / "a"), "--fake", str(folder / "a"), "--metrics", "psnr,ssim,fd-r64"]
        work = {"train and recon": [*run, "--out", str(folder / "out"), "--overwrite"], "score": score}
        for count in range(3):
            with busy(count):
                for what, arguments in work.items():
                    for policy, environment in POLICIES.items():
                        wall, used = measured(arguments, environment)
                        print(f"{count} busy beside, {what:16} {policy:11} {wall:6.1f} s wall {used:6.1f} s processor")


if __name__ == "__main__":
    main()
