"""The composite GitHub action of the gate: its own shell lines, run as the runner runs them, all but pip's."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ACTION = Path(__file__).parents[2] / ".github" / "actions" / "gate" / "action.yml"


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    return yaml.safe_load(ACTION.read_text(encoding="utf-8"))


def ran(action: dict[str, Any], given: dict[str, str], home: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """The steps after the installation, until one fails; every expression is an input, passed as a variable."""
    inputs = {name: given.get(name, about.get("default", "")) for name, about in action["inputs"].items()}
    shared = {"RUNNER_TEMP": str(home), "BENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    shared |= {"GITHUB_STEP_SUMMARY": str(home / "summary.md")}
    shared |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for step in action["runs"]["steps"][2:]:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "an expression in a script could be injected into"
        named = {name: re.fullmatch(r"\$\{\{ inputs\.(\w+) \}\}", text) for name, text in step["env"].items()}
        environment = {**os.environ, **shared, **{name: inputs[match[1]] for name, match in named.items()}}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return done
    return done


def test_the_gate_passes_equal_results_and_fails_worse_ones(
    action: dict[str, Any], tmp_path: Path, shared_cache: Path
) -> None:
    asked = {"methods": "vqgan", "preset": "smoke", "stages": "cost", "baseline": str(tmp_path / "kept")}
    first = ran(action, {**asked, "baseline": str(tmp_path / "measured")}, tmp_path, shared_cache)
    assert first.returncode == 0, first.stderr
    shutil.copytree(tmp_path / "measured", tmp_path / "kept")
    equal = ran(action, asked, tmp_path, shared_cache)
    assert equal.returncode == 0, equal.stderr
    assert "No regression" in (tmp_path / "summary.md").read_text()
    kept = tmp_path / "kept" / "photos-smoke" / "vqgan" / "seed0" / "cost.json"
    record = json.loads(kept.read_text())
    for number in record["metrics"]:
        if number["name"] == "decoder-parameters":
            number["value"] /= 2
    kept.write_text(json.dumps(record))
    worse = ran(action, asked, tmp_path, shared_cache)
    assert worse.returncode == 1, worse.stderr
    assert "decoder-parameters" in worse.stdout


def test_the_workflow_of_its_readme_gives_the_action_what_it_takes(action: dict[str, Any]) -> None:
    text = ACTION.with_name("README.md").read_text(encoding="utf-8")
    workflow = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1])
    checkout, gate = workflow["jobs"]["gate"]["steps"]
    assert checkout["uses"].startswith("actions/checkout@"), "the action and the baseline lie in the checkout"
    assert (ACTION.parents[3] / gate["uses"]).resolve() == ACTION.parent
    assert gate["with"].keys() <= action["inputs"].keys()
    assert {name for name, about in action["inputs"].items() if about.get("required")} <= gate["with"].keys()


def test_only_what_was_asked_for_is_a_flag(action: dict[str, Any]) -> None:
    measured = action["runs"]["steps"][2]["run"]
    assert '${PLUGIN:+--plugin "$PLUGIN"}' in measured
    assert {name for name, about in action["inputs"].items() if about.get("required")} == {"baseline", "methods"}
