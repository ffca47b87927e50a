"""Makes the golden smoke results and their gates anew; run by hand after a wanted change, and read what it prints.

    python tests/golden/regenerate.py            # seed 0 only: results; the gates stay
    python tests/golden/regenerate.py --noise    # also 5 seeds x {1, 2} threads: how far trained numbers scatter

CI runs the same cells (``smoke.yaml``) and holds them against ``smoke/`` with ``bench compare``: exactly for what is
not trained and for counts, within the measured seed noise for what is.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.regression import verdicts
from bench.regression.compare import compare
from bench.regression.gates import Gates, Rule
from bench.report.load import Loaded, load
from bench.results.record import Result, to_json

HERE = Path(__file__).parent
GOLDEN = HERE / "smoke"
STAGES = ("recon", "cost")
SEEDS, THREADS = range(5), (1, 2)
PACKAGES = ("torch", "numpy", "scipy", "pillow")
HEAD = """# Gates of the golden smoke results, written by tests/golden/regenerate.py --noise.
# "seeds" is the standard deviation of each number over 5 training seeds x {1, 2} threads. What is not trained is exact,
# but for the last digits in which processors differ (precision and its kin move in steps of 1/64).
rules:
- {method: "*", metric: "*", absolute: 0.0, relative: 1.0e-6, both: true}
- {method: "*", metric: "*-r64", absolute: 0.016, relative: 1.0e-3, both: true}
"""


def run(folder: Path, seed: int, threads: int) -> list[Loaded]:
    command = [sys.executable, "-m", "bench", "run", "--config", str(HERE / "smoke.yaml")]
    command += ["--seeds", str(seed), "--out", str(folder / "out")]
    threaded = {"OMP_NUM_THREADS": str(threads), "BENCH_CACHE": str(folder / "cache"), "BENCH_WEIGHTS": ""}
    subprocess.run(command, env={**os.environ, **threaded}, check=True, stdout=subprocess.DEVNULL)
    return load([folder / "out"])


def numbers(results: list[Loaded]) -> dict[tuple[str, str], float]:
    """Every ranked number of the reconstructions of trained methods, by (method, metric)."""
    trained = {item.result.method for item in results if (item.result.stage, item.result.status) == ("train", "ok")}
    found = {}
    for item in results:
        if item.result.method not in trained:
            continue
        for m in item.result.metrics:
            if item.result.stage == "recon" and m.value is not None and m.higher_is_better is not None:
                found[item.result.method, m.name] = m.value
    return found


def noise() -> dict[tuple[str, str], float]:
    runs = []
    for seed in SEEDS:
        for threads in THREADS:
            with tempfile.TemporaryDirectory() as folder:
                runs.append(numbers(run(Path(folder), seed, threads)))
            sys.stderr.write(f"seed {seed}, {threads} thread(s): done\n")
    return {key: statistics.stdev(one[key] for one in runs) for key in sorted(runs[0])}


def write_gates(deviations: dict[tuple[str, str], float]) -> None:
    rules = [
        f'- {{method: "{method}", metric: {metric}, seeds: {deviation:.3g}, both: true}}\n'
        for (method, metric), deviation in deviations.items()
    ]
    (HERE / "gates.yaml").write_text(HEAD + "".join(rules), encoding="utf-8")


def stripped(result: Result) -> Result:
    """Without what belongs to this machine and moment; what a reader needs to repeat it stays."""
    arguments = {**result.arguments, "out": "results/local"}
    if not result.provenance:  # a stage that does not apply ran nothing
        return replace(result, arguments=arguments)
    packages = {name: result.provenance["packages"].get(name) for name in PACKAGES}
    kept = {"version": result.provenance["version"], "python": result.provenance["python"], "packages": packages}
    return replace(result, provenance=kept, arguments=arguments)


def write_results(results: list[Loaded], root: Path) -> None:
    shutil.rmtree(GOLDEN, ignore_errors=True)
    for item in results:
        if item.result.stage not in STAGES:
            continue
        target = GOLDEN / item.path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(to_json(stripped(item.result)), encoding="utf-8")
        if item.result.per_image:
            shutil.copy(item.beside(item.result.per_image), target.parent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--noise", action="store_true", help="measure the seed noise as well")
    wanted = parser.parse_args()
    if wanted.noise:
        write_gates(noise())
    with tempfile.TemporaryDirectory() as folder:
        new = run(Path(folder), seed=0, threads=1)
        if GOLDEN.is_dir():
            every = Gates(rules=(Rule(absolute=0.0, relative=0.0, seeds=0.0, both=True),))
            sys.stdout.write(verdicts.to_markdown(compare(load([GOLDEN]), new, every, {})))
        write_results(new, Path(folder) / "out")


if __name__ == "__main__":
    main()
