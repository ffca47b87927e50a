"""BRICS as released: each convention of the authors' code as a formula written out here, in double precision.

Values come from the formulas alone; no code and no weights of the authors are used.
"""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bench.contract import Build
from bench.core.distributed import Alone
from methods.brics.discriminator import Discriminator, ResidualBlock
from methods.brics.encoder import Encoder
from methods.brics.learner import BricsLearner
from methods.brics.losses import r1_penalty
from methods.brics.model import Autoencoder
from methods.brics.presets import EncoderSettings, GridSettings, settings
from methods.brics.retrieval import Retrieval
from methods.brics.synthesis import Block, Layer
from methods.brics.tokenizer import decoder_noise

CPU = torch.device("cpu")
PAPER = settings("paper", None)
TINY = replace(
    PAPER, code_side=4, code_channels=2, feature_side=4, feature_channels=8, hidden=6, group_style=5,
    grids=GridSettings(coarsest=2, finest=4, levels=3, channels=2, table_log2=10),
)  # fmt: skip


def randomised(module):
    """Every parameter that starts constant gets values, so that its place in the formula matters."""
    for name, parameter in module.named_parameters():
        if parameter.numel() > 1 and float(parameter.detach().std()) == 0:
            nn.init.normal_(parameter, mean=float(parameter.detach().mean()), std=0.3)
            assert float(parameter.detach().std()) > 0, name
    return module


# ----------------------------------------------------------------------------------------------------------------
# Encoder


def leaky(x, slope=0.01):
    return torch.where(x >= 0, x, slope * x)


def normed(x, weights, name):
    """Mean 0 and variance 1 within each of 32 groups of channels, epsilon 1e-6, then an affine map per channel."""
    groups = x.reshape(len(x), 32, -1)
    centred = groups - groups.mean(2, keepdim=True)
    scaled = (centred / torch.sqrt(centred.square().mean(2, keepdim=True) + 1e-6)).reshape(x.shape)
    return scaled * weights[f"{name}.weight"][:, None, None] + weights[f"{name}.bias"][:, None, None]


def convolved(x, weights, name, **arguments):
    return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], **arguments)


def residual(x, weights, name):
    h = convolved(leaky(normed(x, weights, f"{name}.norm1")), weights, f"{name}.conv1", padding=1)
    h = convolved(leaky(normed(h, weights, f"{name}.norm2")), weights, f"{name}.conv2", padding=1)
    return h + (convolved(x, weights, f"{name}.skip") if f"{name}.skip.weight" in weights else x)


def attended(x, weights, name):
    n, c, h, w = x.shape
    q, k, v = convolved(normed(x, weights, f"{name}.norm"), weights, f"{name}.qkv").reshape(n, 3, c, h * w).unbind(1)
    share = torch.softmax(torch.einsum("nci,ncj->nij", q, k) / math.sqrt(c), dim=2)
    mixed = torch.einsum("nij,ncj->nci", share, v).reshape(n, c, h, w)
    return x + convolved(mixed, weights, f"{name}.out")


def test_the_encoder_follows_its_formulas():
    """32 and 64 channels with 32 groups each, slope 0.01, attention at the codes' resolution."""
    torch.manual_seed(0)
    chosen = replace(PAPER.encoder, widest=64, attention=(8,))
    encoder = randomised(Encoder(chosen, side=16, code_side=8, outputs=4)).double()
    weights = {name: value.double() for name, value in encoder.state_dict().items()}
    images = torch.rand(2, 3, 16, 16, dtype=torch.double) * 2 - 1
    h = convolved(images, weights, "layers.0", padding=1)
    h = residual(residual(h, weights, "layers.1"), weights, "layers.2")
    h = convolved(F.pad(h, (0, 1, 0, 1)), weights, "layers.3.conv", stride=2)
    h = attended(residual(h, weights, "layers.4"), weights, "layers.5")
    h = attended(residual(h, weights, "layers.6"), weights, "layers.7")
    wanted = convolved(leaky(normed(h, weights, "norm")), weights, "head")
    # The head runs in single precision.
    encoder.head.float()
    torch.testing.assert_close(encoder(images).double(), wanted, rtol=1e-5, atol=1e-5)


def test_every_norm_of_the_paper_s_encoder_has_32_groups():
    for variant in (None, "16x16x16"):
        with torch.device("meta"):
            encoder = Autoencoder(settings("paper", variant), 256).encoder
        norms = [m for m in encoder.modules() if isinstance(m, nn.GroupNorm)]
        assert {n.num_channels for n in norms} >= {32, 64, 128, 256}
        assert {n.num_groups for n in norms} == {32}


# ----------------------------------------------------------------------------------------------------------------
# Retrieval and styles


def by_rms(x):
    return x / np.sqrt(np.mean(x**2) + 1e-8)


def connected(x, layer, group, rate):
    """Equalised learning rate with a multiplier, then a leaky ReLU of slope 0.2 times sqrt(2)."""
    weight, bias = (p[group].detach().double().numpy() for p in (layer.weight, layer.bias))
    y = rate / math.sqrt(len(x)) * weight @ x + rate * bias[0]
    return np.where(y >= 0, y, 0.2 * y) * math.sqrt(2)


def modulated(x, style, layer, group):
    """(W' (x s') + b) / |W' s'|; rows of W' by their largest magnitude and sqrt(inputs), s' by its largest."""
    weight, bias, affine, shift = (
        p[group].detach().double().numpy() for p in (layer.weight, layer.bias, layer.affine.weight, layer.affine.bias)
    )
    s = affine @ style / math.sqrt(len(style)) + shift[0]
    s = s / np.abs(s).max()
    w = weight / np.abs(weight).max(axis=1, keepdims=True) / math.sqrt(len(x))
    return (w @ (x * s) + bias[0, 0]) / np.sqrt(np.sum((w * s) ** 2, axis=1) + 1e-8)


@pytest.mark.parametrize("init", [1e-9, 1e-4, 1.0])
def test_features_and_styles_follow_their_formulas(init):
    """Where the grids start (1e-4) the epsilon outweighs what is divided and two divisions count, below that three."""
    torch.manual_seed(0)
    module = randomised(Retrieval(replace(TINY, grids=replace(TINY.grids, init=init))))
    keys = torch.rand(2, 2, 4, 4)
    features, decoder_style = (t.detach().double().numpy() for t in module(keys))
    points = module._points(keys)
    found = module.grids(points).detach().double().numpy().reshape(2, -1, 2, 16)
    for group, image in itertools.product(range(2), range(2)):
        vectors = found[group, :, image].T
        mean = by_rms(vectors.mean(axis=0))
        style = by_rms(mean)
        for layer in module.style.layers:
            style = connected(style, layer, group, 0.01)
        mapped = by_rms(by_rms(mean))
        for layer in module.mapping.layers:
            mapped = connected(mapped, layer, group, 0.01)
        np.testing.assert_allclose(decoder_style[image, 4 * group : 4 * group + 4], mapped, rtol=2e-5, atol=1e-6)
        for pixel, vector in enumerate(vectors):
            x = vector
            for number, layer in enumerate(module.layers):
                x = modulated(x, style, layer, group)
                x = np.where((x >= 0) | (number == 2), x, 0.01 * x).clip(-255, 255)
            row, column = divmod(pixel, 4)
            np.testing.assert_allclose(features[image, 4 * group : 4 * group + 4, row, column], x, rtol=2e-4, atol=2e-5)


def test_every_layer_of_the_retrieval_is_clamped():
    torch.manual_seed(0)
    module = Retrieval(TINY)
    nn.init.constant_(module.layers[0].bias, 1e5)
    seen = []
    module.layers[1].register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    module(torch.rand(1, 2, 4, 4))
    assert float(seen[0].detach().min()) == 255.0
    nn.init.constant_(module.layers[2].bias, -1e5)
    assert float(module(torch.rand(1, 2, 4, 4))[0].detach().max()) == -255.0


def test_weights_start_as_released():
    """Xavier in the modulated MLPs; a rate of 0.01 means weights that start a hundred times larger."""
    torch.manual_seed(0)
    module = Retrieval(replace(TINY, hidden=64, group_style=128, feature_channels=256))
    for layer in module.layers:
        outputs, inputs = layer.weight.shape[1:]
        assert float(layer.weight.std()) == pytest.approx(math.sqrt(2 / (inputs + outputs)), rel=0.08)
    for layer in (*module.style.layers, *module.mapping.layers):
        assert float(layer.weight.std()) == pytest.approx(100, rel=0.08)
    assert float(Layer(32, 32, 16).conv.weight.std()) == pytest.approx(1, rel=0.08)


# ----------------------------------------------------------------------------------------------------------------
# Clamps and precision


def test_layers_of_decoder_and_discriminator_are_clamped():
    torch.manual_seed(0)
    block = Block(4, 4, 3, layers=1, style=5, up=False)
    nn.init.constant_(block.layers[0].bias, 1e6)
    nn.init.constant_(block.rgb_bias, -1e6)
    x, rgb = block(torch.randn(1, 4, 8, 8), None, torch.randn(1, 5), [None])
    assert float(x.min()) == float(x.max()) == 256.0
    assert float(rgb.min()) == float(rgb.max()) == -256.0
    judge = ResidualBlock(4, 6)
    nn.init.constant_(judge.conv2.bias, 1e6)
    x = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(judge(x), (256 + judge.skip(x)) * math.sqrt(0.5))


def test_the_discriminator_is_half_precise_at_its_four_highest_resolutions_on_cuda():
    with torch.device("meta"):
        network = Discriminator(256, PAPER.losses.discriminator_base, PAPER.losses.discriminator_half)
    half, full = torch.float16, torch.float32
    assert network.precisions(torch.device("cuda")) == [half, half, half, half, full, full]  # 256, 128, 64, 32; 16, 8
    assert set(network.precisions(CPU)) == {full}
    tiny = replace(settings("smoke", None), losses=replace(PAPER.losses, perceptual=0.0, discriminator_base=256))
    made = BricsLearner(tiny, Build((32, 32), 0, CPU, Alone()))
    assert made.discriminator.half_sides == 4


def test_half_precision_moves_logits_and_r1_little():
    """On the CPU, which rounds to float16 as a GPU does: 2 of 3 resolutions."""
    torch.manual_seed(0)
    network = Discriminator(32, 512, half=2)
    precisions = network.precisions(torch.device("cuda"))
    assert precisions == [torch.float16, torch.float16, torch.float32]
    seen = []
    for block in network.blocks:
        block.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    images = torch.randn(4, 3, 32, 32, requires_grad=True)
    exact, rough = network.logits(images, [torch.float32] * 3), network.logits(images, precisions)
    assert seen[3:] == precisions
    assert 0 < float((exact - rough).abs().max()) < 5e-3
    penalties = [r1_penalty(logits, images) for logits in (exact, rough)]
    assert float(penalties[1]) == pytest.approx(float(penalties[0]), rel=0.02)
    gradients = [torch.autograd.grad(p, network.blocks[0].conv1.weight)[0] for p in penalties]
    assert float((gradients[1] - gradients[0]).norm()) < 0.05 * float(gradients[0].norm())


def test_gradients_of_the_discriminator_stay_finite():
    """An overflow in float16 costs a step, not the run."""
    tiny = replace(settings("smoke", None), losses=replace(PAPER.losses, perceptual=0.0, discriminator_base=256))
    parameter = BricsLearner(tiny, Build((32, 32), 0, CPU, Alone())).discriminator.out.bias
    for factor, wanted in ((math.inf, 1e5), (-math.inf, -1e5), (math.nan, 0.0), (3.0, 3.0)):
        parameter.grad = None
        (parameter * factor).sum().backward()
        assert float(parameter.grad) == wanted


@pytest.mark.parametrize(("half", "same"), [(2, True), (0, False)])
def test_a_discriminator_with_a_precision_of_its_own_ignores_autocast(half, same):
    torch.manual_seed(0)
    network = Discriminator(16, 256, half)
    images = torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        exact = network(images)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = network(images)
    assert found.dtype == torch.float32
    assert torch.equal(found, exact) == same


# ----------------------------------------------------------------------------------------------------------------
# Key noise


def test_key_noise_is_drawn_per_code_and_then_tiled():
    chosen = replace(TINY, feature_side=8, encoder=EncoderSettings())
    model = Autoencoder(chosen, 16)
    noise = decoder_noise(model, [3, 4], CPU).keys
    assert noise.shape == (2, 2, 4, 4)
    keys = torch.rand(2, 2, 4, 4)
    found = model.perturbed(keys, noise).numpy()
    wanted = np.clip(keys.numpy() + noise.numpy() / (4 * chosen.grids.finest), 0, 1)
    assert found.shape == (2, 2, 8, 8)
    np.testing.assert_allclose(found, wanted.repeat(2, axis=2).repeat(2, axis=3), atol=1e-6)
