"""What is built for evaluation has no discriminator, no pretrained network and no optimiser, and is the same product.

Every preset's own settings with only the widths, the codebook and the resolution made small: what a preset trains
with (losses, discriminator, averages) stays.
"""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from bench.contract import Build, Learner
from bench.core.digest import of_weights
from bench.core.distributed import Alone
from bench.core.registry import load, method_of
from bench.errors import UsageError
from bench.run.presets import PRESETS
from bench.train import checkpoint
from methods import METHODS
from methods.brics.presets import Settings as Brics
from methods.dct.presets import Settings as Dct
from methods.dct.prior_presets import DCTransformer
from methods.priors.settings import GPT, Diffusion, RQTransformer

CPU, SIDE = torch.device("cpu"), 32
ENTRIES = {name: load(path) for name, path in METHODS.items()}
TRAINED = sorted(name for name, entry in ENTRIES.items() if method_of(entry).learner)
PRIORS = sorted(name for name, entry in ENTRIES.items() if method_of(entry).prior)
CASES = [(name, preset) for preset in PRESETS for name in TRAINED]
PRIOR_CASES = [(name, preset) for preset in PRESETS for name in PRIORS]
ADVERSARIAL = [(name, preset) for name, preset in CASES if preset in ("medium", "paper")]


def settings_of(name: str, preset: str):
    """The preset's settings with small widths, for images of 32 px."""
    own = ENTRIES[name].settings(preset, None)
    if isinstance(own, Dct):
        return own
    if isinstance(own, Brics):
        return replace(
            own, code_side=8, code_channels=4, feature_side=8, feature_channels=32, hidden=16, group_style=16, patch=1,
            grids=replace(own.grids, coarsest=4, finest=8, levels=2), encoder=replace(own.encoder, width=8, patch=1),
            losses=replace(own.losses, discriminator_base=64),
        )  # fmt: skip
    book = {"n_embed": 16} if hasattr(own, "n_embed") else {}
    return replace(
        own, ch=32, ch_mult=(1, 1), num_res_blocks=1, attn_resolutions=(), patch=1, z_channels=4, embed_dim=4,
        disc_width=8, **book,
    )  # fmt: skip


def prior_settings_of(name: str, preset: str):
    """The prior's settings with small widths."""
    own = ENTRIES[name].prior_settings(preset, None)
    if isinstance(own, GPT | RQTransformer | DCTransformer):
        layers = {field: 1 for field in vars(own) if field.endswith(("layers", "blocks"))}
        return replace(own, width=8 * own.heads, **layers)
    diffusion = own if isinstance(own, Diffusion) else own.base
    unet = replace(
        diffusion.unet, channels=(32, 32), attention=(False, True), layers=1, groups=8, head_channels=16, heads=None
    )
    small = replace(diffusion, unet=unet)
    return small if own is diffusion else replace(own, base=small)


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The convolutions of a random VGG16 under torchvision's names."""
    import torchvision

    torch.manual_seed(0)
    state = torchvision.models.vgg16(weights=None).features.state_dict()
    path = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    save_file({f"features.{key}": value for key, value in state.items()}, path)
    return path


def build(seed: int, weights=None, training: bool = True) -> Build:
    torch.manual_seed(seed)
    return Build((SIDE, SIDE), seed, CPU, Alone(), training=training, weights=weights)


def refuse(name: str) -> Path:
    raise AssertionError(f"the weights of {name} were asked for")


def alive() -> tuple[set[int], set[int]]:
    """The modules and the optimisers that exist at this moment."""
    gc.collect()
    found = [(id(thing), type(thing)) for thing in gc.get_objects()]
    modules = {identity for identity, kind in found if issubclass(kind, nn.Module)}
    return modules, {identity for identity, kind in found if issubclass(kind, torch.optim.Optimizer)}


def lean(make) -> Learner:
    """What ``make`` builds without training, nothing else having come to life beside its module."""
    modules, optimisers = alive()
    learner = make(build(1, refuse, training=False))
    after, optimisers_after = alive()
    assert after - modules <= {id(module) for module in learner.module.modules()}
    assert not optimisers_after - optimisers
    assert not learner.phases
    return learner


def tokenizer_learner(name: str, preset: str, built: Build) -> Learner:
    return method_of(ENTRIES[name]).learner(settings_of(name, preset), built)


@pytest.mark.parametrize(("name", "preset"), CASES)
def test_a_tokenizer_is_loaded_without_what_trained_it(name: str, preset: str, vgg: Path, tmp_path: Path) -> None:
    trained = tokenizer_learner(name, preset, build(0, lambda _: vgg))
    checkpoint.save_final(tmp_path, trained)
    loaded = lean(lambda built: tokenizer_learner(name, preset, built))
    assert trained.phases
    assert not [key for key in loaded.module.state_dict() if "discriminator" in key]
    checkpoint.load_final(tmp_path / checkpoint.FINAL, loaded)
    assert loaded.finish().revision == trained.finish().revision


@pytest.mark.parametrize(("name", "preset"), PRIOR_CASES)
def test_a_prior_is_loaded_without_its_optimiser(name: str, preset: str, tmp_path: Path) -> None:
    entry, settings = ENTRIES[name], settings_of(name, "smoke")
    make = method_of(entry).learner or method_of(entry).tokenizer
    tokenizer = make(settings, build(0, refuse, training=False))
    tokenizer = tokenizer.finish() if method_of(entry).learner else tokenizer
    images = torch.randint(0, 256, (4, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0))
    codes = tokenizer.encode(images.to(torch.uint8))

    def prior(built: Build) -> Learner:
        return method_of(entry).prior.learner(prior_settings_of(name, preset), built, tokenizer, codes)

    trained = prior(build(0, refuse))
    assert trained.phases
    checkpoint.save_final(tmp_path, trained)
    loaded = lean(prior)
    checkpoint.load_final(tmp_path / checkpoint.FINAL, loaded)
    assert loaded.finish().revision == trained.finish().revision


@pytest.mark.parametrize(("name", "preset"), ADVERSARIAL)
def test_training_at_these_presets_has_a_discriminator_and_asks_for_vgg(name: str, preset: str) -> None:
    """What the tests above leave out is there to be left out."""
    with pytest.raises(AssertionError, match="the weights of vgg16 were asked for"):
        tokenizer_learner(name, preset, build(0, refuse))
    with torch.device("meta"):
        learner = tokenizer_learner(name, preset, Build((SIDE, SIDE), 0, torch.device("meta"), Alone(), weights=refuse))
    assert [key for key in learner.module.state_dict() if key.startswith("discriminator.")]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("autoencoder.decoder.conv_out.bias"), "decoder.conv_out.bias' is missing"),
        (lambda state: state.update({"autoencoder.extra": torch.ones(1)}), "'autoencoder.extra' is not expected"),
        (lambda state: state.update({"autoencoder.decoder.conv_out.bias": torch.ones(9)}), r"has the shape \(9,\)"),
    ],
)
def test_the_product_s_part_is_loaded_strictly(change, words: str, vgg: Path, tmp_path: Path) -> None:
    checkpoint.save_final(tmp_path, tokenizer_learner("vqgan", "medium", build(0, lambda _: vgg)))
    path = tmp_path / checkpoint.FINAL
    state = load_file(path)
    change(state)
    save_file(state, path, {checkpoint.DIGEST: of_weights(state, None)})
    with pytest.raises(UsageError, match=words):
        checkpoint.load_final(path, lean(lambda built: tokenizer_learner("vqgan", "medium", built)))
