"""BRICS as a tokenizer and as a learner: sizes, noise, phases, training."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.contract import Batch, Build, Continuous, Indices, Stream
from bench.core.distributed import Alone
from bench.errors import UsageError
from bench.evaluate.cost import count_parts
from bench.evaluate.rate import bits_per_image, quantise_uniform
from bench.run.settings import settings_until
from methods.brics.learner import BricsLearner
from methods.brics.model import Autoencoder, DecoderNoise, Posterior
from methods.brics.parts import parts
from methods.brics.presets import VARIANTS, LossSettings, Settings, settings

CPU, META = torch.device("cpu"), torch.device("meta")
SMOKE = settings("smoke", None)


def build(resolution: int = 32, device: torch.device = CPU) -> Build:
    torch.manual_seed(0)
    return Build((resolution, resolution), 0, device, Alone())


def pictures(count: int, side: int = 32) -> torch.Tensor:
    """Smooth uint8 images, each different."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)
    return (smooth * 255).round().to(torch.uint8)


def tokenizer(chosen: Settings = SMOKE):
    return BricsLearner(chosen, build()).finish()


@pytest.mark.parametrize(
    ("variant", "grids", "network", "gmac"),
    [
        ("64x64x4", 18_630_272, 9_727_633, 67.960),
        ("16x16x8", 21_215_488, 9_943_185, 68.095),
        ("16x16x16", 42_853_888, 10_374_289, 68.363),
        ("32x32x4", 10_607_744, 9_727_633, 67.960),
    ],
)
def test_published_sizes_have_the_released_cost(variant, grids, network, gmac):
    pieces = parts(settings("paper", variant), build(256, META))
    numbers = {m.name: m.value for m in count_parts(pieces).measurements}
    assert numbers["decoder-grid-parameters"] == grids
    assert numbers["decoder-parameters"] == network
    synthesis = next(p for p in pieces if p.name == "synthesis")
    assert synthesis.parameters == {"network": 9_445_521}
    filters = 16 * (256 * 128**2 + 128 * 256**2 + 3 * 128**2 + 3 * 256**2) / 1e9
    assert numbers["decoder-gmac-fvcore"] == pytest.approx(gmac + filters, abs=5e-4)
    assert round(filters, 3) == 0.205


def test_encoder_sizes_at_the_released_setting():
    pieces = {v: parts(settings("paper", v), build(256, META))[0] for v in ("64x64x4", "16x16x16")}
    assert pieces["64x64x4"].parameters == {"network": 3_472_196}
    assert pieces["16x16x16"].parameters == {"network": 23_740_496}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("preset", "resolution"), [("smoke", 32), ("small", 64), ("medium", 128), ("paper", 256)])
def test_every_variant_that_fits_builds_at_every_preset(preset, resolution, variant):
    chosen = settings(preset, variant)
    if preset == "smoke" and variant == "64x64x4":
        with pytest.raises(UsageError, match="32 px"):
            parts(chosen, build(resolution, META))
        return
    for part in parts(chosen, build(resolution, META)):
        part.run()


def test_unknown_code_sizes_and_letters_are_refused():
    for variant in ("16x8x4", "big"):
        with pytest.raises(UsageError, match="code size"):
            settings("small", variant)
    with pytest.raises(UsageError, match="halving"):
        Autoencoder(SMOKE, 48)
    with pytest.raises(UsageError, match="divide"):
        Autoencoder(replace(SMOKE, code_channels=5), 32)


def test_codes_and_images_have_the_contract_s_shapes_and_ranges():
    product = tokenizer()
    codes = product.encode(pictures(3))
    assert isinstance(codes, Continuous)
    assert codes.tensor.shape == (3, 4, 8, 8)
    assert (codes.low, codes.high) == (0.0, 1.0)
    assert codes.tensor.min() >= 0
    assert codes.tensor.max() <= 1
    images = product.decode(codes)
    assert images.shape == (3, 3, 32, 32)
    assert images.dtype == torch.float32
    assert images.min() >= 0
    assert images.max() <= 1
    with pytest.raises(UsageError, match="16x16"):
        product.encode(pictures(1, side=16))
    with pytest.raises(UsageError, match="Stream"):
        product.decode(Stream((b"",), (0,), (32, 32)))


def test_keys_of_few_bits_are_the_nearest_levels():
    plain = tokenizer(replace(SMOKE, grids=replace(SMOKE.grids, init=1.0)))
    keys = plain.encode(pictures(4))
    wanted = plain.decode(keys)
    errors = []
    for bits in (8, 6, 4):
        product = tokenizer(replace(SMOKE, bits=bits, grids=replace(SMOKE.grids, init=1.0)))
        codes = product.encode(pictures(4))
        assert isinstance(codes, Indices)
        assert codes.levels == (2**bits,) * 4
        assert bits_per_image(codes).tolist() == [8 * 8 * 4 * bits] * 4
        nearest = quantise_uniform(keys, bits)
        torch.testing.assert_close(product.decode(codes), plain.decode(nearest))
        errors.append(float((product.decode(codes) - wanted).square().mean()))
    assert 0 < errors[0] < errors[1] < errors[2]
    with pytest.raises(UsageError, match="bits=1"):
        replace(SMOKE, bits=0)


def test_bits_need_no_new_training():
    assert settings_until(SMOKE, "train") == settings_until(replace(SMOKE, bits=4), "train")
    assert settings_until(SMOKE, "recon") != settings_until(replace(SMOKE, bits=4), "recon")


def test_decoding_is_noiseless_by_default_and_seeded_per_image_on_demand():
    chosen = replace(SMOKE, synthesis_noise=True, grids=replace(SMOKE.grids, init=1.0))
    product = tokenizer(chosen)
    for name, parameter in product.model.named_parameters():
        if name.endswith("strength"):
            parameter.fill_(0.5)
    codes = product.encode(pictures(3))
    plain = product.decode(codes)
    torch.testing.assert_close(plain, product.decode(codes), rtol=0, atol=0)
    noisy = product.decode(codes, noise=[5, 6, 7])
    assert (noisy - plain).abs().max() > 1e-3
    alone = product.decode(Continuous(codes.tensor[2:], 0.0, 1.0), noise=[7])
    torch.testing.assert_close(noisy[2:], alone, rtol=0, atol=1e-5)


def test_key_noise_is_bounded_and_half_a_cell_wide():
    model = Autoencoder(SMOKE, 32)
    noise = torch.full((1, 4, 8, 8), 2.0)
    keys = torch.full((1, 4, 8, 8), 0.5)
    torch.testing.assert_close(model.perturbed(keys, noise), keys + 0.5 / SMOKE.grids.finest)
    assert float(model.perturbed(torch.ones(1, 4, 8, 8), noise).max()) == 1.0
    assert settings("paper", None).key_noise == 1 / 256
    assert replace(SMOKE, codes="c").key_noise == 0


def test_kl_posterior_samples_around_its_mode():
    posterior = Posterior(torch.tensor([0.3]), torch.tensor([-2.0]))
    torch.testing.assert_close(posterior.sample(torch.zeros(1)), posterior.mode())
    torch.testing.assert_close(posterior.sample(torch.ones(1)), torch.sigmoid(torch.tensor([0.3 + 2.718281828**-1])))


def test_bfloat16_autocast_keeps_keys_and_images_in_float32():
    model = Autoencoder(SMOKE, 32).eval()
    images = pictures(2).float() / 127.5 - 1
    with torch.no_grad():
        exact = model.decode(model.posterior(images).mode(), DecoderNoise())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            keys = model.posterior(images).mode()
            rough = model.decode(keys, DecoderNoise())
    assert keys.dtype == rough.dtype == torch.float32
    assert keys.unique().numel() > 200
    torch.testing.assert_close(rough, exact, rtol=0, atol=0.05 * float(exact.abs().max()))


ADVERSARIAL = LossSettings(mse=20.0, perceptual=0.0, adversarial=1.0, r1=4.0, r1_every=4, discriminator_base=256)


def test_phases_follow_the_settings():
    assert [p.name for p in BricsLearner(SMOKE, build()).phases] == ["autoencoder"]
    chosen = replace(SMOKE, learning_rate=1e-3, decoder_learning_rate=2e-3, grid_learning_rate=3e-3, beta1=0.5)
    made = BricsLearner(replace(chosen, losses=ADVERSARIAL), build())
    generator, discriminator, r1 = made.phases
    assert (discriminator.every, r1.every) == (1, 4)
    assert discriminator.optimizer is r1.optimizer
    group = discriminator.optimizer.param_groups[0]
    assert group["lr"] == pytest.approx(1e-3 * 4 / 5)
    assert group["betas"] == pytest.approx((0.5 ** (4 / 5), 0.99 ** (4 / 5)))
    assert [g["lr"] for g in generator.optimizer.param_groups] == [1e-3, 2e-3, 3e-3]
    assert {id(p) for p in made.module.parameters()} == {id(p) for phase in made.phases for p in phase.parameters}


def test_losses_are_weighted_sums_of_their_parts():
    batch = Batch(seeds=[1, 2, 3, 4], images=pictures(4))
    made = BricsLearner(replace(SMOKE, losses=ADVERSARIAL, codes="c"), build())
    found = made.phases[0].loss(batch, 0)
    wanted = 20 * found.parts["mse"] + found.parts["adversarial"] + 1e-6 * found.parts["kl"]
    torch.testing.assert_close(found.total.detach(), wanted)
    r1 = made.phases[2].loss(batch, 0)
    torch.testing.assert_close(r1.total.detach(), r1.parts["penalty"] * 4.0 / 2 * 4)


@pytest.mark.parametrize("codes", ["d", "c", "plain"])
def test_training_noise_depends_on_the_seeds_alone(codes):
    made = BricsLearner(replace(SMOKE, codes=codes, grids=replace(SMOKE.grids, init=1.0)), build())
    loss = made.phases[0].loss
    images = pictures(4)
    whole = loss(Batch([1, 2, 3, 4], images), 0).total
    torch.rand(3)
    halves = [loss(Batch(seeds, part), 0).total for seeds, part in (([1, 2], images[:2]), ([3, 4], images[2:]))]
    torch.testing.assert_close(whole, torch.stack(halves).mean())
    other = loss(Batch([5, 6, 7, 8], images), 0).total
    assert (whole.item() != other.item()) == (codes != "plain")


def test_checkpointing_changes_memory_and_not_gradients():
    batch = Batch([1, 2], pictures(2))
    gradients = []
    for again in (False, True):
        made = BricsLearner(replace(SMOKE, synthesis_noise=True, checkpointing=again), build())
        made.phases[0].loss(batch, 0).total.backward()
        gradients.append({name: p.grad for name, p in made.module.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient)


def test_schedule_warms_up_and_falls_to_zero():
    rate = BricsLearner(SMOKE, build()).phases[0].schedule
    assert rate(0, 100) == pytest.approx(0.2)
    assert rate(50, 100) == pytest.approx(0.5)
    assert rate(99, 100) < 0.001
    assert BricsLearner(replace(SMOKE, cosine=False, warm_up=0.0), build()).phases[0].schedule(7, 100) == 1.0


def test_training_all_phases_lowers_the_reconstruction_error():
    made = BricsLearner(replace(SMOKE, losses=ADVERSARIAL), build())
    batch = Batch(list(range(8)), images=pictures(8))
    errors = []
    for step in range(30):
        for phase in made.phases:
            if step % phase.every:
                continue
            phase.optimizer.zero_grad()
            found = phase.loss(batch, step)
            found.total.backward()
            phase.optimizer.step()
            errors += [float(found.parts["mse"])] if "mse" in found.parts else []
    assert errors[-1] < 0.7 * errors[0]


def test_a_perceptual_loss_asks_for_its_weights():
    asked = []

    def find(name: str) -> Path:
        asked.append(name)
        raise UsageError("not here")

    chosen = replace(SMOKE, losses=replace(SMOKE.losses, perceptual=5.0))
    with pytest.raises(UsageError, match="not here"):
        BricsLearner(chosen, replace(build(), weights=find))
    assert asked == ["vgg16"]


def test_revision_follows_weights_and_settings():
    first, again = tokenizer(), tokenizer()
    assert first.revision == again.revision
    changed = tokenizer(replace(SMOKE, key_gain=3.0))
    assert changed.revision != first.revision
