"""Devices by name, what ``torch.compile`` needs there, and deterministic algorithms."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UsageError

if TYPE_CHECKING:
    import torch


def choose_device(name: str) -> torch.device:
    """The device of that name; raises :class:`UsageError` for one this machine does not have."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"--device {name} is not a device; write auto, cpu, cuda, cuda:N or mps.") from error
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (device.index or 0) >= there.get(device.type, 0):
        raise UsageError(f"--device {name}: this machine has none, or torch cannot use it; try --device cpu.")
    return device


def processes(device: torch.device) -> int:
    """How many processes a training on ``device`` has: one per GPU where "cuda" names no single one."""
    import torch

    return torch.cuda.device_count() if device.type == "cuda" and device.index is None else 1


def first_process(environment: Mapping[str, str]) -> bool:
    """Whether this is the first process of a training, or its only one, by what Fabric and torchrun say to each."""
    return all(environment.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK"))


def check_compiler(device: torch.device) -> None:
    """Compiles a function of one operation; raises :class:`UsageError` where torch.compile cannot do that."""
    import torch

    torch.compiler.reset()
    try:
        compiled = torch.compile(lambda x: x.sin() + 1, options={"force_disable_caches": True})
        compiled(torch.ones(8, device=device))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:160]
        raise UsageError(
            f"--compile: torch cannot compile for '{device.type}' here ({reason}); install a C++ compiler, which CXX "
            "names (GPUs need Triton too), or leave --compile out."
        ) from error


_MEMORY, _GROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")


def free_memory(device: torch.device) -> tuple[int | None, str]:
    """Bytes that new work may take, None where that is not known, and whose they are.

    On the CPU what the system calls available, and at most what a control group of the process allows in all.
    """
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0]), f"{torch.cuda.get_device_name(device)} (free memory)"
    if device.type != "cpu":
        return None, f"the device '{device.type}'"
    name = "this machine (available memory)"
    if _MEMORY.exists():
        fields = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines())
        available = int(fields["MemAvailable"].split()[0]) * 1024
        allowed = _GROUP.read_text().strip() if _GROUP.exists() else "max"
        return min(available, int(allowed)) if allowed.isdecimal() else available, name
    return None, name


def make_deterministic(enabled: bool) -> None:
    """Turns on deterministic algorithms and turns off TF32 and cuDNN's search, for the whole process."""
    if not enabled:
        return
    # cuBLAS reads this when it is first used, so it has to be set before any CUDA work.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
