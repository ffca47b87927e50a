"""The Fréchet step at 2,048 dimensions against scipy.linalg.sqrtm and numpy.linalg.eigvals.

python tests/benchmarks/frechet_speed.py [--dimensions 2048]
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import scipy.linalg

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.metrics.feature_cache import moments
from bench.metrics.formulas.frechet import covariance_root_trace


def clocked(name, work):
    wall, processor = time.perf_counter(), time.process_time()
    value = work()
    spent = time.perf_counter() - wall, time.process_time() - processor
    print(f"{name:<32} {value:.9g}  {spent[0]:7.2f} s wall {spent[1]:7.2f} s processor", flush=True)
    return spent


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dimensions", type=int, default=2048)
    size = parser.parse_args().dimensions
    random = np.random.RandomState(0)
    mixing = random.randn(size, size).astype(np.float32) / np.sqrt(size)
    one, other = (moments(random.randn(3 * size, size).astype(np.float32) @ mixing * s) for s in (1.0, 0.9))
    product = one.covariance @ other.covariance
    own = clocked("symmetric eigenvalues (ours)", lambda: covariance_root_trace(one, other))
    values = clocked("numpy.linalg.eigvals", lambda: np.sqrt(np.linalg.eigvals(product).astype(complex)).real.sum())
    root = clocked("scipy.linalg.sqrtm", lambda: np.trace(scipy.linalg.sqrtm(product)).real)
    for name, theirs in (("eigvals", values), ("sqrtm", root)):
        print(f"faster than {name}: {theirs[0] / own[0]:.1f} x wall, {theirs[1] / own[1]:.1f} x processor")


if __name__ == "__main__":
    main()
