"""Foreign checkpoints: what is read, what is refused, and in which words."""

import io
import json
import os
import tarfile
import zipfile
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from bench.cli import app
from bench.contract import Build
from bench.core.distributed import Alone
from bench.errors import BenchError, IntegrityError, UsageError
from bench.run.cells import cells
from bench.run.config import RunConfig
from bench.run.plugins import with_plugins
from methods import METHODS
from methods.autoencoder.checkpoint_files import read
from methods.autoencoder.kl import KLModel
from methods.autoencoder.quantised import QuantisedModel
from methods.autoencoder.quantised import learner as vq_learner
from methods.autoencoder.quantised_checkpoint import checkpoint as vq_checkpoint
from methods.autoencoder.quantised_settings import RQSettings, VQSettings
from methods.kl_ldm.checkpoint import checkpoint as kl_checkpoint
from methods.kl_ldm.checkpoint import identify as identify_kl
from methods.kl_ldm.presets import KLSettings
from methods.kl_ldm.presets import settings as kl_settings
from methods.vqgan.checkpoint import identify as identify_vqgan
from methods.vqgan.presets import settings as vqgan_settings

SIZES = {"ch": 32, "ch_mult": (1, 2), "num_res_blocks": 1, "attn_resolutions": (16,), "z_channels": 4, "embed_dim": 5}
VQ = VQSettings(**SIZES, n_embed=7)
RQ = RQSettings(**SIZES, n_embed=7, depth=3)
KL = KLSettings(**(SIZES | {"embed_dim": 4}))
BUILD = Build((32, 32), 0, torch.device("cpu"), Alone())


def load_vq(settings: VQSettings, build: Build, path: Path):
    return vq_checkpoint(settings, build, read(path))


def load_rq(settings: RQSettings, build: Build, path: Path):
    return vq_checkpoint(settings, build, read(path))


def load_kl(settings: KLSettings, build: Build, path: Path):
    return kl_checkpoint(settings, build, read(path))


def vq_model() -> QuantisedModel:
    return QuantisedModel(VQ.architecture((32, 32)), VQ, seed=0)


def images() -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def run_folder(folder: Path, state: dict[str, torch.Tensor], resolution: int = 32) -> Path:
    """A training run as taming-transformers leaves it: with networks of the loss and a configuration."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "configs").mkdir()
    content = {"state_dict": OrderedDict(state, **{"loss.discriminator.main.0.weight": torch.ones(1)}), "epoch": 3}
    torch.save(content, folder / "checkpoints" / "last.ckpt")
    config = {"model": {"params": {"ddconfig": {"resolution": resolution, "ch": 32}}}}
    (folder / "configs" / "project.yaml").write_text(yaml.safe_dump(config))
    return folder


def test_a_taming_run_folder_gives_the_model_that_was_saved(tmp_path: Path):
    model = vq_model().eval()
    tokenizer = load_vq(vqgan_settings("paper", None), BUILD, run_folder(tmp_path / "run", model.state_dict()))
    assert tokenizer.settings.ch_mult == (1, 2)
    assert tokenizer.settings.n_embed == 7
    codes = tokenizer.encode(images())
    assert codes.levels == (7,)
    with torch.no_grad():
        expected = model.images(model.quantize.lookup(codes.tensor)) / 2 + 0.5
    assert torch.allclose(tokenizer.decode(codes), expected.clamp(0, 1), atol=1e-6)


def test_the_tokenizer_inside_a_second_stage_is_found(tmp_path: Path):
    state = {f"first_stage_model.{key}": value for key, value in vq_model().state_dict().items()}
    torch.save({"state_dict": {**state, "transformer.head.weight": torch.ones(2)}}, tmp_path / "net.ckpt")
    assert load_vq(VQ, BUILD, tmp_path / "net.ckpt").settings.embed_dim == 5


def test_an_archive_with_one_tokenizer_among_several_files_is_read(tmp_path: Path):
    model = QuantisedModel(RQ.architecture((32, 32)), RQ, seed=0)
    with tarfile.open(tmp_path / "church.tar.gz", "w:gz") as archive:
        for name, content in (("church/a.pt", model.state_dict()), ("church/b.pt", {"body.weight": torch.ones(2)})):
            data = io.BytesIO()
            torch.save({"state_dict": content}, data)
            member = tarfile.TarInfo(name)
            member.size = len(data.getvalue())
            archive.addfile(member, io.BytesIO(data.getvalue()))
    tokenizer = load_rq(RQ, BUILD, tmp_path / "church.tar.gz")
    assert (tokenizer.settings.depth, tokenizer.settings.shared, tokenizer.settings.n_embed) == (3, True, 7)
    assert torch.equal(tokenizer.model.quantizer.books[2].weight, model.quantizer.books[2].weight)


def test_a_published_zip_of_latent_diffusion_is_read(tmp_path: Path):
    model = KLModel(KL.architecture((32, 32), double_z=True), KL.embed_dim)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "model.ckpt")
    with zipfile.ZipFile(tmp_path / "kl-f2.zip", "w") as archive:
        archive.write(tmp_path / "model.ckpt", "model.ckpt")
    tokenizer = load_kl(KL, BUILD, tmp_path / "kl-f2.zip")
    assert torch.equal(tokenizer.model.quant_conv.weight, model.quant_conv.weight)
    own, variant = identify_kl(kl_settings("paper", None), (32, 32), read(tmp_path / "kl-f2.zip"))
    assert variant is None
    assert own.architecture((32, 32), double_z=True) == KL.architecture((32, 32), double_z=True)


def test_the_published_widths_are_identified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = vqgan_settings("paper", "32x32")
    with torch.device("meta"):
        state = QuantisedModel(settings.architecture((256, 256)), settings, seed=0).state_dict()
    monkeypatch.setattr("methods.autoencoder.checkpoint_files._states", lambda data, origin: (state, None))
    (tmp_path / "any.ckpt").write_bytes(b"")
    own, variant = identify_vqgan(vqgan_settings("smoke", None), (256, 256), read(tmp_path / "any.ckpt"))
    assert variant == "32x32"
    assert own.architecture((256, 256)) == replace(settings.architecture((256, 256)), attn_resolutions=())


def test_a_row_of_foreign_weights_has_their_widths_and_not_the_presets(tmp_path: Path):
    torch.save(vq_model().state_dict(), tmp_path / "model.ckpt")
    table = with_plugins(METHODS, ())
    (cell,) = cells(RunConfig(methods=(f"vqgan@{tmp_path / 'model.ckpt'}",), preset="smoke"), table)
    assert cell.settings.architecture((32, 32)) == VQ.architecture((32, 32))
    assert cell.settings.n_embed == 7
    (ready,) = cells(RunConfig(methods=("vqgan@nowhere.ckpt",), preset="smoke"), table)
    assert ready.settings == vqgan_settings("smoke", None), "what is absent is said when all of it is listed"


def test_a_variant_that_the_weights_are_not_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = vqgan_settings("paper", "32x32")
    with torch.device("meta"):
        state = QuantisedModel(settings.architecture((256, 256)), settings, seed=0).state_dict()
    monkeypatch.setattr("methods.autoencoder.checkpoint_files._states", lambda data, origin: (state, None))
    path = tmp_path / "any.ckpt"
    path.write_bytes(b"")
    assert cells(RunConfig(methods=(f"vqgan:32x32@{path}",), preset="paper"), with_plugins(METHODS, ()))
    with pytest.raises(UsageError, match="holds the variant '32x32'; leave '16x16' out"):
        cells(RunConfig(methods=(f"vqgan:16x16@{path}",), preset="paper"), with_plugins(METHODS, ()))


def test_another_family_is_named_with_the_method_that_reads_it(tmp_path: Path):
    torch.save(QuantisedModel(RQ.architecture((32, 32)), RQ, seed=0).state_dict(), tmp_path / "rq.pt")
    with pytest.raises(UsageError, match=r"RQ-VAE.*rqvae@PATH"):
        load_vq(VQ, BUILD, tmp_path / "rq.pt")
    torch.save(vq_model().state_dict(), tmp_path / "vq.pt")
    with pytest.raises(UsageError, match=r"vector-quantised.*vqgan@PATH"):
        load_kl(KL, BUILD, tmp_path / "vq.pt")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("decoder.mid.attn_1.q.bias"), "1 missing .decoder.mid.attn_1.q.bias."),
        (lambda state: state.update({"decoder.extra": torch.ones(1)}), "1 unexpected .decoder.extra."),
        (lambda state: state.update({"decoder.conv_out.bias": torch.ones(9)}), "1 of another shape .decoder.conv_out"),
        (lambda state: state.pop("encoder.down.0.block.0.conv2.weight"), "encoder.down.0.block.0.conv2.weight"),
        (
            lambda state: state.update({"decoder.out.bias": state.pop("decoder.conv_out.bias")}),
            r"1 missing .decoder.conv_out.bias.; 1 unexpected .decoder.out.bias.",
        ),
    ],
)
def test_loading_is_strict_and_names_the_key(tmp_path: Path, change, words: str):
    state = vq_model().state_dict()
    change(state)
    torch.save({"state_dict": state}, tmp_path / "model.ckpt")
    with pytest.raises(IntegrityError, match=words):
        load_vq(VQ, BUILD, tmp_path / "model.ckpt")


def test_a_preset_of_another_size_is_refused(tmp_path: Path):
    folder = run_folder(tmp_path / "run", vq_model().state_dict(), resolution=256)
    with pytest.raises(UsageError, match="256 pixels, not 32"):
        load_vq(VQ, BUILD, folder)


def test_a_truncated_file_and_a_damaged_archive_are_refused(tmp_path: Path):
    torch.save(vq_model().state_dict(), tmp_path / "model.ckpt")
    data = (tmp_path / "model.ckpt").read_bytes()
    (tmp_path / "model.ckpt").write_bytes(data[: len(data) // 2])
    (tmp_path / "model.zip").write_bytes(b"PK\x03\x04 nothing")
    for name in ("model.ckpt", "model.zip"):
        with pytest.raises(IntegrityError, match=f"{name}.*fetch it again"):
            load_vq(VQ, BUILD, tmp_path / name)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["quantize.embed.weight", "quantize.proj.weight"], "Gumbel"),
        (["decoder.conv_norm_out.weight", "encoder.conv_in.weight"], "diffusers:PATH"),
        (["transformer.h.0.weight"], "not a VQGAN, LDM or RQ-VAE tokenizer; its weights begin with transformer"),
    ],
)
def test_what_is_not_readable_is_said(tmp_path: Path, keys: list[str], words: str):
    torch.save({key: torch.ones(1) for key in keys}, tmp_path / "model.pt")
    with pytest.raises(UsageError, match=words):
        load_vq(VQ, BUILD, tmp_path / "model.pt")


def test_a_folder_with_several_candidates_or_none_asks_for_the_file(tmp_path: Path):
    with pytest.raises(UsageError, match="there is: none"):
        load_vq(VQ, BUILD, tmp_path)
    for name in ("epoch=1.ckpt", "epoch=2.ckpt"):
        torch.save(vq_model().state_dict(), tmp_path / name)
    with pytest.raises(UsageError, match=r"epoch=1\.ckpt, epoch=2\.ckpt.*Name the file"):
        load_vq(VQ, BUILD, tmp_path)


def test_a_gradient_codebook_of_another_decay_changes_nothing(tmp_path: Path):
    torch.save(vq_model().state_dict(), tmp_path / "model.ckpt")
    one = load_vq(VQ, BUILD, tmp_path / "model.ckpt")
    other = load_vq(replace(VQ, n_embed=99, ch=64), BUILD, tmp_path / "model.ckpt")
    assert one.revision == other.revision


def test_an_image_size_that_the_tokenizer_cannot_take_is_refused(tmp_path: Path):
    torch.save(vq_model().state_dict(), tmp_path / "model.ckpt")
    tokenizer = load_vq(VQ, BUILD, tmp_path / "model.ckpt")
    with pytest.raises(BenchError, match="33 x 32 are not multiples of 2"):
        tokenizer.encode(torch.zeros(1, 3, 33, 32, dtype=torch.uint8))


def lasts(folder: Path, times: dict[str, int]) -> dict[str, QuantisedModel]:
    """Ends of a training run with their times of change; each a model of its own seed."""
    found = {}
    for seed, (name, time) in enumerate(times.items()):
        found[name] = QuantisedModel(VQ.architecture((32, 32)), VQ, seed=seed)
        (folder / name).parent.mkdir(exist_ok=True)
        torch.save({"state_dict": found[name].state_dict()}, folder / name)
        os.utime(folder / name, (time, time))
    return found


def test_a_continued_run_gives_its_newest_end_and_names_it(tmp_path: Path):
    models = lasts(tmp_path, {"last.ckpt": 10, "last-v1.ckpt": 20, "last-v10.ckpt": 40, "last-v9.ckpt": 30})
    foreign = read(tmp_path)
    assert foreign.facts["file"] == "last-v10.ckpt"
    expected = models["last-v10.ckpt"].state_dict()["quantize.embedding.weight"]
    assert torch.equal(foreign.state["quantize.embedding.weight"], expected)


def test_ends_whose_numbers_and_times_disagree_are_refused(tmp_path: Path):
    lasts(tmp_path, {"last.ckpt": 20, "last-v1.ckpt": 10})
    with pytest.raises(UsageError, match=r"last-v1\.ckpt is older than last\.ckpt; name the file"):
        read(tmp_path)
    assert read(tmp_path / "last.ckpt").facts["file"] == "last.ckpt"


def test_the_ends_of_several_runs_ask_for_the_file(tmp_path: Path):
    lasts(tmp_path, {"a/last.ckpt": 10, "b/last.ckpt": 20})
    with pytest.raises(UsageError, match=r"there is: a/last\.ckpt, b/last\.ckpt\. Name the file"):
        read(tmp_path)


def test_a_file_that_may_not_be_read_is_one_sentence(tmp_path: Path):
    (tmp_path / "model.ckpt").mkdir()
    with pytest.raises(BenchError, match=r"model\.ckpt"):
        read(tmp_path / "model.ckpt")


def second_stage(path: Path) -> Path:
    state = {f"first_stage_model.{key}": value for key, value in vq_model().state_dict().items()}
    state |= {"model.diffusion_model.input_blocks.0.weight": torch.ones(2), "cond_stage_model.a": torch.ones(1)}
    torch.save({"state_dict": state}, path)
    return path


def test_a_published_prior_is_refused_where_another_would_be_trained(tmp_path: Path, cache: Path):
    path = second_stage(tmp_path / "ldm,v=1.ckpt")
    method = f"vqgan@{path}"
    common = ["validate", "--preset", "smoke", "--dataset", "photos", "--out", str(tmp_path / "out"), "-m", method]
    done = CliRunner().invoke(app, [*common, "--stages", "prior,sample,gen"])
    assert done.exit_code != 0
    assert "holds a second stage (model.), which cannot be loaded yet" in str(done.exception) + done.output
    done = CliRunner().invoke(app, [*common, "--stages", "recon,cost"])
    assert done.exit_code == 0, done.output


def test_a_result_says_which_file_it_is_of_and_what_was_left_out(tmp_path: Path, cache: Path):
    path = second_stage(tmp_path / "ldm.ckpt")
    arguments = ["run", "--preset", "smoke", "--dataset", "photos", "--out", str(tmp_path / "out"), "--stages", "recon"]
    done = CliRunner().invoke(app, [*arguments, "--eval-limit", "8", "-m", f"vqgan@{path}"])
    assert done.exit_code == 0, done.output
    (result,) = (tmp_path / "out").rglob("vqgan*/**/recon.json")
    assert json.loads(result.read_text())["facts"]["weights"] == {
        "file": "ldm.ckpt",
        "moving_averages": False,
        "dropped": {"model.": 1, "cond_stage_model.": 1},
    }


def test_averages_of_weights_that_are_trained_here_are_refused():
    with pytest.raises(UsageError, match=r"ema=true is for weights of a file"):
        vq_learner(replace(VQ, ema=True), BUILD)
