"""Our networks and losses against those of taming-transformers (the package taming-transformers-rom1504)."""

import contextlib
import io

import pytest
import torch
from taming.modules.diffusionmodules import model as official
from taming.modules.discriminator import model as discriminators
from taming.modules.vqvae import quantize as quantizers
from torch import nn

from methods.autoencoder.autoencoder import Decoder, Encoder
from methods.autoencoder.discriminator import NLayerDiscriminator
from methods.autoencoder.losses import codebook_loss
from methods.autoencoder.quantised_settings import VQSettings
from methods.autoencoder.quantizers.vq import VectorQuantizer
from methods.autoencoder.settings import Architecture

CASES = [
    Architecture(32, 32, (1, 2, 2), 2, (8,), 16),
    Architecture(32, 32, (1, 1), 1, (), 8, double_z=True),
    Architecture(64, 32, (1, 2, 4), 1, (32, 16), 3),
]


def silently(build, **arguments):
    """The official constructors print their shapes."""
    with contextlib.redirect_stdout(io.StringIO()):
        return build(**arguments)


def arguments(a: Architecture) -> dict:
    return {
        "ch": a.ch,
        "out_ch": 3,
        "ch_mult": a.ch_mult,
        "num_res_blocks": a.num_res_blocks,
        "attn_resolutions": list(a.attn_resolutions),
        "in_channels": 3,
        "resolution": a.resolution,
        "z_channels": a.z_channels,
        "double_z": a.double_z,
    }


def load_official(ours: nn.Module, theirs: nn.Module) -> None:
    """Random official weights, strictly into ours: the key names are the same."""
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.05)
    ours.load_state_dict(theirs.state_dict(), strict=True)


@pytest.mark.parametrize("attention", ["fused", "matmul"])
@pytest.mark.parametrize("a", CASES, ids=lambda a: "-".join(map(str, a.ch_mult)))
def test_encoder_and_decoder_agree(a: Architecture, attention: str):
    torch.manual_seed(0)
    a = Architecture(**(vars(a) | {"attention": attention}))
    encoder, decoder = silently(official.Encoder, **arguments(a)), silently(official.Decoder, **arguments(a))
    our_encoder, our_decoder = Encoder(a), Decoder(a)
    load_official(our_encoder, encoder)
    load_official(our_decoder, decoder)
    images, latents = torch.randn(2, 3, a.resolution, a.resolution), torch.randn(2, a.z_channels, a.grid, a.grid)
    with torch.no_grad():
        assert (our_encoder(images) - encoder(images)).abs().max() < 1e-5
        assert (our_decoder(latents) - decoder(latents)).abs().max() < 1e-5


def test_one_seed_gives_the_official_initialisation():
    a = CASES[0]
    torch.manual_seed(3)
    decoder = silently(official.Decoder, **arguments(a))
    torch.manual_seed(3)
    ours = Decoder(a).state_dict()
    assert all(torch.equal(value, ours[key]) for key, value in decoder.state_dict().items())


@pytest.mark.parametrize("legacy", [True, False])
def test_quantiser_loss_codes_and_gradients_agree(legacy: bool):
    torch.manual_seed(0)
    theirs = quantizers.VectorQuantizer2(16, 6, 0.25, legacy=legacy)
    ours = VectorQuantizer(VQSettings(n_embed=16, embed_dim=6, legacy=legacy), seed=0)
    nn.init.normal_(theirs.embedding.weight)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    z = torch.randn(2, 6, 4, 4)
    one, other = z.clone().requires_grad_(), z.clone().requires_grad_()
    quantised, loss, (_, _, indices) = theirs(one)
    our_quantised, our_loss, our_indices = ours(other, step=0, gather=True)
    assert torch.equal(indices.reshape(our_indices.shape), our_indices)
    assert torch.allclose(quantised, our_quantised, atol=1e-6)
    assert torch.allclose(loss, our_loss, atol=1e-6)
    (loss + quantised.square().sum()).backward()
    (our_loss + our_quantised.square().sum()).backward()
    assert torch.allclose(one.grad, other.grad, atol=1e-5)
    assert torch.allclose(theirs.embedding.weight.grad, ours.embedding.weight.grad, atol=1e-6)


def test_the_two_betas_differ_only_in_which_side_they_weigh():
    z, code = torch.randn(2, 3, 4, 4, requires_grad=True), torch.randn(2, 3, 4, 4, requires_grad=True)
    as_written = torch.autograd.grad(codebook_loss(z, code, 0.25, legacy=False), (z, code))
    released = torch.autograd.grad(codebook_loss(z, code, 0.25, legacy=True), (z, code))
    assert torch.allclose(as_written[0] * 4, released[0])
    assert torch.allclose(as_written[1], released[1] * 4)


@pytest.mark.parametrize("layers", [2, 3])
def test_discriminator_agrees(layers: int):
    torch.manual_seed(0)
    theirs = discriminators.NLayerDiscriminator(input_nc=3, ndf=8, n_layers=layers).apply(discriminators.weights_init)
    ours = NLayerDiscriminator(8, layers)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    images = torch.randn(2, 3, 32, 32)
    assert torch.allclose(theirs(images), ours(images), atol=1e-5)
