"""Decoding at 256 px: BRICS 64x64x4 (retrieval and synthesis) against the VQGAN 16x16 decoder, batch of one.

    python tests/benchmarks/brics_decode.py [--threads 2] [--repeats 5] [--device cpu]

Prints medians and two ratios, which should be below 1 and at most 0.15: BRICS over VQGAN, retrieval over BRICS.
The runs take turns, so that whatever else the machine does meets both.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from bench.contract import Build
from bench.core.distributed import Alone
from methods.autoencoder.autoencoder import Decoder
from methods.brics.parts import parts
from methods.brics.presets import settings as brics_settings
from methods.vqgan.presets import settings as vqgan_settings


def seconds(run: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def decoders(device: torch.device) -> dict[str, Callable[[], object]]:
    """The three runs at the published sizes, with random weights, in channels-last layout."""
    build = Build((256, 256), 0, device, Alone(), channels_last=True)
    ours = {p.name: p.run for p in parts(brics_settings("paper", "64x64x4"), build) if p.side == "decoder"}
    architecture = vqgan_settings("paper", "16x16").architecture((256, 256))
    vqgan = Decoder(architecture).to(device).to(memory_format=torch.channels_last).eval()
    latents = torch.randn(1, architecture.z_channels, 16, 16, device=device)
    return {**ours, "vqgan": lambda: vqgan(latents)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    device = torch.device(chosen.device)
    runs = decoders(device)
    times: dict[str, list[float]] = {name: [] for name in runs}
    with torch.no_grad():
        for repeat in range(chosen.repeats + 1):
            for name, run in runs.items():
                spent = seconds(run, device)
                times[name] += [spent] if repeat else []
    median = {name: statistics.median(t) for name, t in times.items()}
    for name, t in times.items():
        print(f"{name:10} median {median[name] * 1e3:8.1f} ms   fastest {min(t) * 1e3:8.1f} ms")
    decode = median["retrieval"] + median["synthesis"]
    print(f"BRICS / VQGAN decode: {decode / median['vqgan']:.3f}")
    print(f"retrieval / BRICS decode: {median['retrieval'] / decode:.3f}")


if __name__ == "__main__":
    main()
