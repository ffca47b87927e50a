"""How many threads this process may use, and what they do while they wait; said to OpenMP before torch is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

GROUP = Path("/sys/fs/cgroup/cpu.max")
"""The control group's share of the processors: ``QUOTA PERIOD`` in microseconds, or ``max PERIOD``."""


def allowed(group: Path = GROUP) -> int:
    """The processors that this process may use, at least 1: its affinity's, and no more than its group's quota."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        cores = os.cpu_count() or 1
    try:
        quota, period = group.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def settle(environment: MutableMapping[str, str], processes: int = 1) -> None:
    """Tells OpenMP how many threads each of ``processes`` may have, and to let idle ones sleep; what is set stays.

    By default idle threads spin. Alone that costs nothing; beside any other work on the same cores a training step then
    waits for threads that were never given a core, and takes many times as long (``tests/benchmarks/threads.py``).
    """
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    environment.setdefault("OMP_NUM_THREADS", str(max(1, allowed() // processes)))


def divided(environment: Mapping[str, str], processes: int) -> dict[str, str]:
    """The environment of each of ``processes`` that work side by side on the threads which this process may use."""
    shared = dict(environment)
    settle(shared)
    if shared["OMP_NUM_THREADS"].isdecimal():
        shared["OMP_NUM_THREADS"] = str(max(1, int(shared["OMP_NUM_THREADS"]) // processes))
    return shared
