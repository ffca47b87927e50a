"""Documents in JSON and YAML: results, published numbers, gates, configurations of runs."""

import contextlib
import json
import os
from pathlib import Path

import yaml

from bench.results.record import to_json
from tests.unit.report.sample_results import usual

ROOT = Path(__file__).parents[2]


def result(scratch: Path) -> dict[str, bytes]:
    """The results of a few methods."""
    return {f"results/{i}/{one.stage}.json": to_json(one).encode() for i, one in enumerate(usual())}


def read_result(folder: Path) -> str:
    """Reported in every format of text, and held against themselves."""
    from bench.metrics import METRICS
    from bench.regression import compare, verdicts
    from bench.regression.gates import Gates
    from bench.report import tables
    from bench.report.load import load
    from bench.report.writers import text

    loaded = load([folder / "results"])
    made = tables.tables([one.result for one in loaded], ("comparison", "reconstruction", "generation", "cost"))
    tolerances = {entry.name: entry.tolerance for entry in METRICS.values()}
    found = compare.compare(loaded, loaded, Gates(), tolerances)
    assert verdicts.exit_code(found) in (0, 1, 4)
    return "".join([text.to_json(made), verdicts.to_markdown(found), *map(text.to_text, made)])


def quoted(scratch: Path) -> dict[str, bytes]:
    """Published numbers as they are committed."""
    return {"q/laser.json": (ROOT / "results" / "quoted" / "laser.json").read_bytes()}


def read_quoted(folder: Path) -> str:
    """Their tables."""
    from bench.report.literature import literature
    from bench.report.quoted import load_quoted
    from bench.report.writers import text

    found = load_quoted(folder / "q")
    return text.to_json(literature(found, None))


def _as_yaml(content: object) -> bytes:
    return json.dumps(content).encode()


def gates(scratch: Path) -> dict[str, bytes]:
    """The golden gates, and every other key."""
    golden = yaml.safe_load((ROOT / "tests" / "golden" / "gates.yaml").read_text())
    more = {"level": 0.05, "k": 2.0, "tests": ["bootstrap"], "holm": True, "missing": ["x"], "speed": {"slower": 0.3}}
    return {"gates.yaml": _as_yaml({**golden, **more, "rules": golden["rules"][2:5]})}


def read_gates(folder: Path) -> str:
    """The gates and a rule that follows from them."""
    from bench.regression.gates import read_gates as read

    found = read(folder / "gates.yaml")
    return f"{found} {found.rule({}, 'photos', 'brics', 'psnr')}"


def configuration(scratch: Path) -> dict[str, bytes]:
    """A run's."""
    content = {
        "methods": ["brics:codes=c", "jpeg:q=5..20"],
        "dataset": "photos",
        "preset": "smoke",
        "seeds": "0,1",
        "limit": 10,
        "strict": True,
        "set": ["images=100"],
    }
    return {"run.yaml": _as_yaml(content)}


def read_configuration(folder: Path) -> str:
    """The cells that it asks for; where they cannot be had that is said of them, not of the file."""
    from bench.errors import BenchError
    from bench.run.config import run_config
    from bench.run.opening import cells_of

    os.chdir(folder)
    config = run_config({}, folder / "run.yaml")
    with contextlib.suppress(BenchError):
        return str([cell.label for cell in cells_of(config)])
    return str(config)
