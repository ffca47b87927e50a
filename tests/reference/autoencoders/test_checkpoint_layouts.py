"""Checkpoints as people have them, each loaded and compared with the forward pass of taming-transformers' modules.

One random tokenizer is saved in every layout; its reconstructions have to be those of the official networks.
"""

from __future__ import annotations

import contextlib
import io
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from taming.modules.diffusionmodules import model as official
from taming.modules.vqvae.quantize import VectorQuantizer2
from torch import Tensor, nn

from bench.contract import Build
from bench.core.distributed import Alone
from bench.errors import IntegrityError, UsageError
from methods.autoencoder.checkpoint_files import read
from methods.autoencoder.quantised_checkpoint import checkpoint as vq_checkpoint
from methods.autoencoder.quantised_settings import VQSettings
from methods.kl_ldm.checkpoint import checkpoint as kl_checkpoint
from methods.kl_ldm.checkpoint import identify
from methods.kl_ldm.model import parts
from methods.kl_ldm.presets import KLSettings

SIDE, Z, EMBED, CODES = 32, 4, 3, 7
BUILD = Build((SIDE, SIDE), 0, torch.device("cpu"), Alone())
State = dict[str, Tensor]


class Official(nn.Module):
    """The official networks around a Gaussian or a codebook, put together as in their training code."""

    def __init__(self, family: str, decoder_attends: bool = True, convolutions: bool = True) -> None:
        super().__init__()
        kl = family == "kl"
        shape = {"ch": 32, "out_ch": 3, "ch_mult": (1, 2), "num_res_blocks": 1, "in_channels": 3, "resolution": SIDE}
        with contextlib.redirect_stdout(io.StringIO()):
            self.encoder = official.Encoder(**shape, attn_resolutions=[16], z_channels=Z, double_z=kl)
            sides = [16] if decoder_attends else []
            self.decoder = official.Decoder(**shape, attn_resolutions=sides, z_channels=Z)
        if convolutions:
            self.quant_conv = nn.Conv2d(2 * Z if kl else Z, 2 * EMBED if kl else EMBED, 1)
            self.post_quant_conv = nn.Conv2d(EMBED, Z, 1)
        if not kl:
            self.quantize = VectorQuantizer2(CODES, EMBED if convolutions else Z, beta=0.25)
        self.kl, self.convolutions = kl, convolutions
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.1)

    def forward(self, images: Tensor) -> Tensor:
        h = self.encoder(images)
        h = self.quant_conv(h) if self.convolutions else h
        z = h.chunk(2, 1)[0] if self.kl else self.quantize(h)[0]
        return self.decoder(self.post_quant_conv(z) if self.convolutions else z)


def made(family: str, seed: int = 0, **how: bool) -> Official:
    torch.manual_seed(seed)
    return Official(family, **how).eval()


IMAGES = torch.randint(0, 256, (2, 3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def expected(model: Official) -> Tensor:
    with torch.no_grad():
        return (model(IMAGES.float() / 127.5 - 1) / 2 + 0.5).clamp(0, 1)


def loaded(path: Path, family: str = "kl", ema: bool = False):
    if family == "kl":
        return kl_checkpoint(KLSettings(ema=ema), BUILD, read(path))
    return vq_checkpoint(VQSettings(ema=ema), BUILD, read(path))


def agrees(tokenizer, model: Official) -> bool:
    return torch.allclose(tokenizer.decode(tokenizer.encode(IMAGES)), expected(model), atol=1e-5)


def prefixed(state: Mapping[str, Tensor], prefix: str) -> State:
    return {prefix + key: value for key, value in state.items()}


def compiled_parts(state: State) -> State:
    return {key.replace("coder.", "coder._orig_mod.", 1): value for key, value in state.items()}


def as_matrices(state: State) -> State:
    pointwise = (".q.weight", ".k.weight", ".v.weight", ".proj_out.weight", "nin_shortcut.weight", "quant_conv.weight")
    return {key: value[:, :, 0, 0] if key.endswith(pointwise) else value for key, value in state.items()}


ONE = torch.ones(1)
ALIGNED = {"foundation_model.blocks.0.weight": torch.ones(2), "linear_proj.weight": torch.ones(2, 2)}
LOSS = {"loss.discriminator.main.0.weight": torch.ones(1), "loss.logvar": torch.ones(())}

LAYOUTS: dict[str, Callable[[State], Any]] = {
    "bare": lambda s: s,
    "state_dict": lambda s: {"state_dict": OrderedDict(s), "epoch": 3, "optimizer_states": [{"state": {}}]},
    "model": lambda s: {"model": s, "optimizer": {}, "args": {"lr": 0.1}},
    "module": lambda s: {"module": s, "global_steps": 3},
    "a wrapper in a wrapper": lambda s: {"model": {"state_dict": s}},
    "DistributedDataParallel": lambda s: {"model": prefixed(s, "module.")},
    "torch.compile": lambda s: prefixed(s, "_orig_mod."),
    "compiled and parallel": lambda s: prefixed(s, "module._orig_mod."),
    "compiled parts": compiled_parts,
    "first_stage_model": lambda s: {"state_dict": prefixed(s, "first_stage_model.") | {"cond_stage_model.a": ONE}},
    "vae": lambda s: prefixed(s, "vae."),
    "parallel first stage": lambda s: prefixed(s, "module.first_stage_model."),
    "matrices": as_matrices,
    "a loss beside it": lambda s: {"state_dict": s | LOSS},
    "an alignment beside it": lambda s: {"state_dict": s | ALIGNED},
}


@pytest.mark.parametrize("family", ["kl", "vq"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_official_reconstructions(family: str, layout: str, tmp_path: Path) -> None:
    model = made(family)
    torch.save(LAYOUTS[layout](model.state_dict()), tmp_path / "model.ckpt")
    assert agrees(loaded(tmp_path / "model.ckpt", family), model)
    assert not agrees(loaded(tmp_path / "model.ckpt", family), made(family, seed=1)), "another model is told apart"


@pytest.mark.parametrize("name", ["model.pth.tar", "model.ckpt.tar", "model.pt", "model.pth", "last.safetensors"])
def test_every_name_of_a_weight_file_is_read(name: str, tmp_path: Path) -> None:
    model = made("kl")
    state = model.state_dict()
    if name.endswith(".safetensors"):
        save_file(state, tmp_path / name)
    else:
        torch.save({"state_dict": state}, tmp_path / name)
    assert agrees(loaded(tmp_path / name), model)
    assert agrees(loaded(tmp_path), model)


@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_every_version_of_torch_are_read(zipped: bool, tmp_path: Path) -> None:
    model = made("vq")
    path = tmp_path / "a,b=1,c.pth.tar"
    torch.save({"state_dict": model.state_dict()}, path, _use_new_zipfile_serialization=zipped)
    assert agrees(loaded(path, "vq"), model)


def test_attention_in_the_encoder_alone_is_that_of_mars_kl_16(tmp_path: Path) -> None:
    model = made("kl", decoder_attends=False)
    torch.save({"model": model.state_dict()}, tmp_path / "kl16.ckpt")
    tokenizer = loaded(tmp_path / "kl16.ckpt")
    assert agrees(tokenizer, model)
    assert tokenizer.settings.decoder_attn_resolutions == ()
    counted = {part.name: part.parameters["network"] for part in parts(tokenizer.settings, BUILD)}
    assert counted["decoder"] == sum(p.numel() for p in model.decoder.parameters()), "its cost has no attention either"
    torch.save(made("kl").state_dict(), tmp_path / "both.ckpt")
    assert loaded(tmp_path / "both.ckpt").settings.decoder_attn_resolutions is None


@pytest.mark.parametrize("family", ["kl", "vq"])
def test_convolutions_that_a_file_lacks_are_the_identity(family: str, tmp_path: Path) -> None:
    """As in FLUX and Stable Diffusion 3."""
    model = made(family, convolutions=False)
    torch.save(model.state_dict(), tmp_path / "ae.ckpt")
    assert agrees(loaded(tmp_path / "ae.ckpt", family), model)
    assert read(tmp_path / "ae.ckpt").facts["identity"] == ["quant_conv", "post_quant_conv"]
    state = made(family).state_dict()
    del state["quant_conv.bias"]
    torch.save(state, tmp_path / "half.ckpt")
    with pytest.raises(IntegrityError, match=r"1 missing \(quant_conv.bias\)"):
        loaded(tmp_path / "half.ckpt", family)


def test_a_codebooks_bookkeeping_is_left_out_and_counted(tmp_path: Path) -> None:
    model = made("vq")
    extra = {"quantize.embedding.cluster_size": torch.ones(CODES), "quantize.embedding.embed_avg": torch.ones(CODES, 3)}
    torch.save({"state_dict": model.state_dict() | extra | LOSS | ALIGNED}, tmp_path / "model.ckpt")
    assert agrees(loaded(tmp_path / "model.ckpt", "vq"), model)
    assert read(tmp_path / "model.ckpt").facts == {
        "file": "model.ckpt",
        "moving_averages": False,
        "dropped": {"*.cluster_size": 1, "*.embed_avg": 1, "loss.": 2, "foundation_model.": 1, "linear_proj.": 1},
    }


def with_litema(raw: Official, averaged: Official) -> dict:
    """As latent-diffusion keeps averages: among the weights, without the dots of their names."""
    names = {f"model_ema.{name.replace('.', '')}": value for name, value in averaged.named_parameters()}
    counters = {"model_ema.decay": torch.tensor(0.9), "model_ema.num_updates": torch.tensor(3)}
    return {"state_dict": raw.state_dict() | {k: v.detach() for k, v in names.items()} | counters}


AVERAGES: dict[str, Callable[[Official, Official], Any]] = {
    "model_ema.": with_litema,
    "state_dict_ema": lambda a, b: {"state_dict": a.state_dict(), "state_dict_ema": b.state_dict()},
    "ema": lambda a, b: {"model": a.state_dict(), "ema": prefixed(b.state_dict(), "module.")},
    "model_ema": lambda a, b: {"model": a.state_dict(), "model_ema": {"state_dict": b.state_dict()}},
}


@pytest.mark.parametrize("family", ["kl", "vq"])
@pytest.mark.parametrize("layout", AVERAGES)
def test_the_last_step_is_loaded_and_its_averages_where_they_are_asked_for(
    family: str, layout: str, tmp_path: Path
) -> None:
    raw, averaged = made(family), made(family, seed=1)
    path = tmp_path / "model.ckpt"
    torch.save(AVERAGES[layout](raw, averaged), path)
    assert read(path).facts["moving_averages"] is True
    assert agrees(loaded(path, family), raw)
    assert agrees(loaded(path, family, ema=True), averaged)
    assert loaded(path, family).revision != loaded(path, family, ema=True).revision


def test_averages_that_are_not_there_or_alone_are_said(tmp_path: Path) -> None:
    model = made("kl")
    torch.save(model.state_dict(), tmp_path / "raw.ckpt")
    with pytest.raises(UsageError, match=r"raw\.ckpt has no moving averages"):
        loaded(tmp_path / "raw.ckpt", ema=True)
    torch.save({"state_dict_ema": model.state_dict()}, tmp_path / "ema.ckpt")
    with pytest.raises(UsageError, match="add the option ema=true"):
        loaded(tmp_path / "ema.ckpt")
    assert agrees(loaded(tmp_path / "ema.ckpt", ema=True), model)
    with pytest.raises(UsageError, match="add the option ema=true"):
        identify(KLSettings(), SIDE, read(tmp_path / "ema.ckpt"))


def test_what_is_ambiguous_is_refused(tmp_path: Path) -> None:
    one, other = made("kl").state_dict(), made("kl", seed=1).state_dict()
    torch.save({"model": one, "state_dict": other}, tmp_path / "two.ckpt")
    with pytest.raises(UsageError, match=r"several state dicts \(state_dict, model\)"):
        loaded(tmp_path / "two.ckpt")
    torch.save(prefixed(one, "module.vae.") | prefixed(other, "vae."), tmp_path / "twice.ckpt")
    with pytest.raises(IntegrityError, match=r"the same weights with and without 'module\.'"):
        loaded(tmp_path / "twice.ckpt")


def test_a_prefix_in_the_middle_of_a_name_is_none(tmp_path: Path) -> None:
    torch.save({"net.module.weight": torch.ones(1)}, tmp_path / "net.pt")
    with pytest.raises(UsageError, match=r"its weights begin with net\.module\.weight"):
        read(tmp_path / "net.pt")


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(1).expand(10**6, 10**6), torch.zeros(4, 4).to_sparse(), torch.empty(2, device="meta")],
    ids=["expanded", "sparse", "meta"],
)
def test_tensors_that_are_not_plain_are_refused(tensor: Tensor, tmp_path: Path) -> None:
    torch.save({"state_dict": made("kl").state_dict() | {"encoder.extra": tensor}}, tmp_path / "model.ckpt")
    with pytest.raises(IntegrityError, match=r"'encoder\.extra' is no plain tensor"):
        read(tmp_path / "model.ckpt")
