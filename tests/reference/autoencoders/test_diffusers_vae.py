"""The adapter for diffusers against diffusers itself, on small models with random weights."""

import importlib.util
from pathlib import Path

import diffusers
import pytest
import torch

from bench.contract import Build, Continuous, FixedSize, Indices, MultiplesOf
from bench.core.distributed import Alone
from bench.errors import BenchError, IntegrityError, Missing, UsageError
from bench.evaluate.cost import count
from methods.diffusers_vae import Settings, settings, takes
from methods.diffusers_vae.classes import CLASSES
from methods.diffusers_vae.model import parts, tokenizer
from methods.diffusers_vae.names import NAMES, described

BUILD = Build((32, 32), 0, torch.device("cpu"), Alone())
DOWN_UP = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
CONVOLUTIONAL = {"block_out_channels": (32, 64), "layers_per_block": 1, **DOWN_UP}


LATENTS = {"latents_mean": [0.0] * 4, "latents_std": [1.0] * 4}
CAUSAL = {"base_dim": 8, "z_dim": 4, "dim_mult": [1, 2], "num_res_blocks": 1, "temperal_downsample": [True], **LATENTS}
DC = {"latent_channels": 4, "attention_head_dim": 16} | {
    f"{side}_{name}": value
    for side in ("encoder", "decoder")
    for name, value in (
        ("block_types", "ResBlock"),
        ("block_out_channels", (32, 32)),
        ("layers_per_block", (1, 1)),
        ("qkv_multiscales", ((), ())),
    )
}
VQ = {"latent_channels": 6, "vq_embed_dim": 3, "num_vq_embeddings": 16, **CONVOLUTIONAL}
HUNYUAN = {"latent_channels": 4, "block_out_channels": (32, 64), "layers_per_block": 1, "spatial_compression_ratio": 2}
TINY: dict[str, dict] = {
    "AsymmetricAutoencoderKL": {
        "latent_channels": 4,
        "down_block_out_channels": (32, 64),
        "up_block_out_channels": (32, 64),
        **DOWN_UP,
    },
    "AutoencoderDC": DC,
    "AutoencoderKL": {"latent_channels": 4, **CONVOLUTIONAL},
    "AutoencoderKLCosmos": {
        "latent_channels": 4,
        "encoder_block_out_channels": (8, 16, 16, 16),
        "decode_block_out_channels": (16, 16, 16, 16),
        "attention_resolutions": (8,),
        "resolution": 32,
        "num_layers": 1,
        "patch_size": 2,
        "spatial_compression_ratio": 4,
        "temporal_compression_ratio": 4,
    },
    "AutoencoderKLFlux2": {"latent_channels": 4, **CONVOLUTIONAL},
    "AutoencoderKLHunyuanImage": {"in_channels": 3, "out_channels": 3, "sample_size": 32, **HUNYUAN},
    "AutoencoderKLHunyuanImageRefiner": {"temporal_compression_ratio": 1, **HUNYUAN},
    "AutoencoderKLKVAE": {"channels": 32, "num_enc_blocks": 1, "num_dec_blocks": 1, "z_channels": 4, "ch_mult": (1, 2)},
    "AutoencoderKLMagvit": {
        "latent_channels": 4,
        "block_out_channels": [8, 8],
        "down_block_types": ["SpatialDownBlock3D", "SpatialTemporalDownBlock3D"],
        "up_block_types": ["SpatialUpBlock3D", "SpatialTemporalUpBlock3D"],
        "layers_per_block": 1,
        "norm_num_groups": 4,
    },
    "AutoencoderKLQwenImage": CAUSAL,
    "AutoencoderKLWan": CAUSAL,
    "AutoencoderRAE": {
        "encoder_hidden_size": 64,
        "encoder_patch_size": 4,
        "encoder_num_hidden_layers": 1,
        "decoder_hidden_size": 32,
        "decoder_num_hidden_layers": 1,
        "decoder_num_attention_heads": 2,
        "decoder_intermediate_size": 32,
        "patch_size": 4,
        "encoder_input_size": 32,
    },
    "AutoencoderTiny": {"encoder_block_out_channels": (16,) * 4, "decoder_block_out_channels": (16,) * 4},
    "VQModel": VQ,
}


def made(name: str, **changes: object) -> torch.nn.Module:
    """A tiny model of that class with random weights."""
    torch.manual_seed(0)
    return getattr(diffusers, name)(**(TINY[name] | changes)).eval()


def models() -> dict:
    return {"kl": made("AutoencoderKL")}


def images() -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def documented(model: torch.nn.Module, name: str) -> torch.Tensor:
    """The library's own forward pass on images in the range and with the axes that its documentation says, in [0, 1].

    That of AutoencoderTiny rounds its latents to 8 bits; its two halves do not.
    """
    kind = CLASSES[name]
    pixels = images().float() / 255
    given = pixels if name == "AutoencoderRAE" else pixels * 2 - 1
    given = given[:, :, None] if kind.time else given
    with torch.no_grad():
        found = model.decode(model.encode(given).latents) if name == "AutoencoderTiny" else model(given)
    sample = found.sample[:, :, 0] if kind.time else found.sample
    return (sample if name == "AutoencoderRAE" else sample / 2 + 0.5).clamp(0, 1)


def test_every_known_class_has_a_tiny_model():
    assert TINY.keys() == CLASSES.keys()


@pytest.mark.parametrize("name", TINY)
def test_reconstructions_are_those_of_the_library(name: str, tmp_path: Path):
    model = made(name)
    model.save_pretrained(tmp_path)
    ours = tokenizer(settings("smoke", str(tmp_path)), BUILD)
    codes = ours.encode(images())
    assert isinstance(codes, Indices if name == "VQModel" else Continuous)
    assert codes.tensor.ndim == 4
    expected = documented(model, name)
    assert float(expected.std()) > 1e-3
    assert torch.allclose(ours.decode(codes), expected, atol=1e-5)
    found = {m.name: m.value for m in count(parts(settings("smoke", str(tmp_path)), BUILD))}
    for side in ("encoder", "decoder"):
        assert found[f"{side}-parameters"] == sum(p.numel() for p in model.get_submodule(side).parameters())
        assert found[f"{side}-gmac"] > 0


@pytest.mark.parametrize("name", [name for name, kind in CLASSES.items() if kind.halvings])
def test_images_of_other_shapes_come_back_whole_where_their_sides_are_multiples(name: str, tmp_path: Path):
    made(name).save_pretrained(tmp_path)
    chosen = settings("smoke", str(tmp_path))
    took = takes(chosen, (32, 32))
    assert isinstance(took, MultiplesOf)
    ours = tokenizer(chosen, BUILD)
    pixels = torch.randint(0, 256, (1, 3, 5 * took.height, 7 * took.width), dtype=torch.uint8)
    codes = ours.encode(pixels)
    assert list(codes.tensor.shape[1:3] if isinstance(codes, Indices) else codes.tensor.shape[2:]) == [5, 7]
    assert ours.decode(codes).shape == pixels.shape


def test_other_classes_take_images_of_one_size(tmp_path: Path):
    made("AutoencoderKLWan").save_pretrained(tmp_path)
    assert takes(settings("smoke", str(tmp_path)), (32, 32)) == FixedSize(32, 32)


def test_a_codebook_that_the_model_looks_up_itself_is_read(tmp_path: Path):
    model = made("VQModel", lookup_from_codebook=True)
    model.save_pretrained(tmp_path)
    ours = tokenizer(settings("smoke", str(tmp_path)), BUILD)
    assert torch.allclose(ours.decode(ours.encode(images())), documented(model, "VQModel"), atol=1e-5)
    assert count(parts(settings("smoke", str(tmp_path)), BUILD))


def test_a_folder_with_weights_of_a_variant_alone_is_read(tmp_path: Path):
    model = made("AutoencoderKL").half()
    model.save_pretrained(tmp_path, variant="fp16")
    found = settings("smoke", str(tmp_path))
    assert found.variant == "fp16"
    ours = tokenizer(found, BUILD)
    expected = documented(model.float(), "AutoencoderKL")
    assert torch.allclose(ours.decode(ours.encode(images())), expected, atol=1e-5)
    other = made("AutoencoderKL")
    other.save_pretrained(tmp_path)
    assert settings("smoke", str(tmp_path)).variant is None, "full precision comes first"


def test_weights_of_two_variants_are_refused(tmp_path: Path):
    for variant in ("fp16", "bf16"):
        made("AutoencoderKL").save_pretrained(tmp_path, variant=variant)
    with pytest.raises(UsageError, match=r"several kinds \(bf16, fp16\)"):
        settings("smoke", str(tmp_path))


def test_a_class_without_its_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    installed = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "transformers" else installed(name))
    (tmp_path / "config.json").write_text('{"_class_name": "AutoencoderRAE"}')
    (tmp_path / "diffusion_pytorch_model.safetensors").write_bytes(b"")
    with pytest.raises(Missing, match="AutoencoderRAE needs transformers; run: pip install transformers"):
        tokenizer(settings("smoke", str(tmp_path)), BUILD)


@pytest.mark.parametrize("name", ["AutoencoderOobleck", "AutoencoderKLTemporalDecoder", "AutoencoderOfTomorrow"])
def test_an_unknown_class_is_refused(name: str, tmp_path: Path):
    (tmp_path / "config.json").write_text(f'{{"_class_name": "{name}"}}')
    (tmp_path / "diffusion_pytorch_model.safetensors").write_bytes(b"")
    with pytest.raises(UsageError, match=f"'{name}', which is no image autoencoder that is known here"):
        tokenizer(settings("smoke", str(tmp_path)), BUILD)


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
    with pytest.raises(UsageError, match="'UNet2DModel', which is no image autoencoder"):
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


def test_a_name_stands_for_its_repository_and_sub_folder():
    assert settings("smoke", "sd-vae") == Settings("CompVis/stable-diffusion-v1-4", "vae")
    assert settings("smoke", "taesd") == Settings("madebyollin/taesd")
    with pytest.raises(UsageError, match="Did you mean 'sdxl-vae'"):
        settings("smoke", "sdxl-vea")


def test_a_folder_goes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    models()["kl"].save_pretrained(tmp_path / "taesd")
    monkeypatch.chdir(tmp_path)
    assert settings("smoke", "taesd").digest is not None


def test_a_gated_repository_says_how_it_is_entered(monkeypatch: pytest.MonkeyPatch):
    def refused(*arguments: object, **named: object) -> None:
        assert named == {"subfolder": "vae", "revision": "main"}
        raise OSError("401")

    monkeypatch.setattr(diffusers.AutoencoderKL, "load_config", refused)
    for name, words in (("flux2-vae", "it is gated: accept its terms on https://huggingface.co/black-forest"),):
        with pytest.raises(Missing, match=words):
            tokenizer(settings("smoke", name), BUILD)


def test_every_name_is_described_in_one_line():
    for name, known in NAMES.items():
        line = described()[name]
        assert known.repository in line
        assert known.licence in line
        assert ("gated" in line) == (known.gated is not False)
        assert "\n" not in line
