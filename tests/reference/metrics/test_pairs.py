"""PSNR and SSIM against scikit-image, MS-SSIM against pytorch-msssim, LPIPS against the lpips package."""

import lpips
import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bench.metrics import METRICS
from bench.metrics.formulas import psnr, ssim
from bench.pretrained import weights
from bench.pretrained.lpips import LPIPS_WEIGHTS, Networks, lpips_network

from .conftest import picture, pinned


def images(seed, count, height, width):
    random = np.random.RandomState(seed)
    one = np.stack([picture(random, height, width) for _ in range(count)])
    noise = random.randint(-40, 41, one.shape)
    other = np.clip(one + noise * np.arange(count)[:, None, None, None] // count, 0, 255).astype(np.uint8)
    return one, other


def ours(name, one, other):
    tensors = [torch.from_numpy(a.transpose(0, 3, 1, 2).copy()) for a in (one, other)]
    return METRICS[name].function(*tensors, Networks(torch.device("cpu")))


@pytest.mark.parametrize(("height", "width"), [(11, 11), (32, 48), (65, 33)])
def test_psnr_and_ssim_equal_scikit_image(height, width):
    one, other = images(0, 6, height, width)
    other[1] = 255 - one[1]
    one[2] = 255
    other[2] = 254
    expected = [
        structural_similarity(
            a, b, channel_axis=2, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for a, b in zip(one, other, strict=True)
    ]
    np.testing.assert_allclose(ours("ssim", one, other), expected, atol=1e-5)
    expected = [
        100 if (a == b).all() else peak_signal_noise_ratio(a, b, data_range=255)
        for a, b in zip(one, other, strict=True)
    ]
    np.testing.assert_allclose(ours("psnr", one, other), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["psnr", "ssim", "ms-ssim"])
def test_a_large_image_in_strips_has_the_value_of_a_small_one(name, monkeypatch):
    one, other = images(0, 2, 181, 203)
    whole = ours(name, one, other)
    monkeypatch.setattr(ssim, "STRIP", 5_000)
    monkeypatch.setattr(psnr, "PIECE", 5_000)
    np.testing.assert_allclose(ours(name, one, other), whole, rtol=1e-12)


def test_identical_images_have_100_decibels_and_ssim_1():
    one, _ = images(0, 2, 32, 32)
    assert ours("psnr", one, one).tolist() == [100, 100]
    np.testing.assert_allclose(ours("ssim", one, one), 1, atol=1e-12)


def test_a_wrong_range_would_show():
    """SSIM with the range 2.0 on [0, 1] images, a mistake seen in the wild, is far from the right value."""
    one, other = images(0, 4, 32, 32)
    wrong = structural_similarity(
        one[3] / 255, other[3] / 255, channel_axis=2, data_range=2.0, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False,
    )  # fmt: skip
    assert abs(ours("ssim", one, other)[3] - wrong) > 0.01


@pytest.mark.parametrize("size", [(176, 192), (177, 203), (161, 161)])
def test_ms_ssim_equals_pytorch_msssim(size):
    """The package that papers use; it averages the channels after the product over scales, and pads odd sides."""
    from pytorch_msssim import ms_ssim

    one, other = images(3, 3, *size)
    other[..., 1] = np.clip(other[..., 1] // 2, 0, 255)
    planes = [torch.from_numpy(a.transpose(0, 3, 1, 2).copy()).double() for a in (one, other)]
    expected = ms_ssim(*planes, data_range=255, size_average=False)
    np.testing.assert_allclose(ours("ms-ssim", one, other), expected.numpy(), atol=1e-6, rtol=0)


@pytest.fixture(scope="session")
def backbones(tmp_path_factory):
    """torchvision's networks with random weights, saved under the names of the table."""
    import torchvision

    folder = tmp_path_factory.mktemp("backbones")
    builders = {"alex": "alexnet", "squeeze": "squeezenet1_1", "vgg": "vgg16"}
    for index, (backbone, builder) in enumerate(builders.items()):
        torch.manual_seed(index)
        state = getattr(torchvision.models, builder)(weights=None).state_dict()
        torch.save({k: v for k, v in state.items() if k.startswith("features.")}, folder / f"{backbone}.pth")
    return folder


@pytest.mark.parametrize("backbone", ["alex", "squeeze", "vgg"])
def test_lpips_equals_the_package(backbone, backbones):
    state = torch.load(backbones / f"{backbone}.pth", weights_only=True)
    theirs = lpips.LPIPS(net=backbone, pnet_rand=True, verbose=False).eval()
    trunk = {key: state[f"features.{key.split('.', 1)[1]}"] for key in theirs.net.state_dict()}
    theirs.net.load_state_dict(trunk)
    one, other = images(2, 4, 64, 48)
    signed = [torch.from_numpy(a.transpose(0, 3, 1, 2).copy()).float() / 127.5 - 1 for a in (one, other)]
    with torch.no_grad():
        expected = theirs(*signed).flatten().numpy()
    assert expected.max() > 0
    with pinned(LPIPS_WEIGHTS[backbone], f"{backbone}.pth", backbones):
        found = ours(f"lpips-{backbone}", one, other)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_lpips_passes_gradients_to_images_and_none_to_itself(backbones):
    network = lpips_network("squeeze", weights=backbones / "squeeze.pth")
    image = torch.zeros(1, 3, 64, 64, requires_grad=True)
    network(image, torch.ones(1, 3, 64, 64)).sum().backward()
    assert image.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in network.parameters())


def test_building_lpips_leaves_the_random_state_alone(backbones):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    lpips_network("squeeze", weights=backbones / "squeeze.pth")
    assert torch.equal(torch.rand(4), expected)


def test_a_backbone_of_another_network_is_refused(backbones):
    with pytest.raises(weights.IntegrityError, match="does not fit the network"):
        lpips_network("alex", weights=backbones / "squeeze.pth")
