"""Preparing 20,000 JPEG photographs of 64 px: ``python tests/benchmarks/prepare_images.py [ZIP]``.

Goal: under 60 seconds on 2 cores. Without a zip of photographs, synthetic pictures of the same size are packed first.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from bench.data.datasets.local import open_folder
from tests import sources

COUNT, SIDE, GOAL = 20_000, 64, 60.0


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(sys.argv[1]) if len(sys.argv) > 1 else packed(Path(place) / "images.zip")
        ask = sources.request(Path(place) / "cache", path=path, resolution=SIDE)
        start = time.perf_counter()
        made = open_folder(ask)
        taken = time.perf_counter() - start
        count = len(made.train) + len(made.val)
        goal = GOAL * count / COUNT
        rate = count / taken
        print(f"prepare: {count} images in {taken:.1f} s, {rate:,.0f} images/s, {goal / taken:.1f} times the goal")
        start = time.perf_counter()
        open_folder(ask)
        print(f"again:   {time.perf_counter() - start:.2f} s")


def packed(path: Path) -> Path:
    names = [f"{'val' if i % 10 == 0 else 'train'}/{i:05d}.jpg" for i in range(COUNT)]
    return sources.zipped(path, {name: sources.encoded(i, "JPEG", SIDE, SIDE) for i, name in enumerate(names)})


if __name__ == "__main__":
    main()
