"""The operation counter against fvcore and against torch's own FLOP counter, on real and on meta tensors."""

import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from bench.core.flops import tally


class Attention(nn.Module):
    """Single-head self-attention over pixels, as plain matrix products or fused."""

    def __init__(self, channels: int, fused: bool) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(4, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.fused = fused

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        q, k, v = (t.reshape(n, c, h * w).transpose(1, 2) for t in self.qkv(self.norm(x)).chunk(3, dim=1))
        if self.fused:
            out = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        else:
            out = torch.bmm(torch.softmax(torch.bmm(q, k.transpose(1, 2)) * c**-0.5, dim=2), v)
        return x + out.transpose(1, 2).reshape(n, c, h, w)


class Decoder(nn.Module):
    """Every operator that the learned decoders use: grouped and transposed convolutions, norms, linear, upsampling."""

    def __init__(self, fused: bool = False, groups: int = 2) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(6, 16, 3, padding=1),
            nn.GroupNorm(4, 16),
            nn.SiLU(),
            Attention(16, fused),
            nn.Upsample(scale_factor=2.0, mode="nearest"),
            nn.Conv2d(16, 16, 3, padding=1, groups=groups, bias=False),
            nn.BatchNorm2d(16),
            nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1, groups=groups),
            nn.GroupNorm(2, 8, affine=False),
            nn.Conv2d(8, 8, 3, stride=2, dilation=2),
        )
        self.head = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x).movedim(1, 3))


def torch_gmac(run) -> float:
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 2e9


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_agrees_with_fvcore_on_a_whole_forward(device: str) -> None:
    model = Decoder().eval()
    by_operator = FlopCountAnalysis(model, torch.zeros(2, 6, 8, 8)).unsupported_ops_warnings(False).by_operator()
    x = torch.zeros(2, 6, 8, 8, device=device)
    with torch.no_grad():
        counted = tally(lambda: model.to(device)(x))
    assert counted.macs + counted.elementwise == sum(by_operator.values())
    assert counted.elementwise == sum(by_operator[k] for k in by_operator if "norm" in k or "upsample" in k)


def test_batch_norm_in_training_agrees_with_fvcore() -> None:
    model, x = Decoder().train(), torch.zeros(2, 6, 8, 8)
    with torch.no_grad():
        counted = tally(lambda: model(x))
    assert counted.macs + counted.elementwise == FlopCountAnalysis(model, x).unsupported_ops_warnings(False).total()


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("fused", [False, True])
def test_forward_agrees_with_torch(device: str, fused: bool) -> None:
    model = Decoder(fused).to(device).eval()
    x = torch.zeros(2, 6, 8, 8, device=device)
    with torch.no_grad():
        assert tally(lambda: model(x)).gmac == pytest.approx(torch_gmac(lambda: model(x)), rel=1e-12)


def test_fused_attention_counts_as_plain_matrix_products() -> None:
    plain, fused = Decoder(False), Decoder(True)
    x = torch.zeros(2, 6, 8, 8)
    assert tally(lambda: plain(x)).macs == tally(lambda: fused(x)).macs


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_fused_attention_is_what_fvcore_does_not_see(device: str) -> None:
    """Called directly, and by ``nn.MultiheadAttention``, whose projections alone fvcore counts."""
    model, x = Decoder(True).eval(), torch.zeros(2, 6, 8, 8)
    seen = FlopCountAnalysis(model, x).unsupported_ops_warnings(False).total()
    attention, tokens = nn.MultiheadAttention(32, 4).eval(), torch.zeros(5, 1, 32)
    with torch.no_grad():
        counted = tally(lambda: model.to(device)(x.to(device)))
        packed = tally(lambda: attention.to(device)(*[tokens.to(device)] * 3, need_weights=False))
    assert round(counted.gmac_fvcore * 1e9) == seen == counted.macs + counted.elementwise - 2 * 2 * 16 * 64**2
    assert packed.macs == 4 * 5 * 32**2 + packed.fused
    assert packed.fused == 2 * 5**2 * 32


@pytest.mark.parametrize("fused", [False, True])
def test_training_step_agrees_with_torch(fused: bool) -> None:
    model = Decoder(fused, groups=1)
    x = torch.randn(2, 6, 8, 8, requires_grad=True)

    def step() -> None:
        model.zero_grad()
        model(x).square().mean().backward()

    counted = tally(step)
    assert counted.gmac == pytest.approx(torch_gmac(step), rel=1e-12)
    assert counted.flops == 2 * counted.macs


@pytest.mark.parametrize("transposed", [False, True])
def test_grouped_backward_costs_what_its_groups_cost(transposed: bool) -> None:
    """torch's counter charges a grouped weight gradient ``groups`` times, so the reference is one call per group."""
    conv = F.conv_transpose2d if transposed else F.conv2d
    x, weight = torch.randn(2, 6, 8, 8, requires_grad=True), torch.randn(6, 2, 3, 3, requires_grad=True)

    def grouped() -> None:
        conv(x, weight, groups=3).sum().backward()

    def apart() -> None:
        for inputs, kernel in zip(x.split(2, dim=1), weight.split(2), strict=True):
            conv(inputs, kernel).sum().backward()

    assert tally(grouped).gmac == pytest.approx(torch_gmac(apart), rel=1e-12)


def test_double_backward_is_counted() -> None:
    weight = torch.randn(4, 3, 3, 3, requires_grad=True)
    x = torch.randn(1, 3, 8, 8, requires_grad=True)

    def step() -> None:
        (gradient,) = torch.autograd.grad(F.conv2d(x, weight).square().sum(), x, create_graph=True)
        gradient.square().sum().backward()

    assert tally(step).gmac == pytest.approx(torch_gmac(step), rel=1e-12)


def test_inference_mode_takes_composite_operators_apart() -> None:
    model, x = Decoder().eval(), torch.zeros(2, 6, 8, 8)
    with torch.no_grad():
        expected = tally(lambda: model(x))
    with torch.inference_mode():
        counted = tally(lambda: model(x))
    assert (counted.macs, counted.elementwise) == (expected.macs, expected.elementwise)


def test_vectors_count_although_torch_leaves_them_out() -> None:
    matrix, vector = torch.zeros(5, 7), torch.zeros(7)
    assert tally(lambda: matrix @ vector).macs == 35
    assert tally(lambda: vector @ vector).macs == 7


def test_what_is_not_counted_is_named() -> None:
    x = torch.zeros(1, 2, 4, 4)
    counted = tally(lambda: F.grid_sample(x, torch.zeros(1, 4, 4, 2), align_corners=False).exp())
    assert counted.macs == counted.elementwise == 0
    assert counted.uncounted["aten::exp"] == 1
    assert any("grid_sampler" in name for name in counted.uncounted)
    assert "aten::view" not in counted.uncounted
