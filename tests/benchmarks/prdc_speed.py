"""Precision and recall on N x N x D features: time and peak extra memory, against torch-fidelity's save_cpu_ram path.

    python tests/benchmarks/prdc_speed.py [--images 20000] [--dimensions 2048]

The time for 50,000 images is extrapolated by the square of the count.
"""

import argparse
import resource
import sys
import threading
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.metrics.entries import MetricProtocol
from bench.metrics.feature_cache import Features
from bench.metrics.formulas.prdc import density_coverage, precision_recall


def resident():
    """Bytes in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def watched(work):
    """Result, wall seconds, processor seconds, peak extra bytes."""
    before, peak, done = resident(), [0], threading.Event()

    def watch():
        while not done.wait(0.02):
            peak[0] = max(peak[0], resident() - before)

    thread = threading.Thread(target=watch)
    thread.start()
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    spent = time.perf_counter() - wall, time.process_time() - processor
    done.set()
    thread.join()
    return result, *spent, peak[0]


def told(name, measured):
    result, wall, processor, extra = measured
    print(f"{name}: {result}", flush=True)
    print(f"  {wall:.1f} s wall, {processor:.1f} s processor, {extra / 2**30:.2f} GiB extra", flush=True)


def main():
    from torch_fidelity.metric_prc import calculate_precision_recall_part

    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--dimensions", type=int, default=2048)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    mixing = random.standard_normal((32, options.dimensions), dtype=np.float32)
    sets = []
    for spread in (1.0, 0.9):
        hidden = random.standard_normal((options.images, 32), dtype=np.float32) * spread
        sets.append(hidden @ mixing + 0.1 * random.standard_normal((options.images, options.dimensions), np.float32))
    real, fake = sets
    protocol = MetricProtocol("benchmark", "", {})
    sets = Features("real", real), Features("fake", fake)
    own = watched(lambda: precision_recall(*sets, protocol))
    told("ours", own)
    told("density and coverage", watched(lambda: density_coverage(*sets, protocol)))
    theirs = watched(lambda: calculate_precision_recall_part(torch.from_numpy(fake), torch.from_numpy(real)))
    told("torch-fidelity", theirs)
    print(f"ratio: {own[1] / theirs[1]:.2f} wall, {own[2] / theirs[2]:.2f} processor")
    scale = (50_000 / options.images) ** 2
    print(f"extrapolated to 50,000 images: {own[1] * scale / 60:.0f} min wall")


if __name__ == "__main__":
    main()
