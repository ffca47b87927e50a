"""What the rehearsed losses compute, against independent formulas: LPIPS of its package, soft targets, previews."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from bench.contract import Batch, Continuous, Learner
from bench.core import seeding
from bench.core.images import to_signed
from bench.core.progress import silent
from bench.core.registry import method_of
from bench.train.batches import ImageSource
from bench.train.loop import FitPlan, fit
from methods.brics.prior import diffusion
from methods.priors.diffusion import DiffusionLearner
from methods.priors.rq_transformer import soft_targets
from tests.rehearsal.running import build, fabric, photographs
from tests.rehearsal.shrink import Case, case, priors


def small(method: str, preset: str, variant: str | None = None) -> Case:
    found = case(method, preset, variant)
    assert found is not None
    return found


def learner(one: Case, vgg16: Path, **changes: object) -> Learner:
    settings = replace(one.settings, **changes)
    made: Learner = method_of(one.entry).learner(settings, build(one.side, vgg16))
    return made


def their_lpips(vgg16: Path) -> torch.nn.Module:
    """The package's own module with the stand-in's convolutions, key by key in the order of the layers."""
    import lpips

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = lpips.LPIPS(net="vgg", verbose=False, pnet_rand=True)
    state = load_file(vgg16)
    with torch.no_grad():
        for layer in (m for m in network.net.named_modules() if isinstance(m[1], torch.nn.Conv2d)):
            number = layer[0].rpartition(".")[2]
            layer[1].weight.copy_(state[f"features.{number}.weight"])
            layer[1].bias.copy_(state[f"features.{number}.bias"])
    return network


def test_the_perceptual_term_is_the_packages_lpips_under_its_weight(vgg16: Path) -> None:
    made = learner(small("vqgan", "paper"), vgg16, perceptual_weight=3.0)
    pixels = torch.from_numpy(photographs(32).pixels[:2].copy())
    losses = made.phases[0].loss(Batch([1, 2], pixels), 0)
    decoded = made.model.reconstruct(to_signed(pixels), [1, 2], 0, gather=False).reconstruction  # type: ignore[attr-defined]
    theirs = their_lpips(vgg16)
    wanted = theirs(decoded, to_signed(pixels)).mean()
    torch.testing.assert_close(losses.parts["lpips-vgg"], wanted.detach(), rtol=1e-4, atol=1e-6)
    total = losses.parts["l1"] + 3.0 * losses.parts["lpips-vgg"] + losses.parts["codebook"]
    torch.testing.assert_close(losses.total.detach(), total)
    weights = list(made.phases[0].parameters)
    ours = torch.autograd.grad(losses.total, weights[0])[0]
    passed = made.model.reconstruct(to_signed(pixels), [1, 2], 0, gather=False)  # type: ignore[attr-defined]
    distance = (passed.reconstruction - to_signed(pixels)).abs().mean()
    plain = distance + 3.0 * theirs(passed.reconstruction, to_signed(pixels)).mean() + passed.bottleneck
    torch.testing.assert_close(ours, torch.autograd.grad(plain, weights[0])[0], rtol=1e-3, atol=1e-6)
    assert not any("perceptual" in key for key in made.module.state_dict())


def test_the_commitment_has_its_weight(vgg16: Path) -> None:
    """Lee et al. 2022, equation 8: the distance to each partial sum, the codes found one depth after the other."""
    made = learner(small("rqvae", "paper"), vgg16, commitment=0.5)
    pixels = torch.from_numpy(photographs(64).pixels[:2].copy())
    losses = made.phases[0].loss(Batch([1, 2], pixels), 0)
    model = made.model  # type: ignore[attr-defined]
    vectors = model.latents(to_signed(pixels)).permute(0, 2, 3, 1).flatten(0, 2).detach()
    codes, total, distances = model.quantizer.books[0].codes, torch.zeros_like(vectors), []
    for _ in range(4):
        total = total + codes[torch.cdist(vectors - total, codes).argmin(1)]
        distances.append((vectors - total).square().mean())
    torch.testing.assert_close(losses.parts["commitment"], 0.5 * torch.stack(distances).mean(), rtol=1e-4, atol=1e-6)


def test_bfloat16_leaves_the_pull_of_the_losses_where_it_was(vgg16: Path) -> None:
    """LPIPS and its gradient under autocast differ from float32 by no more than bfloat16's rounding explains."""
    made = learner(small("vqgan", "paper"), vgg16)
    pixels = to_signed(torch.from_numpy(photographs(32).pixels[:2].copy()))
    pulls = []
    for on in (False, True):
        decoded = (0.7 * pixels.flip(0)).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=on):
            distance = made.perceptual(decoded, pixels).mean()  # type: ignore[attr-defined]
        pulls.append((distance.item(), torch.autograd.grad(distance, decoded)[0].flatten()))
    assert pulls[1][0] == pytest.approx(pulls[0][0], rel=0.02)
    # Thirteen layers of random weights, each rounding to 8 bits: the measured cosine is 0.968; of noise it would be 0.
    assert float(torch.cosine_similarity(pulls[0][1], pulls[1][1], dim=0)) > 0.95


def test_soft_targets_do_not_depend_on_the_precision_of_training() -> None:
    """At the published temperature and codebook width, far from the origin, as trained codebooks are."""
    generator = torch.Generator().manual_seed(0)
    codebook = torch.randn(64, 256, generator=generator) * 0.1 + 1.0
    residual = codebook[:8] + 0.02 * torch.randn(8, 256, generator=generator)
    wanted = (-torch.cdist(residual.double(), codebook.double()).square() / 0.5).softmax(-1)
    with torch.autocast("cpu", torch.bfloat16):
        found = soft_targets(residual, codebook, 0.5)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("method", ["vqgan", "rqvae"])
def test_a_preview_before_the_codebook_starts_changes_nothing(method: str, vgg16: Path, tmp_path: Path) -> None:
    """A preview makes a tokenizer of the present state; the training goes on as if it had not been taken."""
    one, states = small(method, "medium"), []
    source = ImageSource(photographs(one.side))
    for previews in (0, 3):
        made = learner(one, vgg16, kmeans_at=4, disc_start=9)
        plan = FitPlan(6 * made.batch, seed=3, previews=previews)

        def preview(learner: Learner) -> dict[str, float]:
            tokenizer = learner.finish()
            decoded = tokenizer.decode(tokenizer.encode(torch.from_numpy(source.images.pixels[:2].copy())))  # type: ignore[union-attr]
            return {"mean": float(decoded.mean())}

        taken = preview if previews else None
        fit(made, source, plan, fabric("medium"), tmp_path / str(previews), silent, taken)
        states.append(made.module.state_dict())
    differing = [name for name, value in states[0].items() if not torch.equal(value, states[1][name])]
    assert not differing


@pytest.mark.parametrize(("method", "letter"), [("brics", "a"), ("brics", "b"), ("kl-ldm", ""), ("vq-ldm", "")])
def test_a_diffusion_loss_is_its_papers(method: str, letter: str) -> None:
    """Ho et al. 2020, equation 14, L1 where LDM has it, times min(SNR, 5) / SNR for BRICS's schedule a."""
    (chosen,) = (one.settings for one in priors() if one.id == "-".join(filter(None, (method, letter, "paper"))))
    settings = diffusion(chosen) if method == "brics" else chosen
    codes = Continuous(torch.rand(8, 4, 32, 32, generator=torch.Generator().manual_seed(0)), 0.0, 1.0)
    tokenizer = SimpleNamespace(revision="r")
    made = DiffusionLearner(settings, build(32, Path()), tokenizer, codes)  # type: ignore[arg-type]
    seeds = [3, 4, 5, 6, 7, 8]
    x = codes.tensor[:6].double()
    x = {"brics": 2 * x - 1, "kl-ldm": x / codes.tensor.double().std(), "vq-ldm": x}[method]
    u = seeding.uniform(seeds, (), "time").double()
    if method == "brics":
        signal = cosine(u, letter).clamp(1e-9, 0.9999)
        low, high = math.log(1e-9 / (1 - 1e-9)), math.log(0.9999 / 0.0001)
        times = 1000 * (high - torch.log(signal / (1 - signal))) / (high - low)
    else:
        end = {"kl-ldm": 0.0155, "vq-ldm": 0.0195}[method]
        betas = torch.linspace(0.0015**0.5, end**0.5, 1000, dtype=torch.float64) ** 2
        times = (u * 1000).floor()
        signal = (1 - betas).cumprod(0)[times.long()]
    noise = seeding.normal(seeds, (4, 32, 32), "noise").double()
    share = signal[:, None, None, None]
    with torch.no_grad():
        predicted = made.module((share.sqrt() * x + (1 - share).sqrt() * noise).float(), times.float(), None).double()
        found = made.loss(Batch(seeds, codes=Continuous(codes.tensor[:6], 0.0, 1.0)), 0).total
    error = (predicted - noise).abs() if method == "kl-ldm" else (predicted - noise).square()
    snr = signal / (1 - signal)
    weight = snr.clamp(max=5) / snr if letter == "a" else torch.ones_like(snr)
    torch.testing.assert_close(found.double(), (weight * error.mean((1, 2, 3))).mean(), rtol=1e-3, atol=1e-5)


def cosine(t: torch.Tensor, letter: str) -> torch.Tensor:
    """BRICS's schedules: a, Nichol and Dhariwal 2021, equation 17; b, Chen 2023 from 0.2 to 1 with tau 1.5."""
    if letter == "a":
        return (torch.cos((t + 0.008) / 1.008 * math.pi / 2) / math.cos(0.008 / 1.008 * math.pi / 2)) ** 2
    first = math.cos(0.2 * math.pi / 2) ** 3
    return torch.cos((0.2 + 0.8 * t) * math.pi / 2).clamp(min=0) ** 3 / first


def test_the_dctransformers_loss_is_the_likelihood_by_the_length_of_a_chunk(vgg16: Path) -> None:
    """Of lists that one chunk holds, the loss is their mean negative log-likelihood in nats over the chunk's length."""
    (chosen,) = (one for one in priors() if one.id == "dct-medium")
    entry, made = chosen.tokenizer.entry, build(32, vgg16)
    tokenizer = method_of(entry).tokenizer(chosen.tokenizer.settings, made)
    codes = tokenizer.encode(torch.from_numpy(photographs(32).pixels[:3].copy()))
    codes = replace(codes, triples=tuple(triples[:20] for triples in codes.triples))
    trained = method_of(entry).prior.learner(replace(chosen.settings, dropout=0.0), made, tokenizer, codes)
    found = trained.loss(Batch([1, 2, 3], codes=codes), 0).total.detach()
    bits = method_of(entry).prior.likelihood(trained.finish(), codes)
    assert chosen.settings.chunk > 20
    assert found.item() == pytest.approx(bits.mean() * math.log(2) / chosen.settings.chunk, rel=1e-4)
