"""The autoencoders' training step: published terms, micro-batches, processes, schedules."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.contract import Batch, Build
from bench.core.distributed import Alone
from bench.core.images import to_signed
from bench.core.registry import load, method_of
from bench.pretrained.lpips import lpips_network
from bench.pretrained.stand_ins import stand_in
from methods import METHODS
from methods.autoencoder.losses import adaptive_weight, hinge_discriminator, hinge_generator, kl_to_standard_normal

NAMES = ("vqgan", "rqvae", "kl-ldm", "vq-ldm")


def build(name: str, comm=None, weights=None, **changes):
    """A learner at ``smoke`` whose codebook starts after one step."""
    entry = load(METHODS[name])
    settings = entry.settings("smoke", None)
    if name != "kl-ldm":
        changes = {"kmeans_at": 1, **changes}
    torch.manual_seed(0)
    return method_of(entry).learner(
        replace(settings, **changes), Build((32, 32), 0, torch.device("cpu"), comm or Alone(), weights=weights)
    )


def batch(count: int = 4, seed: int = 0) -> Batch:
    images = torch.randint(0, 256, (count, 3, 32, 32), generator=torch.Generator().manual_seed(seed))
    return Batch(list(range(count)), images.to(torch.uint8))


def piece(whole: Batch, part: slice) -> Batch:
    assert whole.images is not None
    return Batch(whole.seeds[part], whole.images[part])


def steps(learner, pieces: list[Batch], count: int, average: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Training steps of plain gradient descent over micro-batches of equal size."""
    phase = learner.phases[0]
    rate = 0.01 / (3 * 32 * 32 if learner.settings.reduction == "sum" else 1)
    for step in range(count):
        for parameter in phase.parameters:
            parameter.grad = None
        for part in pieces:
            (phase.loss(part, step).total / len(pieces)).backward()
        with torch.no_grad():
            for parameter in phase.parameters:
                parameter -= rate * average(parameter.grad)
        learner.after_step(step)


@pytest.mark.parametrize("name", NAMES)
def test_micro_batches_give_the_weights_of_one_batch(name: str):
    whole, halves = build(name), build(name)
    steps(whole, [batch()], 3, lambda gradient: gradient)
    steps(halves, [piece(batch(), slice(0, 2)), piece(batch(), slice(2, 4))], 3, lambda gradient: gradient)
    for (key, one), other in zip(whole.module.state_dict().items(), halves.module.state_dict().values(), strict=True):
        assert torch.allclose(one.float(), other.float(), atol=1e-4), key


class Threads:
    """Two processes played by two threads."""

    def __init__(self) -> None:
        self.barrier, self.slots = threading.Barrier(2, timeout=60), [torch.zeros(0)] * 2

    def member(self, rank: int) -> "Member":
        return Member(self, rank)


class Member:
    size = 2

    def __init__(self, threads: Threads, rank: int) -> None:
        self.threads, self.rank = threads, rank

    def _exchange(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        self.threads.barrier.wait()
        self.threads.slots[self.rank] = tensor.detach().clone()
        self.threads.barrier.wait()
        both = list(self.threads.slots)
        self.threads.barrier.wait()
        return both

    def all_reduce_mean(self, tensor: torch.Tensor) -> torch.Tensor:
        return torch.stack(self._exchange(tensor)).mean(0)

    def all_gather(self, tensor: torch.Tensor) -> torch.Tensor:
        return torch.cat(self._exchange(tensor))


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_give_the_weights_of_one(name: str):
    adversarial = {"disc_weight": 0.8, "disc_start": 0, "disc_width": 4, "disc_layers": 1} if name == "vqgan" else {}
    threads, alone = Threads(), build(name, **adversarial)
    pair = [build(name, threads.member(rank), **adversarial) for rank in range(2)]
    for learner in (alone, *pair):
        learner.module.eval()  # batch normalisation takes each process's own statistics, as published
    parts = [piece(batch(), slice(0, 2)), piece(batch(), slice(2, 4))]
    workers = [
        threading.Thread(target=steps, args=(learner, [part], 3, learner.comm.all_reduce_mean))
        for learner, part in zip(pair, parts, strict=True)
    ]
    for worker in workers:
        worker.start()
    steps(alone, [batch()], 3, lambda gradient: gradient)
    for worker in workers:
        worker.join()
    for key, one in alone.module.state_dict().items():
        for learner in pair:
            assert torch.allclose(one.float(), learner.module.state_dict()[key].float(), atol=1e-4), key


def test_the_adversarial_term_has_the_published_weight_from_its_start_on():
    learner = build("vqgan", disc_weight=0.8, disc_start=2, disc_width=4, disc_layers=1, kmeans_at=0, legacy=False)
    assert [(p.name, p.start) for p in learner.phases] == [("autoencoder", 0), ("discriminator", 2)]
    phase = learner.phases[0]
    assert "adversarial" not in phase.loss(batch(), 1).parts
    losses = phase.loss(batch(), 2)
    images = to_signed(batch().images)
    passed = learner.model.reconstruct(images, batch().seeds, 2, gather=False)
    likelihood = (passed.reconstruction - images).square().mean()
    adversarial = -learner.discriminator(passed.reconstruction).mean()
    last = learner.model.decoder.conv_out.weight
    norms = [torch.autograd.grad(term, last, retain_graph=True)[0].norm() for term in (likelihood, adversarial)]
    weight = 0.8 * norms[0] / (norms[1] + 1e-4)
    assert torch.allclose(losses.parts["adaptive-weight"], weight, rtol=1e-4)
    plain = likelihood + passed.bottleneck + weight.detach() * adversarial
    assert torch.allclose(losses.total, plain, rtol=1e-4)
    pulls = [torch.autograd.grad(total, phase.parameters) for total in (losses.total, plain)]
    ours, theirs = (torch.cat([gradient.flatten() for gradient in pull]) for pull in pulls)
    assert torch.linalg.vector_norm(ours - theirs) <= 1e-4 * torch.linalg.vector_norm(theirs)


def test_the_discriminator_learns_from_detached_images_and_leaves_the_codebook_alone():
    learner = build("vqgan", disc_weight=0.8, disc_start=0, disc_width=4, disc_layers=1, kmeans_at=0)
    losses = learner.phases[1].loss(batch(), 0)
    losses.total.backward()
    assert all(p.grad is None for p in learner.module["autoencoder"].parameters())
    assert all(p.grad is not None for p in learner.discriminator.parameters())
    assert not learner.model.quantize.embedding.vectors
    assert {"logits-real", "logits-fake"} == set(losses.parts)


def test_hinge_losses_are_those_of_their_equations():
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-2.0, 0.0, 3.0])
    assert float(hinge_discriminator(real, fake)) == pytest.approx(0.5 * ((0 + 0.5 + 2) / 3 + (0 + 1 + 4) / 3))
    assert float(hinge_generator(fake)) == pytest.approx(-1 / 3)


def test_the_adaptive_weight_is_capped():
    assert float(adaptive_weight(torch.ones(4) * 1e9, torch.zeros(4))) == 1e4


def test_the_divergence_is_that_of_torch_distributions():
    mean, log_variance = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4)
    posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    prior = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = torch.distributions.kl_divergence(posterior, prior).sum((1, 2, 3))
    assert torch.allclose(kl_to_standard_normal(mean, log_variance), expected, rtol=1e-4)


def test_the_kl_autoencoder_adds_up_over_an_image_and_draws_from_the_seeds():
    learner = build("kl-ldm", kl_weight=0.5)
    losses = learner.phases[0].loss(batch(), 0)
    again = learner.phases[0].loss(batch(), 0)
    other = learner.phases[0].loss(Batch([9, 8, 7, 6], batch().images), 0)
    assert torch.equal(losses.total, again.total)
    assert not torch.equal(losses.total, other.total)
    expected = losses.parts["mse"] * 3 * 32 * 32 + 0.5 * losses.parts["kl"]
    assert torch.allclose(losses.total, expected, rtol=1e-5)


def test_the_perceptual_term_has_its_weight_and_is_no_part_of_the_state(tmp_path: Path):
    """LPIPS on a VGG16 with random weights: its value by hand, its share of the total and of the decoder's gradient."""
    changes = {"kmeans_at": 0, "reconstruction": "l1", "disc_weight": 0.0}
    path = stand_in("vgg16", tmp_path)
    learner = build("vqgan", weights=lambda name: path if name == "vgg16" else None, perceptual_weight=3.0, **changes)
    plain = build("vqgan", perceptual_weight=0.0, **changes)
    losses, without = (one.phases[0].loss(batch(), 0) for one in (learner, plain))
    expected = losses.parts["l1"] + 3.0 * losses.parts["lpips-vgg"] + losses.parts["codebook"]
    assert torch.allclose(losses.total, expected, rtol=1e-5)
    images = to_signed(batch().images)
    decoded = plain.model.reconstruct(images, batch().seeds, 0, gather=False).reconstruction
    by_hand = lpips_network("vgg", weights=path)(decoded, images).mean()
    assert losses.parts["lpips-vgg"] == pytest.approx(by_hand.item(), rel=1e-4)
    assert by_hand > 0.01
    (wanted,) = torch.autograd.grad(3.0 * by_hand, plain.model.decoder.conv_out.weight)
    for one in (losses, without):
        one.total.backward()
    both = [one.model.decoder.conv_out.weight.grad for one in (learner, plain)]
    assert torch.allclose(both[0] - both[1], wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))
    assert not any("perceptual" in key for key in learner.module.state_dict())
    assert not any(p.requires_grad for p in learner.perceptual.parameters())


def test_the_schedule_warms_up_and_falls_to_zero():
    schedule = build("vqgan", warmup=10, schedule="cosine").phases[0].schedule
    assert [schedule(0, 110), schedule(9, 110), schedule(10, 110)] == pytest.approx([0.1, 1.0, 1.0])
    assert schedule(60, 110) == pytest.approx(0.5)
    assert schedule(110, 110) == pytest.approx(0.0)
    assert build("vqgan", warmup=0, schedule="constant").phases[0].schedule(99, 100) == 1.0


def test_checkpointing_and_memory_format_change_no_gradient():
    def gradients(channels_last: bool, **changes):
        entry = load(METHODS["kl-ldm"])
        settings = replace(entry.settings("smoke", None), **changes)
        torch.manual_seed(0)
        made = Build((32, 32), 0, torch.device("cpu"), Alone(), channels_last=channels_last)
        learner = method_of(entry).learner(settings, made)
        learner.phases[0].loss(batch(), 0).total.backward()
        return torch.cat([p.grad.flatten() for p in learner.phases[0].parameters])

    plain = gradients(False)
    for other in (gradients(False, checkpointing=True), gradients(True)):
        assert torch.allclose(plain, other, rtol=1e-3, atol=1e-3 * float(plain.abs().max()))


def test_compilation_is_asked_of_encoder_and_decoder(monkeypatch: pytest.MonkeyPatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(type(self).__name__))
    entry = load(METHODS["vqgan"])
    method_of(entry).learner(
        entry.settings("smoke", None), Build((32, 32), 0, torch.device("cpu"), Alone(), compile=True)
    )
    assert compiled == ["Encoder", "Decoder"]


@pytest.mark.parametrize("name", NAMES)
def test_under_bfloat16_the_bottleneck_stays_in_float32(name: str):
    learner = build(name) if name == "kl-ldm" else build(name, kmeans_at=0)
    with torch.autocast("cpu", torch.bfloat16):
        losses = learner.phases[0].loss(batch(), 0)
        passed = learner.model.reconstruct(to_signed(batch().images), batch().seeds, 0, gather=False)
    assert passed.reconstruction.dtype == torch.bfloat16
    assert passed.bottleneck.dtype == torch.float32
    assert losses.total.dtype == torch.float32
    losses.total.backward()
    assert all(torch.isfinite(p.grad).all() for p in learner.phases[0].parameters)
