"""The layers of BRICS against independent implementations: NumPy loops, SciPy, one sample at a time."""

import itertools
import math

import numpy as np
import pytest
import scipy.signal
import torch
import torch.nn.functional as F

from bench.errors import IntegrityError
from methods.brics import losses, modulation, retrieval
from methods.brics.discriminator import Discriminator, minibatch_deviation
from methods.brics.grids import Grids, levels
from methods.brics.presets import GridSettings, settings

FITS = GridSettings(coarsest=3, finest=9, levels=4, channels=3, table_log2=12, init=1.0)
WRAPS = GridSettings(coarsest=3, finest=9, levels=4, channels=2, table_log2=7, init=1.0)


def _interpolated(table, cells, scale, point):
    """One group, one level, one point: the eight corners in a loop, in double precision."""
    entries = table.shape[1]
    node = point * scale + 0.5
    low = np.minimum(np.floor(node), cells - 1).astype(int)
    result = np.zeros(table.shape[0])
    for corner in itertools.product((0, 1), repeat=3):
        share = math.prod(f if bit else 1 - f for f, bit in zip(node - low, corner, strict=True))
        x, y, key = low + corner
        result += share * table[:, (x + y * (cells + 1) + key * (cells + 1) ** 2) % entries]
    return result


@pytest.mark.parametrize("grid", [FITS, WRAPS], ids=["whole cubes", "wrapped tables"])
def test_grid_lookup_equals_a_loop_over_corners(grid):
    torch.manual_seed(0)
    grids = Grids(grid, groups=2)
    points = torch.rand(2, 7, 3)
    points[0, 0], points[0, 1] = 0.0, 1.0
    found = grids(points).detach().numpy()
    for group, number in itertools.product(range(2), range(7)):
        where = points[group, number].double().numpy()
        wanted = [
            _interpolated(table[group].detach().double().numpy(), level.cells, level.scale, where)
            for table, level in zip(grids.tables, grids.levels, strict=True)
        ]
        np.testing.assert_allclose(found[group, :, number], np.concatenate(wanted), atol=1e-5)


@pytest.mark.parametrize("grid", [FITS, WRAPS], ids=["whole cubes", "wrapped tables"])
def test_grid_lookup_passes_gradients_to_keys(grid):
    torch.manual_seed(0)
    grids = Grids(grid, groups=1).double()
    points = torch.rand(1, 5, 3)
    points.requires_grad_(True)
    weight = torch.randn(grids.channels, 1)
    (grids(points) * weight).sum().backward()
    step = 1e-3
    moved = torch.tensor([0.0, 0.0, step])
    with torch.no_grad():
        slope = ((grids(points + moved) - grids(points - moved)) * weight).sum((0, 1)) / (2 * step)
    torch.testing.assert_close(points.grad[0, :, 2], slope, rtol=2e-2, atol=2e-2)


def test_levels_of_the_released_setting():
    assert [level.cells for level in levels(GridSettings())] == [
        16, 18, 20, 22, 24, 26, 28, 31, 34, 37, 41, 45, 49, 54, 59, 64,
    ]  # fmt: skip


@pytest.mark.parametrize(("up", "demodulate"), [(False, True), (True, True), (False, False)])
def test_modulated_convolution_equals_scaled_weights_per_sample(up, demodulate):
    torch.manual_seed(0)
    layer = modulation.ModulatedConv(5, 4, 3, style=6, up=up, demodulate=demodulate)
    x, style = torch.randn(3, 5, 8, 8), torch.randn(3, 6)
    side = 16 if up else 8
    offset = torch.randn(3, 4, side, side)
    for image, code, shift, found in zip(x, style, offset, layer(x, style, offset, gain=1.5), strict=True):
        scale = code @ layer.affine.weight.T / math.sqrt(6) + layer.affine.bias
        weight = layer.weight / math.sqrt(5 * 9) * scale[None, :, None, None]
        if demodulate:
            weight = weight / torch.sqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        if up:
            spread = torch.zeros(5, 15, 15)
            spread[:, ::2, ::2] = image
            flipped = weight.flip((2, 3))
            plain = F.conv2d(F.pad(spread, (2, 2, 2, 2))[None], flipped)[0]
            wanted = torch.stack([torch.from_numpy(_binomial(c.detach(), gain=4.0, pad=(1, 1))) for c in plain])
        else:
            wanted = F.conv2d(image[None], weight, padding=1)[0]
        torch.testing.assert_close(found, 1.5 * (wanted.float() + shift), rtol=1e-4, atol=1e-4)


def _binomial(plane, gain, pad):
    """The filter [1, 3, 3, 1] squared, by SciPy, after zero padding (before, after)."""
    taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64 * gain
    padded = np.pad(np.asarray(plane, dtype=np.float64), pad)
    return scipy.signal.correlate2d(padded, taps, mode="valid")


def test_upsampling_equals_scipy():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 6, 6)
    rows = scipy.signal.upfirdn(np.array([1, 3, 3, 1]) / 4, x.double().numpy(), up=2, axis=2)
    both = scipy.signal.upfirdn(np.array([1, 3, 3, 1]) / 4, rows, up=2, axis=3)
    np.testing.assert_allclose(modulation.upsampled(x).numpy(), both[:, :, 1:13, 1:13], atol=1e-5)


def test_downsampling_convolutions_equal_filter_then_stride():
    torch.manual_seed(0)
    x = torch.randn(1, 2, 8, 8)
    planes = x[0].double().numpy()
    skip = modulation.Conv(2, 3, 1, bias=False, down=True)
    smooth = np.stack([_binomial(p, 1.0, (1, 1))[::2, ::2] for p in planes])
    wanted = np.tensordot(skip.weight.detach().double().numpy()[:, :, 0, 0] / math.sqrt(2), smooth, axes=1)
    np.testing.assert_allclose(skip(x)[0].detach().numpy(), wanted, atol=1e-5)
    conv = modulation.Conv(2, 3, 3, down=True)
    smooth = np.stack([_binomial(p, 1.0, (2, 2)) for p in planes])
    kernel = conv.weight.detach().double().numpy() / math.sqrt(18)
    wanted = np.stack(
        [sum(scipy.signal.correlate2d(s, w, mode="valid") for s, w in zip(smooth, k, strict=True)) for k in kernel]
    )
    np.testing.assert_allclose(conv(x)[0].detach().numpy(), wanted[:, ::2, ::2], atol=1e-5)


def test_equalised_grouped_layer_equals_one_product_per_pixel():
    torch.manual_seed(0)
    layer = retrieval.GroupedModulatedLinear(groups=2, inputs=3, outputs=4, style=5, released=False)
    torch.nn.init.normal_(layer.bias)
    x, style = torch.randn(2, 2, 6, 3), torch.randn(2, 2, 5)
    found = layer(x, style)
    for g, n, p in itertools.product(range(2), range(2), range(6)):
        scale = layer.affine.weight[g] @ style[g, n] / math.sqrt(5) + layer.affine.bias[g, 0]
        weight = layer.weight[g] / math.sqrt(3) * scale
        weight = weight / torch.sqrt(weight.square().sum(1, keepdim=True) + 1e-8)
        torch.testing.assert_close(found[g, n, p], weight @ x[g, n, p] + layer.bias[g, 0, 0])


def test_retrieval_asks_each_group_at_pixel_centres_with_its_own_channel():
    module = retrieval.Retrieval(settings("smoke", None))
    keys = torch.rand(2, 4, 8, 8)
    points = module._points(keys).reshape(4, 2, 8, 8, 3)
    for g, n, row, column in itertools.product(range(4), range(2), (0, 3, 7), (0, 5, 7)):
        wanted = torch.stack([torch.tensor((column + 0.5) / 8), torch.tensor((row + 0.5) / 8), keys[n, g, row, column]])
        torch.testing.assert_close(points[g, n, row, column], wanted)


def test_tiling_repeats_each_code_over_its_square():
    keys = torch.arange(4.0).reshape(1, 1, 2, 2)
    assert retrieval.tiled(keys, 4)[0, 0].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]


def test_minibatch_deviation_against_a_loop():
    torch.manual_seed(0)
    x = torch.randn(8, 3, 2, 2)
    found = minibatch_deviation(x, group=4)
    for image in range(8):
        group = x[[i for i in range(8) if i % 2 == image % 2]].double().numpy()
        wanted = np.sqrt(group.var(axis=0) + 1e-8).mean()
        np.testing.assert_allclose(found[image, 3].numpy(), np.full((2, 2), wanted), rtol=1e-5)
    torch.testing.assert_close(found[:, :3], x)


def test_r1_equals_finite_differences_and_trains_the_discriminator():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1))
    network.double()
    images = torch.randn(3, 3, 2, 2, dtype=torch.double, requires_grad=True)
    penalty = losses.r1_penalty(network(images)[:, 0], images)
    step, total = 1e-5, 0.0
    for image, index in itertools.product(range(3), itertools.product(range(3), range(2), range(2))):
        plus, minus = images.detach().clone(), images.detach().clone()
        plus[image][index] += step
        minus[image][index] -= step
        total += ((network(plus)[image] - network(minus)[image]) / (2 * step)).item() ** 2
    assert penalty.item() == pytest.approx(total / 3, rel=1e-6)
    penalty.backward()
    assert float(network[1].weight.grad.abs().sum()) > 0


def test_r1_reaches_every_weight_of_the_residual_discriminator():
    torch.manual_seed(0)
    network = Discriminator(8, base=64)
    images = torch.randn(4, 3, 8, 8, requires_grad=True)
    losses.r1_penalty(network(images), images).backward()
    weights = {n: p for n, p in network.named_parameters() if n.endswith("weight")}
    assert weights
    assert all(float(p.grad.abs().sum()) > 0 for p in weights.values())


def test_adversarial_losses_equal_their_formulas():
    real, fake = torch.tensor([0.3, -2.0, 40.0]), torch.tensor([1.5, -0.2, -60.0])

    def sigmoid(x):
        return 1 / (1 + np.exp(-x.double().numpy()))

    wanted = -np.log(sigmoid(real)).mean() - np.log(1 - sigmoid(fake)).mean()
    assert float(losses.logistic(real, fake)) == pytest.approx(wanted, rel=1e-6)
    assert float(losses.non_saturating(fake)) == pytest.approx(-np.log(sigmoid(fake)).mean(), rel=1e-6)


def test_kl_equals_torch_distributions():
    torch.manual_seed(0)
    mean, log_variance = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    ours = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    wanted = torch.distributions.kl_divergence(ours, torch.distributions.Normal(0.0, 1.0)).mean()
    torch.testing.assert_close(losses.kl_divergence(mean, log_variance), wanted)


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    """torchvision's VGG16 feature stack with random weights, and its file."""
    import safetensors.torch
    import torchvision

    torch.manual_seed(0)
    with torch.device("meta"):
        stack = torchvision.models.vgg16(weights=None).features.eval()
    stack.to_empty(device="cpu")
    for parameter in stack.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    path = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    safetensors.torch.save_file({f"features.{k}": v for k, v in stack.state_dict().items()}, path)
    return stack, path


def test_perceptual_loss_reads_four_blocks_of_vgg16(vgg):
    stack, path = vgg
    loss = losses.vgg_perceptual(path)
    torch.manual_seed(1)
    x, y = torch.rand(2, 1, 3, 32, 32) * 2 - 1
    x.requires_grad_(True)
    found = loss(x, y)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    features = []
    for image in (x.detach(), y):
        scaled = ((image.numpy() + 1) / 2 - mean[:, None, None]) / deviation[:, None, None]
        h = F.interpolate(torch.from_numpy(scaled).float(), size=(224, 224), mode="bilinear", align_corners=False)
        kept = []
        with torch.no_grad():
            for name, layer in stack.named_children():
                h = layer(h)
                if name in ("3", "8", "15", "22"):
                    assert isinstance(layer, torch.nn.ReLU)
                    kept.append(h.clone())
        features.append(kept)
    wanted = sum(np.abs(a.numpy() - b.numpy()).mean() for a, b in zip(*features, strict=True))
    assert found.item() == pytest.approx(wanted, rel=1e-4)
    found.backward()
    assert x.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in loss.parameters())


def test_perceptual_loss_refuses_other_weights(tmp_path):
    import safetensors.torch

    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(IntegrityError, match=r"other\.safetensors"):
        losses.vgg_perceptual(path)


def test_feature_distance_is_a_sum_of_means():
    one, other = [torch.tensor([[1.0, 2.0]]), torch.zeros(1, 4)], [torch.tensor([[0.0, 4.0]]), torch.ones(1, 4)]
    assert float(losses.feature_distance(one, other)) == pytest.approx(1.5 + 1.0)
