"""``cost``: counted on shapes alone, beside what was published; methods without networks are refused together."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from bench.cli.cost import cost
from bench.report.published import published, table
from bench.report.quoted import load_quoted
from bench.results.record import Measurement

PLUGIN = '''
"""Two methods: one with parts, one without."""
from dataclasses import dataclass

from bench.contract import Method, MethodEntry, Part


@dataclass(frozen=True)
class Width:
    width: int = 8


def settings(preset, variant):
    return Width()


def parts(settings, build):
    import torch
    from torch import nn

    conv = nn.Conv2d(3, settings.width, 1)
    x = torch.zeros(1, 3, *build.size)
    assert conv.weight.is_meta and x.is_meta
    return [Part("all", "decoder", lambda: conv(x), {"network": sum(p.numel() for p in conv.parameters())})]


TOY = Method(parts=parts)
METHOD = MethodEntry("toy", "Toy", "a toy", code="NAME:TOY", settings=settings)
'''

PARTLESS = """
from bench.contract import Method, MethodEntry
NOTHING = Method()
METHOD = MethodEntry("partless", "P", "no parts", code="partless:NOTHING")
"""

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
    path.write_text(PARTLESS)
    done = invoke("--methods", "partless", "--plugin", str(path))
    assert "partless" in str(done.exception)
    assert done.exception.exit_code == 2


PAPER = Path(__file__).parents[3] / "results" / "quoted"
VARIANTS = {"vqgan:16x16": "16x16", "brics:64x64x4": "64x64x4", "kl-ldm": "f8", "rqvae:8x8x4": "8x8x4", "dct": None}


def test_published_figures_stand_beside_ours() -> None:
    found = published(VARIANTS, load_quoted(PAPER))
    assert found["vqgan:16x16"]["decoder-gmac-fvcore"].value == 126.79
    assert found["brics:64x64x4"]["decoder-gmac-fvcore"].value == 63.41
    assert any("cannot be reproduced" in note for note in found["brics:64x64x4"]["decoder-gmac-fvcore"].notes)
    made = table({"vqgan:16x16": (Measurement("decoder-gmac-fvcore", 126.789),)}, "paper", found)
    shown = {c.name: cell.text for c, cell in zip(made.columns, made.rows[0].cells, strict=True)}
    assert shown["decoder-gmac-fvcore"] == "126.789"
    assert shown["published decoder-gmac-fvcore"] == "126.79"
    assert any("fvcore" in note for note in made.notes)


def test_numbers_of_the_official_code_fill_in_and_say_so() -> None:
    found = published(VARIANTS, load_quoted(PAPER))
    for label, expected in (("kl-ldm", 311.695), ("rqvae:8x8x4", 125.2)):
        number = found[label]["decoder-gmac-fvcore"]
        assert number.value == expected
        assert any("measured on the official code" in note for note in number.notes)


def test_without_published_figures_the_table_has_no_such_columns() -> None:
    made = table({"a": (Measurement("decoder-parameters", 1.0),)}, "paper", published({"a": None}, ()))
    assert not [c.name for c in made.columns if c.name.startswith("published")]
