"""Images of three sizes through a whole run at ``--protocol native``: every number of its own size, none cropped."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bench.data import mixed
from bench.data.mixed import Mixed
from bench.results.record import Result
from bench.run.config import RunConfig
from bench.run.experiment import run, validate
from tests import sources
from tests.conftest import Command

SIZES = ((45, 56), (56, 40), (37, 43), (45, 56), (37, 43), (45, 56))
METHODS = ("jpeg:q=50", "dct:q=50", "downsample:8", "vqgan", "brics")


@dataclass(frozen=True)
class Ran:
    """What one run left: results by method and stage, and where."""

    config: RunConfig
    results: dict[tuple[str, str], Result]
    cache: Path

    def facts(self, method: str) -> Any:
        return self.results[method, "recon"].facts

    def value(self, method: str, name: str) -> float:
        found = {m.name: m.value for m in self.results[method, "recon"].metrics}[name]
        assert found is not None
        return found

    def folder(self, method: str) -> Path:
        (found,) = [path.parent for path in self.config.out.rglob("recon.json") if method_of(path) == method]
        return found

    def images(self, method: str) -> tuple[Mixed, Mixed]:
        """The originals and their reconstructions."""
        data = json.loads((self.folder(method) / "recon.json").read_text())
        opened = [mixed.open_images(p.parent) for p in self.cache.rglob("manifest.json")]
        by_digest = {images.digest: images for images in opened if isinstance(images, Mixed)}
        return by_digest[data["provenance"]["data"]["val"]["digest"]], by_digest[data["facts"]["reconstructions"]]


def method_of(path: Path) -> str:
    return str(json.loads(path.read_text())["method"])


def files(folder: Path, sizes: tuple[tuple[int, int], ...] = SIZES, train: int = 8) -> Path:
    val = {f"val/{i}.png": sources.encoded(i, height=h, width=w) for i, (h, w) in enumerate(sizes)}
    return sources.folder(
        folder, {f"train/{i}.png": sources.encoded(50 + i, height=40, width=48) for i in range(train)} | val
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    place = tmp_path_factory.mktemp("native")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(place / "cache"))
        patch.delenv("BENCH_WEIGHTS", raising=False)
        config = RunConfig(
            methods=METHODS,
            dataset=f"folder:{files(place / 'photographs')}",
            preset="smoke",
            protocol="native",
            set=("images_seen=32",),
            out=place / "out",
        )
        results = run(config)
    return Ran(config, {(r.method, r.stage): r for r in results}, place / "cache")


def test_every_method_has_its_numbers_or_says_why_not(ran: Ran) -> None:
    assert {m: ran.results[m, "recon"].status for m in METHODS} == {
        **dict.fromkeys(METHODS, "ok"),
        "brics": "not-applicable",
    }
    said = ran.results["brics", "recon"].error
    assert said is not None
    assert said.startswith("it takes images of 32x32 pixels alone, and 6 of 6 have others (43x37 to 56x45)")
    assert ran.results["vqgan", "cost"].status == ran.results["brics", "cost"].status == "ok"
    assert {r.dataset for r in ran.results.values()} == {"folder:photographs, 43x37 to 56x45"}


@pytest.mark.parametrize("method", ["jpeg:q=50", "dct:q=50", "downsample:8", "vqgan"])
def test_reconstructions_have_the_true_sizes_in_the_order_of_the_originals(ran: Ran, method: str) -> None:
    originals, made = ran.images(method)
    assert made.sizes.tolist() == originals.sizes.tolist()
    assert sorted(map(tuple, originals.sizes.tolist())) == sorted(SIZES)
    table = pyarrow.parquet.read_table(ran.folder(method) / "recon.parquet").to_pydict()
    assert list(zip(table["height"], table["width"], strict=True)) == [tuple(size) for size in originals.sizes.tolist()]
    for i in range(len(originals)):
        one, other = (images.image(i).transpose(1, 2, 0) for images in (originals, made))
        expected = structural_similarity(
            one, other, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
        )
        assert table["psnr"][i] == pytest.approx(peak_signal_noise_ratio(one, other, data_range=255), rel=1e-9)
        assert table["ssim"][i] == pytest.approx(expected, rel=1e-9)
    assert ran.value(method, "psnr") == pytest.approx(np.mean(table["psnr"]))


def test_codes_of_padded_images_count_over_true_pixels(ran: Ran) -> None:
    areas = np.array([h * w for h, w in SIZES])
    cells = np.array([-(-h // 4) * -(-w // 4) for h, w in SIZES])
    assert ran.value("downsample:8", "bits-per-pixel") == pytest.approx((24 * cells / areas).mean())
    assert ran.value("downsample:8", "total-bits-per-pixel") == pytest.approx(24 * cells.sum() / areas.sum())
    assert ran.value("downsample:8", "bits-per-image") == pytest.approx(24 * cells.mean())
    padding = ran.facts("downsample:8")["padding"]
    assert padding["to_multiples_of"] == [4, 4]
    assert padding["images"] == 5  # all but the one of 56 x 40
    assert (padding["coded_pixels"], padding["true_pixels"]) == (16 * cells.sum(), areas.sum())
    assert "padding" not in ran.facts("jpeg:q=50")


def test_bits_of_a_codec_are_those_of_its_files(ran: Ran) -> None:
    bits = []
    for i in range(len(ran.images("jpeg:q=50")[0])):
        buffer = io.BytesIO()
        pixels = ran.images("jpeg:q=50")[0].image(i).transpose(1, 2, 0)
        Image.fromarray(pixels).save(buffer, "JPEG", quality=50, subsampling="4:2:0")
        bits.append((8 * len(buffer.getvalue()), pixels.shape[0] * pixels.shape[1]))
    total, areas = np.array(bits).T
    assert ran.value("jpeg:q=50", "bits-per-pixel") == pytest.approx((total / areas).mean())
    assert ran.value("jpeg:q=50", "total-bits-per-pixel") == pytest.approx(total.sum() / areas.sum())
    assert ran.value("dct:q=50", "jpeg-file-bits-per-pixel") == pytest.approx((total / areas).mean())


def test_what_is_trained_is_trained_at_the_presets_size_and_says_so(ran: Ran) -> None:
    assert ran.facts("vqgan")["trained_at"] == [32, 32]
    assert "trained_at" not in ran.facts("jpeg:q=50")
    assert {ran.facts(m)["image_sizes"] for m in METHODS if m != "brics"} == {"43x37 to 56x45"}
    data = ran.results["vqgan", "recon"].provenance["data"]
    assert data["protocol"] == "native"
    assert data["trained_at"] == "32x32 by 'ldm'"


def test_the_floor_has_cells_as_large_as_the_tokenizers(ran: Ran) -> None:
    grid, coded = ran.facts("vqgan")["grid"], ran.facts("vqgan")["coded_size"]
    stride = coded[0] // grid[0]
    assert (f"downsample:{32 // stride}", "recon") in ran.results


def test_absent_metrics_say_which_size_is_too_small(ran: Ran) -> None:
    reasons = {m.name: m.reason for m in ran.results["jpeg:q=50", "recon"].metrics}
    assert reasons["ms-ssim"] == "MS-SSIM needs at least 161 pixels a side, one here has 37"


def test_ready_made_reconstructions_of_many_sizes_are_measured_alike(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(ran.cache))
    names = [line["name"] for line in map(json.loads, (source_lines(ran)))]
    made = ran.images("dct:q=50")[1]
    for i, name in enumerate(names):
        path = tmp_path / "made" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(made.image(i).transpose(1, 2, 0)).save(path)
    config = replace(ran.config, methods=(f"recons:mine={tmp_path / 'made'}",), stages=("recon",), out=tmp_path / "out")
    (result,) = [r for r in run(config) if r.stage == "recon"]
    assert {m.name: m.value for m in result.metrics}["psnr"] == ran.value("dct:q=50", "psnr")
    Image.new("RGB", (9, 9)).save(tmp_path / "made" / names[0])
    (result,) = [r for r in run(config) if r.stage == "recon"]
    assert result.status == "failed"
    assert "nothing is resized silently" in str(result.error)


def source_lines(ran: Ran) -> list[str]:
    folder = ran.images("dct:q=50")[0].folder
    assert folder is not None
    return (folder / "sources.jsonl").read_text().splitlines()


def test_images_of_one_size_have_the_numbers_of_the_usual_protocol(tmp_path: Path, cache: Path) -> None:
    folder = files(tmp_path / "photographs", sizes=((32, 32),) * 4)
    common = RunConfig(
        ("jpeg:q=50", "downsample:4", "dct:q=50", "vqgan"),
        f"folder:{folder}",
        "smoke",
        set=("images_seen=32",),
        stages=("train", "recon"),
        out=tmp_path / "usual",
    )
    usual = {(r.method, r.stage): r for r in run(common)}
    native = {(r.method, r.stage): r for r in run(replace(common, protocol="native", out=tmp_path / "native"))}
    assert usual.keys() == native.keys()
    for place, result in usual.items():
        if place[1] == "recon":
            assert result.metrics == native[place].metrics
            assert result.facts["reconstructions"] == native[place].facts["reconstructions"]
            assert usual[place].provenance["data"]["val"]["digest"] == native[place].provenance["data"]["val"]["digest"]


def test_the_command_says_the_sizes_and_ends_well(ran: Ran, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(ran.cache))
    arguments = ["--dataset", ran.config.dataset, "--preset", "smoke", "--protocol", "native:40"]
    out = str(ran.config.out.parent / "other")
    done = command(
        "run", "--methods", "jpeg:q=50,brics", *arguments, "--stages", "recon", "--set", "images_seen=32", "--out", out
    )
    assert done.code == 0, done.err
    assert "reduced to a long side of at most 40 pixels: 29x40 to 40x34 pixels" in done.err.replace("\n", " ")
    assert "folder:photographs, 29x40 to 40x34 at native size, long side at most 40 px" in done.out
    assert "brics seed 0, train" not in done.err  # a tokenizer that cannot be measured is not trained for it
    refused = command("run", "--methods", "jpeg", *arguments[:-1], "native:no", "--out", out)
    assert refused.code == 2
    assert "written native, or native:N" in refused.err


def test_attention_that_needs_more_memory_than_there_is_is_said_before_with_the_remedy(
    tmp_path: Path, cache: Path
) -> None:
    folder = files(tmp_path / "photographs", sizes=((40, 40),))
    Image.new("RGB", (2400, 2000)).save(folder / "val" / "large.png")
    config = RunConfig(("vqgan", "jpeg"), f"folder:{folder}", "smoke", protocol="native", out=tmp_path / "out")
    (said,) = validate(config).missing
    assert said.startswith("'vqgan': self-attention over the largest image, 2400x2000 pixels, needs about ")
    found = re.search(r"add --protocol (native:(\d+)), or leave the method out\.$", said)
    assert found is not None
    assert 100 < int(found[2]) < 2400
    assert validate(replace(config, protocol=found[1])).missing == ()
    assert validate(replace(config, methods=("jpeg",))).missing == ()
