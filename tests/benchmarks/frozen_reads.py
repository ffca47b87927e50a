"""Random-order reads of a frozen array of 64 px from a warm cache: ``python tests/benchmarks/frozen_reads.py``.

Goal: at least 20,000 images per second on 2 cores, in batches of 16 as training reads them.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from bench.data import freezing
from bench.data import frozen as arrays

COUNT, SIDE, BATCH, ROUNDS = 20_000, 64, 16, 5
GOAL = 20_000


def main() -> None:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        writer = freezing.Writer(Path(place) / "set", SIDE, SIDE)
        for _ in range(0, COUNT, 1000):
            writer.append(freezing.Block(rng.integers(0, 256, (1000, 3, SIDE, SIDE), np.uint8)))
        frozen = writer.finish()
        start = time.perf_counter()
        arrays.verify(frozen)
        print(f"verify:       {COUNT / (time.perf_counter() - start):10,.0f} images/s")
        start = time.perf_counter()
        arrays.open_frozen(Path(place) / "set")
        print(f"open:         {(time.perf_counter() - start) * 1e3:10.1f} ms")
        rates = []
        for _ in range(ROUNDS):
            order = rng.permutation(COUNT)
            start = time.perf_counter()
            for first in range(0, COUNT, BATCH):
                frozen.pixels[order[first : first + BATCH]]
            rates.append(COUNT / (time.perf_counter() - start))
    median = float(np.median(rates))
    print(f"random reads: {median:10,.0f} images/s (median of {ROUNDS}), {median / GOAL:.1f} times the goal")


if __name__ == "__main__":
    main()
