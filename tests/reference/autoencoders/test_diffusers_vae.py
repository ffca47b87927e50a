"""The adapter for diffusers against diffusers itself, on small models with random weights."""

from pathlib import Path

import diffusers
import pytest
import torch

from bench.contract import Build, Continuous, Indices
from bench.core.distributed import Alone
from bench.errors import BenchError, IntegrityError, Missing, UsageError
from bench.evaluate.cost import count
from methods.diffusers_vae import settings
from methods.diffusers_vae.model import parts, tokenizer

BUILD = Build((32, 32), 0, torch.device("cpu"), Alone())
DOWN_UP = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
CONVOLUTIONAL = {"block_out_channels": (32, 64), "layers_per_block": 1, **DOWN_UP}


def models() -> dict:
    torch.manual_seed(0)
    dc = {"latent_channels": 4, "attention_head_dim": 16}
    for side in ("encoder", "decoder"):
        dc |= {
            f"{side}_block_types": "ResBlock",
            f"{side}_block_out_channels": (32, 32),
            f"{side}_layers_per_block": (1, 1),
            f"{side}_qkv_multiscales": ((), ()),
        }
    return {
        "kl": diffusers.AutoencoderKL(latent_channels=4, **CONVOLUTIONAL),
        "vq": diffusers.VQModel(latent_channels=6, vq_embed_dim=3, num_vq_embeddings=16, **CONVOLUTIONAL),
        "tiny": diffusers.AutoencoderTiny(encoder_block_out_channels=(16,) * 4, decoder_block_out_channels=(16,) * 4),
        "dc": diffusers.AutoencoderDC(**dc),
    }


def images() -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", ["kl", "vq", "tiny", "dc"])
def test_reconstructions_are_those_of_the_library(kind: str, tmp_path: Path):
    model = models()[kind].eval()
    model.save_pretrained(tmp_path)
    ours = tokenizer(settings("smoke", str(tmp_path)), BUILD)
    codes = ours.encode(images())
    assert isinstance(codes, Indices if kind == "vq" else Continuous)
    with torch.no_grad():
        signed = images().float() / 127.5 - 1
        # The forward pass of AutoencoderTiny rounds its latents to 8 bits; its two halves do not.
        passed = model.decode(model.encode(signed).latents) if kind == "tiny" else model(signed)
        expected = passed.sample / 2 + 0.5
    assert torch.allclose(ours.decode(codes), expected.clamp(0, 1), atol=1e-5)
    decoder = {m.name: m.value for m in count(parts(settings("smoke", str(tmp_path)), BUILD))}
    assert decoder["decoder-parameters"] == sum(p.numel() for p in model.decoder.parameters())
    assert decoder["decoder-gmac"] > 0


def test_the_autoencoder_of_a_pipeline_is_found_and_its_digest_follows_its_weights(tmp_path: Path):
    models()["kl"].save_pretrained(tmp_path / "vae")
    first = settings("smoke", str(tmp_path))
    assert first.subfolder == "vae"
    assert tokenizer(first, BUILD).encode(images()).tensor.shape == (2, 4, 16, 16)
    torch.manual_seed(1)
    diffusers.AutoencoderKL(latent_channels=4, **CONVOLUTIONAL).save_pretrained(tmp_path / "vae")
    assert settings("smoke", str(tmp_path)).digest != first.digest


def test_missing_weights_are_named(tmp_path: Path):
    from safetensors.torch import load_file, save_file

    models()["kl"].save_pretrained(tmp_path)
    file = tmp_path / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    state.pop("decoder.conv_out.bias")
    save_file(state, file)
    with pytest.raises(IntegrityError, match=r"missing keys: decoder\.conv_out\.bias"):
        tokenizer(settings("smoke", str(tmp_path)), BUILD)


def test_a_truncated_file_is_refused(tmp_path: Path):
    models()["kl"].save_pretrained(tmp_path)
    file = tmp_path / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(IntegrityError, match="cannot be loaded"):
        tokenizer(settings("smoke", str(tmp_path)), BUILD)


def test_a_resolution_that_does_not_come_back_is_refused(tmp_path: Path):
    models()["kl"].save_pretrained(tmp_path)
    with pytest.raises(BenchError, match="33 x 33"):
        tokenizer(settings("smoke", str(tmp_path)), Build((33, 33), 0, torch.device("cpu"), Alone()))


def test_what_is_no_autoencoder_is_refused(tmp_path: Path):
    model = diffusers.UNet2DModel(
        sample_size=8, block_out_channels=(32,), down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",)
    )
    model.save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="'UNet2DModel', which is no autoencoder"):
        tokenizer(settings("smoke", str(tmp_path)), BUILD)


@pytest.mark.parametrize("variant", [None, "/no/such/folder", "one-word"])
def test_a_source_that_is_nothing_is_refused(variant: str | None):
    with pytest.raises(UsageError, match="diffusers"):
        settings("smoke", variant)


def test_an_empty_folder_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match=r"no config\.json"):
        settings("smoke", str(tmp_path))


def test_a_repository_that_cannot_be_reached_is_missing(monkeypatch: pytest.MonkeyPatch):
    def offline(*arguments: object, **named: object) -> None:
        raise OSError("offline")

    monkeypatch.setattr(diffusers.AutoencoderKL, "load_config", offline)
    with pytest.raises(Missing, match="owner/name cannot be read"):
        tokenizer(settings("smoke", "owner/name"), BUILD)
