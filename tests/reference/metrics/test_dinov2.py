"""DINOv2 through timm against a forward pass written out on Meta's keys."""

import math

import pytest
import torch
from torch.nn.functional import conv2d, gelu, interpolate, layer_norm, linear, softmax

from bench.errors import IntegrityError
from bench.metrics.features import dinov2
from bench.metrics.features.resample import bicubic_antialiased

CPU = torch.device("cpu")
WIDTH, DEPTH, HEADS, GRID = 384, 12, 6, 37


def published_state():
    """A random state dict with the names and shapes of ``dinov2_vits14_pretrain.pth``."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape, scale=0.05, mean=0.0):
        return torch.randn(shape, generator=generator) * scale + mean

    state = {
        "cls_token": random(1, 1, WIDTH),
        "pos_embed": random(1, 1 + GRID**2, WIDTH),
        "mask_token": random(1, WIDTH),
        "patch_embed.proj.weight": random(WIDTH, 3, 14, 14),
        "patch_embed.proj.bias": random(WIDTH),
        "norm.weight": random(WIDTH, mean=1.0),
        "norm.bias": random(WIDTH),
    }
    shapes = {
        "norm1": (WIDTH,), "attn.qkv": (3 * WIDTH, WIDTH), "attn.proj": (WIDTH, WIDTH),
        "norm2": (WIDTH,), "mlp.fc1": (4 * WIDTH, WIDTH), "mlp.fc2": (WIDTH, 4 * WIDTH),
    }  # fmt: skip
    for block in range(DEPTH):
        for name, shape in shapes.items():
            state[f"blocks.{block}.{name}.weight"] = random(*shape, mean=1.0 if len(shape) == 1 else 0.0)
            state[f"blocks.{block}.{name}.bias"] = random(shape[0])
        for scale in ("ls1", "ls2"):
            state[f"blocks.{block}.{scale}.gamma"] = random(WIDTH, scale=0.5)
    return state


def reference(state, images):
    """Class tokens of a pre-norm vision transformer with layer scale, step by step."""
    x = bicubic_antialiased(images.float(), 224, 224) / 255
    x = (x - torch.tensor(dinov2.MEAN).view(3, 1, 1)) / torch.tensor(dinov2.DEVIATION).view(3, 1, 1)
    x = conv2d(x, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=14).flatten(2).mT
    x = torch.cat((state["cls_token"].expand(len(x), 1, WIDTH), x), dim=1)
    grid = state["pos_embed"][:, 1:].reshape(1, GRID, GRID, WIDTH).permute(0, 3, 1, 2)
    grid = interpolate(grid, scale_factor=((16 + 0.1) / GRID, (16 + 0.1) / GRID), mode="bicubic")
    x = x + torch.cat((state["pos_embed"][:, :1], grid.permute(0, 2, 3, 1).reshape(1, 256, WIDTH)), dim=1)
    for block in range(DEPTH):
        part = {k.split(".", 2)[2]: v for k, v in state.items() if k.startswith(f"blocks.{block}.")}
        y = layer_norm(x, (WIDTH,), part["norm1.weight"], part["norm1.bias"], 1e-6)
        qkv = linear(y, part["attn.qkv.weight"], part["attn.qkv.bias"])
        q, k, v = qkv.reshape(*y.shape[:2], 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        weights = softmax(q @ k.mT / math.sqrt(WIDTH // HEADS), dim=-1)
        y = (weights @ v).transpose(1, 2).reshape(y.shape)
        x = x + part["ls1.gamma"] * linear(y, part["attn.proj.weight"], part["attn.proj.bias"])
        y = layer_norm(x, (WIDTH,), part["norm2.weight"], part["norm2.bias"], 1e-6)
        y = gelu(linear(y, part["mlp.fc1.weight"], part["mlp.fc1.bias"]))
        x = x + part["ls2.gamma"] * linear(y, part["mlp.fc2.weight"], part["mlp.fc2.bias"])
    return layer_norm(x, (WIDTH,), state["norm.weight"], state["norm.bias"], 1e-6)[:, 0]


def test_class_tokens_equal_the_written_out_network(tmp_path):
    state = published_state()
    torch.save(state, tmp_path / "dinov2.pth")
    network = dinov2.build_small(CPU, lambda name: tmp_path / "dinov2.pth")
    images = torch.randint(0, 256, (2, 3, 70, 50), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    found = network(images)["cls"]
    assert found.shape == (2, WIDTH)
    torch.testing.assert_close(found, reference(state, images), rtol=1e-4, atol=1e-4)


def test_another_model_is_refused(tmp_path):
    state = published_state()
    del state["blocks.11.ls2.gamma"]
    torch.save(state, tmp_path / "dinov2.pth")
    with pytest.raises(IntegrityError, match=r"1 missing \(blocks.11.ls2.gamma\)"):
        dinov2.build_small(CPU, lambda name: tmp_path / "dinov2.pth")


def test_the_large_model_has_the_published_names_and_shapes():
    """Names of a block are those of the small one; widths as published: 1024, 24 blocks."""
    import timm

    with torch.device("meta"):
        network = timm.create_model("vit_large_patch14_dinov2", pretrained=False, num_classes=0, img_size=224)
    names = set(network.state_dict())
    published = {key for key in published_state() if key != "mask_token"}
    more = {key.replace("blocks.0.", f"blocks.{i}.") for key in published for i in range(24) if "blocks.0." in key}
    assert names == published | more
    assert network.state_dict()["blocks.23.attn.qkv.weight"].shape == (3072, 1024)
