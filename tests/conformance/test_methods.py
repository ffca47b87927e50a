"""Every registered method keeps the contract: plain entries, settings, codes, images, revisions, clear words."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import methods
from bench.contract import Batch, Build, FixedSize, Indices, MethodEntry
from bench.core import digest, seeding
from bench.core.distributed import Alone
from bench.core.registry import load, method_of
from bench.errors import BenchError
from bench.evaluate import fitting
from bench.evaluate.cost import count
from bench.evaluate.selftest import selftest
from bench.run.presets import PRESETS
from methods import METHODS
from tests import published

ENTRIES: dict[str, MethodEntry] = {name: load(path) for name, path in METHODS.items()}
NEEDS_A_SOURCE = frozenset(name for name, entry in ENTRIES.items() if entry.takes_rest)
"""Methods whose variant names a file or repository; they have tests of their own."""
TOKENIZERS = sorted(name for name in ENTRIES if name not in NEEDS_A_SOURCE)
TRAINED = [name for name in TOKENIZERS if method_of(ENTRIES[name]).learner]
LOADED = [name for name in TOKENIZERS if not (method_of(ENTRIES[name]).learner or method_of(ENTRIES[name]).tokenizer)]
"""Methods that have tokenizers of published weights alone; here of a narrow file as their publishers write it."""
CPU = torch.device("cpu")
SIDE = PRESETS["smoke"].resolution


def folder(name: str) -> Path:
    return Path(methods.__file__).parent / METHODS[name].partition(":")[0].split(".")[1]


def is_method(name: str) -> bool:
    """Not ready-made images, whose rows are the harness's own."""
    return METHODS[name].startswith("methods.")


def settings_of(name: str, preset: str, variant: str | None = None):
    entry = ENTRIES[name]
    assert entry.settings is not None
    return entry.settings(preset, variant)


def parts_of(name: str, variant: str | None, preset: str):
    build = Build((PRESETS[preset].resolution, PRESETS[preset].resolution), 0, torch.device("meta"), Alone())
    return method_of(ENTRIES[name]).parts(settings_of(name, preset, variant), build)


def configurations(preset: str) -> list[tuple[str, str | None]]:
    """Every method with every variant that it lists, and with its default."""
    return [(name, variant) for name in TOKENIZERS for variant in (None, *ENTRIES[name].variants)]


def attempt(call: Callable[[], Any]) -> tuple[Any, str]:
    """What the call gives, or None with the words of its refusal."""
    try:
        return call(), ""
    except BenchError as error:
        return None, str(error)


def learner(name: str, seed: int = 0):
    torch.manual_seed(seeding.derive(seed, "initialisation"))
    return method_of(ENTRIES[name]).learner(settings_of(name, "smoke"), Build((SIDE, SIDE), seed, CPU, Alone()))


def tokenizer(name: str, seed: int = 0):
    able = method_of(ENTRIES[name])
    if able.learner:
        return learner(name, seed).finish()
    if able.tokenizer is None:
        return published.narrow(name, (SIDE, SIDE), seed)
    return able.tokenizer(settings_of(name, "smoke"), Build((SIDE, SIDE), seed, CPU, Alone()))


def images(count: int = 4, height: int = SIDE, width: int = SIDE) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


@pytest.mark.parametrize("name", ENTRIES)
def test_the_entry_is_plain_and_complete(name: str):
    entry = ENTRIES[name]
    assert entry.name == name
    assert entry.title
    assert entry.summary
    able = method_of(entry)
    assert able.tokenizer or able.learner or able.checkpoint or not is_method(name)
    assert load(entry.code) is not None
    assert all(callable(given) for given in (entry.settings, entry.prior_settings, entry.networks) if given is not None)
    assert (entry.prior_settings is None) == (able.prior is None)


@pytest.mark.parametrize("name", [name for name in ENTRIES if is_method(name)])
def test_the_folder_says_where_the_method_comes_from(name: str):
    assert len((folder(name) / "README.md").read_text(encoding="utf-8")) > 300
    if ENTRIES[name].source:
        source = tomllib.loads((folder(name) / "source.toml").read_text(encoding="utf-8"))
        for checkpoint in source.get("checkpoints", {}).values():
            assert {"pin", "pin_source", "licence"} <= checkpoint.keys()
            assert checkpoint.get("url") or checkpoint.get("file")
            assert checkpoint["variant"] in ENTRIES[name].variants
            settings_of(name, "paper", checkpoint["variant"])


def test_entries_and_settings_load_no_torch():
    code = (
        "import sys; from methods import METHODS; from bench.core.registry import load\n"
        "for path in METHODS.values():\n"
        "    entry = load(path)\n"
        "    if entry.settings and not entry.takes_rest: entry.settings('smoke', None)\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("preset", PRESETS)
def test_settings_are_frozen_plain_data_at_every_preset(preset: str):
    for name, variant in configurations(preset):
        settings, refusal = attempt(partial(settings_of, name, preset, variant))
        if settings is None:
            assert variant is not None, f"{name} has no default at {preset}: {refusal}"
            assert variant in refusal
            continue
        assert json.dumps(digest.plain(settings), allow_nan=False)
        assert settings == settings_of(name, preset, variant)
        with pytest.raises(dataclasses.FrozenInstanceError):
            settings.anything = 1


@pytest.mark.parametrize("preset", PRESETS)
def test_every_configuration_builds_on_the_meta_device_and_is_counted(preset: str):
    for name, variant in configurations(preset):
        if method_of(ENTRIES[name]).parts is None:
            continue
        parts, refusal = attempt(partial(parts_of, name, variant, preset))
        if parts is None:
            assert variant is not None, f"{name} does not build at {preset}: {refusal}"
            continue
        numbers = {m.name: m.value for m in count(parts)}
        assert numbers["decoder-gmac"] is not None, f"{name}:{variant} at {preset} counts no decoder"


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_laws_of_the_contract_hold(name: str):
    broken = [f"{check.law}: {check.problem}" for check in selftest(tokenizer(name), SIDE, CPU) if check.problem]
    assert not broken


@pytest.mark.parametrize("name", TRAINED + LOADED)
def test_the_revision_is_that_of_the_weights(name: str):
    assert tokenizer(name, seed=0).revision == tokenizer(name, seed=0).revision
    assert tokenizer(name, seed=0).revision != tokenizer(name, seed=1).revision


@pytest.mark.parametrize("name", TRAINED)
def test_saved_weights_give_the_same_tokenizer(name: str):
    one, other = learner(name, seed=0), learner(name, seed=1)
    other.module.load_state_dict(one.module.state_dict())
    trained, loaded = one.finish(), other.finish()
    codes = trained.encode(images())
    assert trained.revision == loaded.revision
    assert torch.equal(trained.decode(codes), loaded.decode(codes))


@pytest.mark.parametrize("name", TRAINED)
def test_a_training_step_has_finite_losses_and_gradients(name: str):
    made = learner(name)
    batch = Batch(seeding.step_seeds(0, 0, 4), images())
    names = [phase.name for phase in made.phases]
    assert len(set(names)) == len(names)
    for phase in made.phases:
        losses = phase.loss(batch, 0)
        assert losses.total.ndim == 0
        assert torch.isfinite(losses.total)
        assert all(torch.isfinite(value).all() and not value.requires_grad for value in losses.parts.values())
        losses.total.backward()
        gradients = [p.grad for p in phase.parameters if p.grad is not None]
        assert gradients
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
        for parameter in phase.parameters:
            parameter.grad = None
    made.after_step(0)


@pytest.mark.parametrize("name", TRAINED)
def test_what_is_trained_is_in_the_module(name: str):
    made = learner(name)
    held = {id(parameter) for parameter in made.module.parameters()}
    for phase in made.phases:
        assert {id(parameter) for parameter in phase.parameters} <= held
        optimised = {id(p) for group in phase.optimizer.param_groups for p in group["params"]}
        assert optimised == {id(parameter) for parameter in phase.parameters}
    assert made.averaged is None or {id(p) for p in made.averaged.module.parameters()} <= held


@pytest.mark.parametrize("name", TOKENIZERS)
def test_an_odd_size_is_taken_or_refused_in_one_sentence(name: str):
    made = tokenizer(name)
    decoded, refusal = attempt(lambda: made.decode(made.encode(images(2, 37, 41))))
    if decoded is None:
        assert len(refusal) > 20
        assert "\n" not in refusal
    else:
        assert decoded.dtype == torch.float32
        assert float(decoded.min()) >= 0
        assert float(decoded.max()) <= 1


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_build_for_images_that_are_no_squares_is_taken_or_refused_with_the_remedy(name: str):
    able, settings, build = (
        method_of(ENTRIES[name]),
        settings_of(name, "smoke"),
        Build((SIDE, 2 * SIDE), 0, CPU, Alone()),
    )
    make = able.learner or able.tokenizer or (lambda settings, build: published.narrow(name, build.size))
    made, refusal = attempt(lambda: make(settings, build))
    if made is None:
        assert refusal.endswith(f"takes square images alone, not {2 * SIDE}x{SIDE}; crop them to squares first.")
    else:
        assert made.decode(made.encode(images(1, SIDE, 2 * SIDE))).shape == (1, 3, SIDE, 2 * SIDE)
    if able.parts:
        counted, said = attempt(lambda: count(able.parts(settings, build)))
        assert (counted is None) == (made is None), said


@pytest.mark.parametrize("name", [name for name in ENTRIES if is_method(name)])
def test_the_entry_says_which_images_a_tokenizer_takes(name: str):
    assert ENTRIES[name].takes is not None


@pytest.mark.parametrize("name", TOKENIZERS)
def test_images_of_the_sizes_that_are_taken_come_back_at_their_size(name: str):
    given, made = ENTRIES[name].takes, tokenizer(name)
    takes = given(settings_of(name, "smoke"), (SIDE, SIDE)) if callable(given) else given
    odd = images(1, SIDE + 5, 2 * SIDE - 3)
    if isinstance(takes, FixedSize):
        assert (takes.height, takes.width) == (SIDE, SIDE)
        assert attempt(lambda: made.encode(odd))[0] is None
        return
    padded = fitting.padded(takes, odd)
    decoded = made.decode(made.encode(padded))
    assert decoded.shape == padded.shape
    assert fitting.cropped(decoded, odd.shape[2:]).shape == odd.shape


@pytest.mark.parametrize("name", TOKENIZERS)
def test_encoding_leaves_the_global_random_state_alone(name: str):
    made = tokenizer(name)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    codes = made.encode(images(2))
    made.decode(codes)
    assert torch.equal(before, torch.get_rng_state())
    assert not isinstance(codes, Indices) or codes.tensor.dtype == torch.int64
