"""How networks are executed: fused optimisers, autocast, channels last, TF32 and compilation, on the CPU and on CUDA.

What needs no GPU runs on the CPU as well; what only a GPU has is marked ``cuda``.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric

from bench.contract import Learner
from bench.core.progress import silent
from bench.core.registry import method_of
from bench.train.batches import ImageSource
from bench.train.loop import FitPlan, fit
from tests.rehearsal.running import build, photographs
from tests.rehearsal.shrink import ENTRIES, Case, case

TRAINED = [name for name, entry in ENTRIES.items() if method_of(entry).learner]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
STEPS = 2


def early(settings: Any) -> Any:
    """Everything on from the first step, so that two steps have it all."""
    starts = {"disc_start", "kmeans_at", "warmup"} & {field.name for field in fields(settings)}
    return replace(settings, **dict.fromkeys(starts, 0))


def small(method: str) -> Case:
    found = case(method, "medium", None)
    assert found is not None
    return found


def learner(method: str, vgg16: Path, device: str, **execution: bool) -> Learner:
    one = small(method)
    made = replace(build(one.side, vgg16), device=torch.device(device), **execution)
    trained: Learner = method_of(one.entry).learner(early(one.settings), made)
    trained.module.to(device)
    return trained


def train(made: Learner, side: int, folder: Path, device: str, precision: str) -> list[float]:
    """The main loss of each step."""
    fabric = Fabric(accelerator=device, devices=1, precision=precision)  # type: ignore[arg-type]
    plan = FitPlan(STEPS * made.batch, seed=3)
    report = fit(made, ImageSource(photographs(side)), plan, fabric, folder, silent)
    return [point["autoencoder/total"] for point in report.curve]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", TRAINED)
def test_channels_last_and_bfloat16_stay_near_the_plain_training(
    method: str, device: str, vgg16: Path, tmp_path: Path
) -> None:
    curves = {}
    for precision, last in (("32-true", False), ("32-true", True), ("bf16-mixed", False)):
        made = learner(method, vgg16, device, channels_last=last)
        curves[precision, last] = train(made, small(method).side, tmp_path / f"{precision}{last}", device, precision)
        kernels = [p for p in made.module["autoencoder"].parameters() if p.ndim == 4 and min(p.shape) > 1]  # type: ignore[index]
        assert all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels) == last
        assert all(p.dtype == torch.float32 for p in made.module.parameters())
    plain, last, rough = curves.values()
    assert last == pytest.approx(plain, rel=2e-3)
    assert rough != plain, "the precision reaches the networks"
    # What is rounded channel by channel falls on the other side of a step more often than a nearest neighbour changes.
    assert rough == pytest.approx(plain, rel=0.1 if method == "fsq" else 0.05)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("fused", [False, True])
def test_the_optimiser_is_fused_where_it_can_be_and_steps_alike(fused: bool, device: str) -> None:
    """Three steps of Adam on fixed gradients, fused or not, against the formulas of Kingma and Ba 2015."""
    start, pull = torch.linspace(-1, 1, 7, device=device), torch.linspace(0.5, 2, 7, device=device)
    weight = torch.nn.Parameter(start.clone())
    optimizer = torch.optim.Adam([weight], lr=0.01, betas=(0.5, 0.9), fused=fused)
    wanted, first, second = start.double(), torch.zeros(7).double().to(device), torch.zeros(7).double().to(device)
    for step in range(1, 4):
        gradient = (pull * step).double()
        weight.grad = (pull * step).clone()
        optimizer.step()
        first, second = 0.5 * first + 0.5 * gradient, 0.9 * second + 0.1 * gradient.square()
        wanted = wanted - 0.01 * (first / (1 - 0.5**step)) / ((second / (1 - 0.9**step)).sqrt() + 1e-8)
    torch.testing.assert_close(weight.detach().double(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.cuda
@pytest.mark.parametrize("method", TRAINED)
def test_on_cuda_every_optimiser_is_fused(method: str, vgg16: Path) -> None:
    for phase in learner(method, vgg16, "cuda").phases:
        assert all(group["fused"] for group in phase.optimizer.param_groups)


@pytest.mark.cuda
@pytest.mark.parametrize("method", TRAINED)
def test_cuda_trains_as_the_cpu_does(method: str, vgg16: Path, tmp_path: Path) -> None:
    curves = []
    for device in ("cpu", "cuda"):
        made = learner(method, vgg16, device)
        curves.append(train(made, small(method).side, tmp_path / device, device, "32-true"))
    assert curves[1] == pytest.approx(curves[0], rel=1e-2)


@pytest.mark.cuda
@pytest.mark.parametrize("method", TRAINED)
def test_tf32_stays_near_float32(method: str, vgg16: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curves = []
    for allowed in (False, True):
        monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", allowed)
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", allowed)
        made = learner(method, vgg16, "cuda")
        curves.append(train(made, small(method).side, tmp_path / str(allowed), "cuda", "32-true"))
    assert curves[1] == pytest.approx(curves[0], rel=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", TRAINED)
def test_a_compiled_network_trains_alike(method: str, device: str, vgg16: Path, tmp_path: Path) -> None:
    curves = []
    for compiled in (False, True):
        made = learner(method, vgg16, device, compile=compiled)
        curves.append(train(made, small(method).side, tmp_path / str(compiled), device, "32-true"))
    assert curves[1] == pytest.approx(curves[0], rel=1e-3)
