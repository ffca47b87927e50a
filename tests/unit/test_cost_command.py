"""``cost``: counted on shapes alone, beside what was published; methods without networks are refused together."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from bench import record
from bench.cli.cost import cost, published, table
from bench.record import Measurement, Result

PLUGIN = '''
"""Two methods: one with parts, one without."""
from dataclasses import dataclass

from bench.contract import MethodEntry, Part


@dataclass(frozen=True)
class Width:
    width: int = 8


def settings(preset, variant):
    return Width()


def parts(settings, build):
    import torch
    from torch import nn

    conv = nn.Conv2d(3, settings.width, 1)
    x = torch.zeros(1, 3, build.resolution, build.resolution)
    assert conv.weight.is_meta and x.is_meta
    return [Part("all", "decoder", lambda: conv(x), {"network": sum(p.numel() for p in conv.parameters())})]


METHOD = MethodEntry("toy", "Toy", "a toy", settings="NAME:settings", parts="NAME:parts")
'''

app = typer.Typer()
app.command()(cost)


@pytest.fixture
def plugin(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    name = f"toy_{abs(hash(request.node.name))}"
    path = tmp_path / f"{name}.py"
    path.write_text(PLUGIN.replace("NAME", name))
    return path


def invoke(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_counts_at_the_presets_resolution_with_options(plugin: Path) -> None:
    done = invoke("--methods", "toy,toy:width=16", "--preset", "smoke", "--plugin", str(plugin), "--json")
    assert done.exit_code == 0, done.output
    data = json.loads(done.output)
    for label, width in (("toy", 8), ("toy:width=16", 16)):
        values = {m["name"]: m["value"] for m in data[label]["metrics"]}
        assert values["decoder-parameters"] == 4 * width
        assert values["decoder-gmac"] == pytest.approx(3 * width * 32 * 32 / 1e9)


def test_prints_a_table(plugin: Path) -> None:
    done = invoke("--methods", "toy", "--preset", "small", "--plugin", str(plugin))
    assert done.exit_code == 0, done.output
    assert "toy" in done.output
    assert "no encoder part" in done.output


def test_methods_without_parts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "partless.py"
    path.write_text('from bench.contract import MethodEntry\nMETHOD = MethodEntry("partless", "P", "no parts")\n')
    done = invoke("--methods", "partless", "--plugin", str(path))
    assert "partless" in str(done.exception)
    assert done.exception.exit_code == 2


def test_published_figures_stand_beside(tmp_path: Path) -> None:
    quoted = Measurement("decoder-gmac-fvcore", 126.79, reason="Table 2.")
    result = Result("cost", "ok", "vqgan:16x16", "VQGAN", "", "paper", 0, "quoted", metrics=(quoted,))
    (tmp_path / "brics").mkdir()
    (tmp_path / "brics" / "cost.json").write_text(record.to_json(result))
    found = published("paper", tmp_path)
    assert published("small", tmp_path) == {}
    made = table({"vqgan:16x16": (Measurement("decoder-gmac-fvcore", 126.789),)}, "paper", found)
    shown = {c.name: cell.text for c, cell in zip(made.columns, made.rows[0].cells, strict=True)}
    assert shown["decoder-gmac-fvcore"] == "126.789"
    assert shown["published decoder-gmac-fvcore"] == "126.790"
    assert made.notes == ("Table 2.",)


def test_without_quoted_results_the_table_has_no_such_columns(tmp_path: Path) -> None:
    assert published("paper", tmp_path) == {}
    made = table({"a": (Measurement("decoder-parameters", 1.0),)}, "paper", {})
    assert not [c.name for c in made.columns if c.name.startswith("published")]
