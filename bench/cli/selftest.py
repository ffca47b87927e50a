"""``selftest``: the contract's checks on one adapter, with random images and an untrained network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bench.core.visible import visible

if TYPE_CHECKING:
    import torch

    from bench.contract import Tokenizer
    from bench.run.method_string import Method


def selftest(
    method: Annotated[str, typer.Argument(help="a method string, or FILE.py[:NAME] with a METHOD or tokenizer class")],
    preset: Annotated[str, typer.Option(help="smoke, small, medium or paper")] = "smoke",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "cpu",
) -> int:
    """Check a tokenizer adapter against the contract; exit 0 when every law holds, else 3."""
    from bench.core.failures import contained
    from bench.core.registry import lookup
    from bench.errors import AdapterError
    from bench.evaluate.selftest import selftest as checks
    from bench.run.presets import PRESETS

    resolution = lookup(PRESETS, preset, "preset").resolution
    try:
        with contained():
            tokenizer, where = _built(method, preset, resolution, device)
    except AdapterError as error:
        typer.echo(visible(f"FAIL it can be imported and built: {error}"))
        return 3
    broken = 0
    for check in checks(tokenizer, resolution, where):
        typer.echo(visible(f"ok   {check.law}" if check.problem is None else f"FAIL {check.law}: {check.problem}"))
        broken += check.problem is not None
    return 3 if broken else 0


def _built(method: str, preset: str, resolution: int, device: str) -> tuple[Tokenizer, torch.device]:
    """The untrained tokenizer, and the device that it is on."""
    import torch

    from bench.contract import Build
    from bench.core import registry, seeding
    from bench.core.devices import choose_device
    from bench.core.distributed import Alone
    from bench.errors import UsageError
    from bench.pretrained import weights
    from bench.run import plugins
    from bench.run.cells import parse_methods
    from bench.run.opening import methods_table
    from bench.run.settings import resolve

    if ".py" in method:
        entry = plugins.plugin_entry(method)
        settings = resolve(registry_method(entry.name), entry, preset)
    else:
        table = methods_table(())
        parsed = parse_methods([method], table)[0]
        entry, settings = table[parsed.name], resolve(parsed, table[parsed.name], preset)
    build = Build((resolution, resolution), 0, choose_device(device), Alone(), training=False, weights=weights.find)
    torch.manual_seed(seeding.derive(0, "initialisation"))
    able = registry.method_of(entry)
    if able.tokenizer:
        return able.tokenizer(settings, build), build.device
    if not able.learner:
        raise UsageError(f"'{method}' has neither a tokenizer nor a learner, so there is nothing to test.")
    learner = able.learner(settings, build)
    learner.module.to(build.device)
    return learner.finish(), build.device


def registry_method(name: str) -> Method:
    """A method string of a name alone."""
    from bench.run.method_string import Method

    return Method(name)
