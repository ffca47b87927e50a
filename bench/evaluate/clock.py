"""How fast a tokenizer encodes and decodes, and how much memory it takes. The harness holds the stopwatch.

A speed is comparable only on the same hardware with the same batch, resolution, precision and threads: all of them
are in the signature.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median, stdev
from time import perf_counter
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import torch

from bench.contract import Tokenizer
from bench.results import provenance
from bench.results.record import Measurement, Signature

if TYPE_CHECKING:
    from torch import Tensor

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Schedule:
    """``warmup`` untimed calls, then calls until both ``repeats`` and ``seconds`` are reached, at most ``most``."""

    warmup: int = 2
    repeats: int = 7
    seconds: float = 1.0
    most: int = 200


def clock(
    tokenizer: Tokenizer,
    pixels: np.ndarray,
    device: torch.device,
    schedule: Schedule = Schedule(),
    execution: Signature = MappingProxyType({}),
) -> tuple[Measurement, ...]:
    """``encode-images-per-second``, ``decode-images-per-second`` and ``peak-memory-bytes``.

    ``pixels``: one batch, uint8 ``[N, 3, H, W]``; it is moved to the tokenizer's ``device`` before the clock starts.
    A speed is the batch over the median time of a call, synchronised before and after; its ``deviation`` is the
    standard deviation over the calls. ``execution`` is what the signature says of it beyond the machine.
    """
    images = torch.from_numpy(pixels.copy()).to(device)
    batch, conditions = len(images), {**_conditions(images), **execution}
    with torch.inference_mode():
        reset_peak(device)
        codes = tokenizer.encode(images)
        encode = seconds_per_call(lambda: tokenizer.encode(images), device, schedule)
        decode = seconds_per_call(lambda: tokenizer.decode(codes), device, schedule)
    return (
        _speed("encode-images-per-second", encode, batch, conditions),
        _speed("decode-images-per-second", decode, batch, conditions),
        _memory(device, conditions),
    )


def seconds_per_call(run: Callable[[], object], device: torch.device, schedule: Schedule) -> list[float]:
    """Wall times of repeated calls in seconds, warm-up left out, each synchronised with the device."""
    for _ in range(schedule.warmup):
        run()
    times: list[float] = []
    while len(times) < schedule.most and (len(times) < schedule.repeats or sum(times) < schedule.seconds):
        synchronise(device)
        start = perf_counter()
        run()
        synchronise(device)
        times.append(perf_counter() - start)
    return times


def synchronise(device: torch.device) -> None:
    """Waits for the work that the device was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _conditions(images: Tensor) -> dict[str, str | int | float | None]:
    batch, _, height, width = images.shape
    return {
        "hardware": torch.cuda.get_device_name(images.device) if images.is_cuda else str(provenance.hardware()["cpu"]),
        "device": images.device.type,
        "threads": torch.get_num_threads() if images.device.type == "cpu" else None,
        "batch": batch,
        "height": height,
        "width": width,
        "tf32": torch.get_float32_matmul_precision() if images.is_cuda else None,
        "torch": torch.__version__,
    }


def _speed(name: str, times: list[float], batch: int, signature: Signature) -> Measurement:
    rates = [batch / t for t in times]
    deviation = stdev(rates) if len(rates) > 1 else None
    return Measurement(name, batch / median(times), "images/s", True, len(times) * batch, deviation, signature)


# --------------------------------------------------------------------------------------------------------------
# Memory


def reset_peak(device: torch.device) -> None:
    """Forgets earlier peaks, so that the number belongs to this tokenizer and not to what ran before it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _RESET.exists():
        _RESET.write_text("5")  # proc(5): resets the peak resident set size


def _memory(device: torch.device, conditions: Signature) -> Measurement:
    value, of = peak_memory(device)
    reason = None if value is not None else f"The peak memory of device '{device.type}' cannot be read."
    signature = {**conditions, "memory": of}
    return Measurement("peak-memory-bytes", value, "bytes", False, signature=signature, reason=reason)


def peak_memory(device: torch.device) -> tuple[float | None, str]:
    """Bytes and what they are: CUDA's allocator, or on the CPU the whole process with its libraries."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device)), "allocated by tensors"
    if device.type != "cpu":
        return None, "not read"
    if _STATUS.exists():
        fields = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines() if ":" in line)
        return float(fields["VmHWM"].split()[0]) * 1024, "resident set of the process"
    import resource  # not on every system, and needed only where there is no /proc

    unit = 1 if sys.platform == "darwin" else 1024
    lifetime = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
    return lifetime, "resident set of the process, over its lifetime"
