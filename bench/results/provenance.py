"""Where a number came from: commit, packages, hardware, determinism. Loads torch only if it is loaded already."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import bench


def provenance() -> dict[str, Any]:
    """The whole block, as plain JSON values."""
    return {
        "version": bench.__version__,
        "commit": commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": packages(),
        "hardware": hardware(),
        "determinism": determinism(),
    }


def commit() -> dict[str, Any]:
    """The commit of this program's own checkout, and whether its code differs from it or holds files beside it.

    None and None outside a checkout, as from an installed wheel.
    """
    root = Path(bench.__file__).resolve().parents[1]

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
        except OSError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    top = git("rev-parse", "--show-toplevel")
    if top is None or Path(top) != root:
        return {"id": None, "dirty": None}
    return {"id": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--", "bench", "methods"))}


def packages() -> dict[str, str]:
    """Versions of all installed distributions, by name."""
    return dict(sorted((d.metadata["Name"].lower(), d.version) for d in distributions() if d.metadata["Name"]))


def hardware() -> dict[str, Any]:
    """Processor, memory and GPUs; no host name, no user name."""
    return {"cpu": _cpu_model(), "cores": os.cpu_count(), "memory_bytes": _memory(), "gpus": _gpus()}


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _gpus() -> list[str]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def determinism() -> dict[str, Any]:
    """The switches that change the last digits; empty while torch is not loaded."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    return {
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "tf32": torch.backends.cuda.matmul.allow_tf32,
        "threads": torch.get_num_threads(),
        "idle_threads": os.environ.get("OMP_WAIT_POLICY"),
    }


def environment(block: Mapping[str, Any]) -> dict[str, Any]:
    """What of a result's provenance describes program and machine, and not the data that it measured."""
    return {key: value for key, value in block.items() if key != "data"}


def difference(recorded: Mapping[str, Any], present: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs between two provenance blocks, a line each: ``packages.torch: 2.6.0 -> 2.11.0``."""
    lines: list[str] = []
    for key in sorted({*recorded, *present}):
        before, after = recorded.get(key), present.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += difference(before, after, f"{prefix}{key}.")
        elif before != after:
            lines.append(f"{prefix}{key}: {before} -> {after}")
    return lines
