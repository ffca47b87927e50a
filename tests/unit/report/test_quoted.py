"""Published numbers: complete, cited, printed as published; and held against ours with a reason where they differ."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.report.literature import literature
from bench.report.published import against_published
from bench.report.quoted import CONFIDENCE, REASONS, load_quoted
from bench.report.writers.text import to_text
from tests.unit.report.sample_results import number, recon, result

FOLDER = Path(__file__).parents[3] / "results" / "quoted"


@pytest.fixture(scope="module")
def quoted():
    return load_quoted(FOLDER)


def quote(quoted, source, table, row, metric):
    (found,) = [t for t in quoted if (t.source, t.id) == (source, table)]
    (line,) = [r for r in found.rows if r.label == row]
    return line.values[metric].text(millions=metric.endswith("parameters"))


@pytest.mark.parametrize(
    ("source", "table", "row", "metric", "printed"),
    [
        ("brics", "reconstruction-ffhq", "BRICS 16×16×16", "lpips", "0.0522"),
        ("brics", "reconstruction-church", "VQGAN 32×32", "psnr", "19.81 ± 4.92"),
        ("brics", "decoder-cost", "BRICS 64×64×4", "decoder-grid-parameters", "18.6M"),
        ("brics", "decoder-cost-earlier", "BRICS 64×64×4", "decoder-gmac-fvcore", "63.40"),
        ("brics", "generation-church", "BRICS b+d", "clip-fid", "5.10"),
        ("brics", "generation-church-earlier", "BRICS b+d", "fid", "4.30"),
        ("brics", "generation-ffhq", "LDM, from the public checkpoint", "fid", "9.47"),
        ("ldm", "reconstruction-imagenet", "LDM kl-f8 32×32×4", "psnr", "24.19"),
        ("ldm", "reconstruction-imagenet", "VQGAN f16, 16384 codes 16×16", "psnr", "19.9"),
        ("ldm", "generation-church", "Projected GAN", "fid", "1.59"),
        ("seq-gan", "reconstruction-ffhq", "RQ-VAE 16×16×4", "rfid", "3.88"),
        ("seq-gan", "generation-ffhq", "VQGAN + GPT 801M", "fid", "11.4"),
        ("taming-transformers", "generation-ffhq", "VQGAN + GPT 801M", "fid", "9.6"),
        ("rq-vae", "generation-church", "RQ-Transformer 370M", "fid", "7.45"),
        ("unleashing-transformers", "generation-church", "Unleashing Transformers", "density", "1.12"),
        ("laser", "reconstruction-church", "RQ-VAE, released 8×8×4", "psnr", "18.972"),
        ("dctransformer", "generation-imagenet", "BigGAN-deep", "precision", "0.78"),
        ("dctransformer", "generation-imagenet", "VQ-VAE2", "sfid", "17.38"),
        ("dctransformer", "generation-church", "ProGAN", "recall", "0.38"),
        ("dctransformer", "generation-openimages-colorization", "DCTransformer", "fid", "22.52"),
        ("adm", "generation-bedroom", "DCTransformer", "sfid", "6.66"),
        ("official-code", "decoders", "VQGAN f16 16×16", "decoder-gmac-fvcore", "126.789"),
        ("official-code", "decoders", "LDM kl-f8 32×32×4", "total-parameters", "83.654M"),
        ("compressai", "reconstruction-kodak-jpeg", "JPEG, quality 50", "psnr", "32.059"),
        ("compressai", "reconstruction-kodak-webp", "WebP, quality 5", "bits-per-pixel", "0.2344"),
    ],
)
def test_numbers_are_printed_with_the_digits_of_the_source(quoted, source, table, row, metric, printed):
    assert quote(quoted, source, table, row, metric) == printed


def test_every_number_is_cited_and_its_confidence_said(quoted):
    assert sum(len(row.values) for table in quoted for row in table.rows) > 300
    for table in quoted:
        assert table.citation["url"].startswith("https://")
        assert table.citation["title"] in table.reference
        assert CONFIDENCE[table.confidence] in table.reference
        assert (table.through is not None) == (table.confidence == "copy")


def test_f1_is_the_harmonic_mean_of_precision_and_recall_as_rounded(quoted):
    rows = [row for table in quoted for row in table.rows if {"precision", "recall", "f1"} <= set(row.values)]
    assert len(rows) > 10
    for row in rows:
        p, r, f1 = (row.values[name].value for name in ("precision", "recall", "f1"))
        assert f1 == pytest.approx(2 * p * r / (p + r), abs=0.008)


def test_the_literature_of_a_dataset_needs_no_run(quoted):
    made = {table.name: table for table in literature(quoted, "church")}
    assert set(made) == {"reconstruction", "generation", "cost", "generators"}
    labels = [row.label for row in made["generation"].rows]
    for expected in ("StyleGAN2", "ProGAN", "Projected GAN", "DCTransformer", "BRICS b+d", "LDM-8 (KL) 32×32×4"):
        assert expected in labels
    assert "earlier" not in " ".join(made["generation"].notes)
    with pytest.raises(UsageError, match="church, coco-2017, ffhq"):
        literature(quoted, "kittens")
    datasets = {table.dataset for table in literature(quoted, None)}
    assert {"church", "ffhq", "imagenet", "bedroom", "tower"} <= datasets


def test_marks_are_given_within_one_source_only(quoted):
    table = next(t for t in literature(quoted, "church") if t.name == "generation")
    fid = [c.name for c in table.columns].index("fid")
    best = {}
    for row in table.rows:
        if row.cells[fid].mark == "best":
            best.setdefault(row.group, []).append(row.label)
    assert best["brics/generation-church"] == ["Projected GAN"]
    assert best["ldm/generation-church"] == ["Projected GAN"]
    assert best["dctransformer/generation-church"] == ["StyleGAN2"]
    assert "Marks are given within one table of one source" in table.remark


def paper(method, stage, metrics, **more):
    return result(method, stage, metrics, dataset="church", preset="paper", **more)


def row_of(table, label):
    return next(row for row in table.rows if row.label == label)


def notes(table, cell):
    return " ".join(table.notes[i] for i in cell.notes)


def test_published_ours_and_difference_stand_side_by_side(quoted):
    brics = paper(
        "brics:64x64x4", "cost",
        [number("decoder-grid-parameters", 18_630_272, False), number("decoder-gmac-fvcore", 67.960, False)],
    )  # fmt: skip
    vqgan = paper("vqgan", "cost", [number("decoder-gmac-fvcore", 119.771, False)], facts={"code_shape": [32, 32]})
    (table,) = against_published([brics, vqgan], quoted)
    published, ours, difference = row_of(table, "brics:64x64x4 · decoder GMAC (fvcore)").cells
    assert (published.text, ours.text, difference.text) == ("63.41", "67.96", "+4.55")
    assert "counting" in notes(table, difference)
    assert "67.960 G" in notes(table, difference)
    assert "Quoted from BRICS" in notes(table, published)
    grids = row_of(table, "brics:64x64x4 · grid parameters").cells[2]
    assert grids.text == "+0.030M"
    assert not grids.notes, "18.630M is 18.6M as rounded"
    agreed = row_of(table, "vqgan · decoder GMAC (fvcore)").cells[2]
    assert not agreed.notes
    assert "126.79" not in to_text(table), "another code size is another configuration"


def test_a_row_of_the_default_variant_is_known_by_its_fact(quoted):
    counted = [number("decoder-gmac-fvcore", 126.789, False)]
    (table,) = against_published([paper("vqgan", "cost", counted, facts={"variant": "16x16"})], quoted)
    published, ours, difference = row_of(table, "vqgan · decoder GMAC (fvcore)").cells
    assert (published.text, ours.text) == ("126.79", "126.8")
    assert not difference.notes
    (wider,) = against_published([paper("kl-ldm", "cost", counted, facts={"variant": "f4"})], quoted)
    assert row_of(wider, "kl-ldm · decoder GMAC (fvcore)").cells[0].text == "335.913"
    assert against_published([paper("vqgan", "cost", counted)], quoted) == ()


def test_a_codec_is_held_against_its_published_curve_at_native_size_under_every_preset(quoted):
    def measured(dataset, **facts):
        numbers = [number("psnr", 32.17), number("ms-ssim", 0.977), number("bits-per-pixel", 0.906, False)]
        return result("jpeg:q=50", "recon", numbers, dataset=dataset, preset="small", facts=facts)

    native = "kodak, 512x768 to 768x512"
    (table,) = against_published([measured(native, library="libjpeg-turbo 3.1")], quoted)
    published, _, difference = row_of(table, "jpeg:q=50 · PSNR").cells
    assert (published.text, difference.text) == ("32.059", "+0.111")
    assert "library: another release of a library" in notes(table, difference)
    assert "CompressAI" in notes(table, published)
    assert not row_of(table, "jpeg:q=50 · bits per pixel").cells[2].notes, "0.906 is 0.9060 as rounded"
    assert against_published([measured("kodak", library="libjpeg-turbo 3.1")], quoted) == (), (
        "cropped images are others"
    )
    assert against_published([measured(native)], quoted) == (), "what is trained has a budget"


def test_reasons_are_told_from_the_protocols(quoted):
    trained = recon("vqgan:32x32", 19.0, dataset="church", preset="paper")
    loaded = replace(trained, method="vqgan:32x32@official")
    lpips = paper("vqgan:32x32", "recon", [number("lpips-vgg", 0.2, False)])
    for measured, metric, there, not_there in (
        (trained, "PSNR", ["weights", "budget", "crop"], ["split"]),
        (loaded, "PSNR", ["crop", "resize"], ["weights", "budget"]),
        (lpips, "LPIPS (vgg)", ["lpips-network"], []),
    ):
        (table,) = against_published([measured], quoted)
        said = notes(table, row_of(table, f"{measured.method} · {metric}").cells[2])
        assert all(f"{code} ({REASONS[code]})" in said for code in there)
        assert not any(f"{code} (" in said for code in not_there)


def test_what_is_not_the_published_configuration_is_not_held_against_it(quoted):
    assert against_published([recon("vqgan", 22.0, dataset="church", preset="small")], quoted) == ()
    of_a_run = recon("vqgan@results/local/church-small/vqgan/seed0", 22.0, dataset="church", preset="small")
    assert against_published([of_a_run], quoted) == ()
    assert against_published([paper("kitten", "cost", [number("decoder-gmac", 1.0)])], quoted) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"confidence": "sure"}, "no confidence"),
        ({"kind": "speed"}, "no kind"),
        ({"rows": [{"method": "x", "values": {"kitten": 1}}]}, "no column"),
        ({"rows": [{"method": "x", "values": {"psnr": 1}, "differs": {"psnr": ["moon", ""]}}]}, "no reason"),
        ({"rows": [{"values": {}}]}, "method"),
        ({"colour": "red"}, "colour"),
        ({"rows": {}}, "wrong in tables.0.rows"),
        ({"rows": [{"method": "x", "values": {"psnr": "22"}}]}, "psnr"),
        ({"rows": [{"method": "x", "values": {"psnr": float("nan")}}]}, "NaN is no number"),
        ({"rows": [{"method": "x", "values": {"psnr": 10**400}}]}, "beyond the range of integers"),
        ({"rows": [{"method": "x", "values": {}, "code": "8xB"}]}, "no shape of codes"),
        ({"rows": [{"method": "x", "values": {}, "differs": {"psnr": ["count"]}}]}, "differs"),
        ({"protocol": [1]}, "protocol"),
        ({"superseded": 1}, "superseded"),
        ({"resolution": 1.5}, "resolution"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, change, said):
    raw = json.loads((FOLDER / "laser.json").read_text())
    raw["tables"] = [{**raw["tables"][0], **change}]
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(UsageError, match=said) as caught:
        load_quoted(tmp_path)
    assert str(path) in str(caught.value)
    with pytest.raises(UsageError, match="no published numbers"):
        load_quoted(tmp_path / "empty")


def test_the_command_prints_the_literature(run_bench):
    done = run_bench("report", "--quoted-only", "--dataset", "church", "--quoted", FOLDER)
    assert done.returncode == 0
    assert "Projected GAN" in done.stdout
    assert "10.71" in done.stdout
    assert run_bench("report", "--quoted-only", "--dataset", "kittens", "--quoted", FOLDER).returncode == 2


def test_the_literature_alone_makes_a_report_in_every_format(run_bench, tmp_path):
    """A published number has no result behind it: the model index, which needs one, leaves it out."""
    file = tmp_path / "mine.json"
    table = {**json.loads((FOLDER / "laser.json").read_text())["tables"][0], "dataset": "x" * 300}
    file.write_text(json.dumps({**json.loads((FOLDER / "laser.json").read_text()), "tables": [table]}))
    done = run_bench("report", "--quoted-only", "--quoted", file, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert {path.suffix for path in (tmp_path / "out").rglob("*") if path.is_file()} >= {".md", ".tex", ".html", ".csv"}
    assert not (tmp_path / "out" / "model-index").exists()
