"""Our VQGAN training step against the same step built from taming-transformers' modules; prints ratios of one run.

    python tests/benchmarks/vqgan_training_step.py [--device cpu] [--batch 4] [--resolution 64] [--width 64]

Both steps have the same widths, batch and losses: L1, codebook (as released), hinge PatchGAN with adaptive weight,
two Adam optimisers; no LPIPS, which would be the same network in both. Theirs is the schedule of the official training
module: one forward pass per optimiser, each with its graph. Steps of the two alternate, so that the machine's other
work slows both alike; the ratio is that of the medians. On a CPU the time is the process's CPU time.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.contract import Batch, Build
from bench.core.distributed import Alone
from bench.core.images import to_signed
from methods.autoencoder.quantised import QuantisedTokenizer, learner
from methods.autoencoder.quantised_settings import VQSettings
from methods.vqgan.presets import settings as vqgan_settings

Step = Callable[[Tensor], None]


def published(width: int) -> VQSettings:
    """The published architecture at another width, with everything in the loss from the first step on but LPIPS."""
    return replace(
        vqgan_settings("paper", "16x16"),
        ch=width,
        ch_mult=(1, 2, 4),
        perceptual_weight=0.0,
        disc_start=0,
        disc_width=64,
    )


def our_step(settings: VQSettings, resolution: int, device: torch.device, channels_last: bool) -> Step:
    """One step as the training loop makes it."""
    torch.manual_seed(0)
    made = learner(settings, Build((resolution, resolution), 0, device, Alone(), channels_last=channels_last))

    def step(images: Tensor) -> None:
        batch = Batch(list(range(len(images))), images)
        for phase in made.phases:
            for other in made.phases:
                for parameter in other.parameters:
                    parameter.requires_grad_(other is phase)
            phase.optimizer.zero_grad(set_to_none=True)
            phase.loss(batch, 0).total.backward()
            phase.optimizer.step()
        made.after_step(0)

    return step


def their_step(settings: VQSettings, resolution: int, device: torch.device) -> Step:
    """The same step from the official modules."""
    from taming.modules.diffusionmodules.model import Decoder, Encoder
    from taming.modules.discriminator.model import NLayerDiscriminator, weights_init
    from taming.modules.vqvae.quantize import VectorQuantizer2

    a = settings.architecture((resolution, resolution))
    shape = {
        "ch": a.ch,
        "out_ch": 3,
        "ch_mult": a.ch_mult,
        "num_res_blocks": a.num_res_blocks,
        "attn_resolutions": list(a.attn_resolutions),
        "in_channels": 3,
        "resolution": resolution,
        "z_channels": a.z_channels,
    }
    torch.manual_seed(0)
    with contextlib.redirect_stdout(io.StringIO()):
        encoder, decoder = Encoder(**shape, double_z=False).to(device), Decoder(**shape).to(device)
    quantize = VectorQuantizer2(settings.n_embed, settings.embed_dim, settings.beta).to(device)
    before = torch.nn.Conv2d(a.z_channels, settings.embed_dim, 1).to(device)
    after = torch.nn.Conv2d(settings.embed_dim, a.z_channels, 1).to(device)
    discriminator = NLayerDiscriminator(3, settings.disc_width, settings.disc_layers).apply(weights_init).to(device)
    trained = [p for module in (encoder, decoder, quantize, before, after) for p in module.parameters()]
    generator_optimizer = torch.optim.Adam(trained, lr=settings.lr, betas=settings.betas)
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), lr=settings.lr, betas=settings.betas)

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        code, loss, _ = quantize(before(encoder(x)))
        return decoder(after(code)), loss

    def step(images: Tensor) -> None:
        x = to_signed(images)
        discriminator.requires_grad_(False)
        decoded, codebook = forward(x)
        likelihood, adversarial = (decoded - x).abs().mean(), -discriminator(decoded).mean()
        last = decoder.conv_out.weight
        norms = [torch.autograd.grad(term, last, retain_graph=True)[0].norm() for term in (likelihood, adversarial)]
        weight = settings.disc_weight * (norms[0] / (norms[1] + 1e-4)).clamp(0, 1e4).detach()
        generator_optimizer.zero_grad(set_to_none=True)
        (likelihood + codebook + weight * adversarial).backward()
        generator_optimizer.step()
        discriminator.requires_grad_(True)
        decoded, _ = forward(x)
        discriminator_optimizer.zero_grad(set_to_none=True)
        real, fake = discriminator(x), discriminator(decoded.detach())
        (0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())).backward()
        discriminator_optimizer.step()

    return step


def seconds(run: Callable[[], object], device: torch.device) -> float:
    """Of one run: CPU time of the process on a CPU, synchronised wall time elsewhere."""
    if device.type == "cpu":
        start = time.process_time()
        run()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def compare(contestants: dict[str, Callable[[], object]], rounds: int, device: torch.device) -> dict[str, float]:
    """Median seconds of each, taken in turns after two rounds of warm-up."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 2):
        for name, run in contestants.items():
            taken = seconds(run, device)
            if turn >= 2:
                times[name].append(taken)
    return {name: statistics.median(values) for name, values in times.items()}


def harness_overhead(settings: VQSettings, resolution: int, batch: int, rounds: int, device: torch.device) -> None:
    """Encoding and decoding through the contract against the bare modules."""
    torch.manual_seed(0)
    made = learner(settings, Build((resolution, resolution), 0, device, Alone()))
    tokenizer = made.finish()
    assert isinstance(tokenizer, QuantisedTokenizer)
    model = tokenizer.model
    images = torch.randint(0, 256, (batch, 3, resolution, resolution), dtype=torch.uint8, device=device)
    codes, signed = tokenizer.encode(images), to_signed(images)
    with torch.no_grad():
        latents = tokenizer.embed(codes)
        times = compare(
            {
                "encode, bare": lambda: model.quantize.search(model.quant_conv(model.encoder(signed))),
                "encode": lambda: tokenizer.encode(images),
                "decode, bare": lambda: model.decoder(model.post_quant_conv(latents)),
                "decode": lambda: tokenizer.decode(codes),
            },
            rounds,
            device,
        )
    for side in ("encode", "decode"):
        ratio = times[side] / times[f"{side}, bare"]
        print(f"{side}: {1e3 * times[side]:.1f} ms, {ratio:.3f} of the bare module's time")


def main() -> None:
    """Parses the arguments and prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    device, settings = torch.device(given.device), published(given.width)
    images = torch.randint(0, 256, (given.batch, 3, given.resolution, given.resolution), dtype=torch.uint8)
    images = images.to(device)
    steps = {
        "taming": their_step(settings, given.resolution, device),
        "ours": our_step(settings, given.resolution, device, channels_last=False),
        "ours, channels last": our_step(settings, given.resolution, device, channels_last=True),
    }
    contestants = {name: (lambda step=step: step(images)) for name, step in steps.items()}
    times = compare(contestants, given.rounds, device)
    for name, taken in times.items():
        speed = times["taming"] / taken
        print(f"training step, {name}: {1e3 * taken:.0f} ms, {speed:.2f} x the speed of taming's")
    harness_overhead(settings, given.resolution, given.batch, given.rounds, device)


if __name__ == "__main__":
    main()
