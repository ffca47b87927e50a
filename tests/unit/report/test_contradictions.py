"""What sources print differently: spread, causes, rows under a wrong name, and which value ours reproduces."""

import json
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.report.contradictions import contradictions
from bench.report.copies import lines, mislabelled, twins
from bench.report.quoted import load_quoted
from tests.unit.report.sample_results import number, result

FOLDER = Path(__file__).parents[3] / "results" / "quoted"
KNOWN_TWINS = {
    ("adm: DCTransformer", "dctransformer: DCTransformer"),
    ("brics: StyleGAN2", "ldm: StyleGAN"),
    ("brics: LDM", "ldm: LDM-8 (KL) 32×32×4"),
    ("brics: LDM", "ldm: LDM-4 (VQ) 64×64×3"),
    ("dino-perceptual: SDXL-VAE", "epsilon-vae: SDXL-VAE"),
    ("dino-perceptual: SDXL-VAE", "vitok: SDXL-VAE"),
    ("epsilon-vae: SDXL-VAE", "vitok: SDXL-VAE"),
    ("maetok: SD-VAE", "vitok: SDXL-VAE"),
    ("official-code: VQGAN f16 16×16", "official-code: RQ-VAE 16×16×4"),
    ("official-code: LDM kl-f4 64×64×3", "official-code: LDM vq-f4 64×64×3"),
    ("official-code: LDM kl-f16 16×16×16", "official-code: LDM vq-f16 16×16×8"),
}
"""Rows that share their numbers in print: quoted by one from another, or of one network. Any further pair is a slip."""


@pytest.fixture(scope="module")
def quoted():
    return load_quoted(FOLDER)


def source(folder, name, rows, **table):
    """A file of one table on ImageNet, and what it says of its protocol."""
    content = {
        "id": f"reconstruction-{table.get('dataset', 'imagenet')}", "where": "Table 1", "kind": "recon",
        "dataset": "imagenet", "resolution": 256, "confidence": "source", "protocol": {}, "rows": rows, **table,
    }  # fmt: skip
    cited = {"title": name.upper(), "authors": "Someone", "year": 2025, "url": "https://example.org"}
    file = {"schema": 1, "source": name, "citation": cited, "tables": [content]}
    (folder / f"{name}.json").write_text(json.dumps(file))


def row(psnr=None, ssim=None, rfid=None, tokenizer="VAE", weights="vae.safetensors", **more):
    values = {"psnr": psnr, "ssim": ssim, "rfid": rfid}
    values = {name: value for name, value in values.items() if value is not None}
    return {"method": tokenizer, "tokenizer": tokenizer, "weights": weights, "values": values, **more}


def summary(folder, results=(), dataset="imagenet"):
    """The cells of the first table by the row's label, as text, and the table."""
    table = contradictions(load_quoted(folder), results, dataset)[0]
    return {line.label: [cell.text for cell in line.cells] for line in table.rows}, table


def test_rows_that_share_their_numbers_are_all_known(quoted):
    found = {(pair.one.name, pair.other.name) for pair in twins(quoted)}
    assert found == KNOWN_TWINS


def test_a_slip_of_data_entry_shows(tmp_path):
    source(tmp_path, "one", [row(26.26, 0.745, 0.61), row(31.0, 0.91, 0.2, tokenizer="OTHER")])
    assert twins(load_quoted(tmp_path)) == []
    source(tmp_path, "two", [row(26.27, 0.746, 0.61)])
    (pair,) = twins(load_quoted(tmp_path))
    assert (pair.one.source, pair.other.source) == ("one", "two")
    assert len(pair.equal) == 1
    assert len(pair.near) == 3


def test_the_row_that_prints_anothers_numbers_is_named_by_the_program(quoted):
    found = mislabelled(quoted)
    assert set(found) == {("maetok", "SD-VAE f8")}
    (pair,) = found["maetok", "SD-VAE f8"]
    assert pair.other.tokenizer == "SDXL-VAE"
    assert {metric for _, metric in pair.equal} == {"psnr", "ssim", "rfid"}


@pytest.mark.parametrize("equal", [2, 3])
def test_three_equal_numbers_are_a_wrong_name_and_two_are_not(tmp_path, equal):
    source(tmp_path, "one", [row(26.04, 0.834, 0.68, tokenizer="LARGE")])
    source(tmp_path, "two", [row(26.04, None, None, tokenizer="LARGE")])
    source(tmp_path, "three", [row(26.04, 0.834, 0.68 if equal == 3 else 0.62, tokenizer="SMALL")])
    source(tmp_path, "four", [row(24.0, 0.7, 0.9, tokenizer="SMALL")])
    found = mislabelled(load_quoted(tmp_path))
    assert set(found) == ({("three", "SMALL")} if equal == 3 else set())
    cells, _ = summary(tmp_path)
    assert ("mislabelled" in cells["SMALL · PSNR"][4]) == (equal == 3)
    assert cells["SMALL · PSNR"][:4] == (["2", "–", "–", "–"] if equal == 3 else ["2", "24.0", "26.04", "2.04"])
    assert ("Mislabelled" in " ".join(contradictions(load_quoted(tmp_path), (), None)[1].notes)) == (equal == 3)


def test_where_support_does_not_tell_both_rows_are_named(tmp_path):
    source(tmp_path, "one", [row(26.04, 0.834, 0.68, tokenizer="LARGE")])
    source(tmp_path, "two", [row(26.04, 0.834, 0.68, tokenizer="SMALL")])
    assert set(mislabelled(load_quoted(tmp_path))) == {("one", "LARGE"), ("two", "SMALL")}


@pytest.mark.parametrize(
    ("cause", "metric", "one", "other"),
    [
        ("reference-split", "rFID", {"reference": "training set"}, {"reference": "validation crops"}),
        ("ssim-range", "SSIM", {"ssim_range": 2}, {"ssim_range": 1}),
        ("ssim-window", "SSIM", {"ssim_window": "uniform 7"}, {"ssim_window": "Gaussian 11"}),
        ("crop", "PSNR", {"crop": "ADM centre crop"}, {"crop": "Lanczos 256"}),
        ("rounding", "PSNR", {"rounding": "none"}, {"rounding": "8 bits, truncated"}),
    ],
)
def test_a_cause_is_what_the_protocols_are_known_to_differ_in(tmp_path, cause, metric, one, other):
    source(tmp_path, "one", [row(25.08, 0.705, 0.78)], protocol=one)
    source(tmp_path, "two", [row(25.68, 0.820, 0.74)], protocol=other)
    cells, table = summary(tmp_path)
    assert cells[f"VAE · {metric}"][4] == cause
    (said,) = [note for note in table.notes if note.startswith(cause)]
    assert all(str(value) in said for value in (*one.values(), *other.values()))
    source(tmp_path, "two", [row(25.68, 0.820, 0.74)], protocol={})
    assert summary(tmp_path)[0][f"VAE · {metric}"][4] == "unknown", "what is not said tells nothing"
    if cause.startswith("ssim"):
        source(tmp_path, "two", [row(25.68, 0.820, 0.74)], protocol=other)
        assert summary(tmp_path)[0]["VAE · PSNR"][4] == "unknown", "no cause of another metric's difference"


def test_resolution_weights_and_suspicion_are_causes(tmp_path):
    source(tmp_path, "one", [row(25.0)])
    source(tmp_path, "two", [row(26.0)], resolution=None)
    assert summary(tmp_path)[0]["VAE · PSNR"] == ["2", "25.0", "26.0", "1.0", "resolution"]
    source(tmp_path, "two", [row(26.0, weights="not named", suspect={"psnr": ["rounding", "It truncates."]})])
    assert summary(tmp_path)[0]["VAE · PSNR"][4] == "rounding, weights-not-named"
    values = contradictions(load_quoted(tmp_path), (), None)[1]
    assert "rounding, likely: It truncates." in values.notes


def test_numbers_that_may_be_roundings_of_one_agree(tmp_path):
    source(tmp_path, "one", [row(20.79, 0.675)])
    source(tmp_path, "two", [row(20.793026, 0.67561)])
    cells, _ = summary(tmp_path)
    assert cells["VAE · PSNR"][4] == "agree"
    assert cells["VAE · SSIM"][3:] == ["0.00061", "unknown"]


def test_ours_says_which_published_value_each_protocol_reproduces(tmp_path):
    ours = {"method": "VQ-16", "tokenizer": "VQ-16", "weights": "vq.pt", "bench": "llamagen:vq-16", "code": "16x16"}
    source(tmp_path, "one", [{**ours, "values": {"ssim": 0.675, "psnr": 20.79}}])
    source(tmp_path, "two", [{**ours, "values": {"ssim": 0.56, "psnr": 20.9}}])
    numbers = [number("psnr", 20.793026), number("ssim", 0.5523), number("ssim-uniform7-range2", 0.67529)]
    numbers += [number("ssim-uniform7", 0.5629), number("ms-ssim", 0.9), number("psnr-over-downsample", 1.0)]
    made = result("llamagen:vq-16@official", metrics=numbers, dataset="imagenet", preset="paper")
    table = contradictions(load_quoted(tmp_path), [made], "imagenet")[1]
    columns = [column.name for column in table.columns]
    found = {}
    for line in table.rows:
        if " · ours, " in line.label:
            (place,) = [i for i, cell in enumerate(line.cells) if cell.value is not None]
            found[line.label.partition(", ")[2]] = columns[place], table.notes[line.cells[place].notes[0]]
    assert found == {
        "psnr": ("psnr", "Reproduces 20.79 of one, Table 1."),
        "ssim": ("ssim", "Reproduces no published value."),
        "ssim-uniform7-range2": ("ssim", "Reproduces 0.675 of one, Table 1."),
        "ssim-uniform7": ("ssim", "Reproduces 0.56 of two, Table 1."),
    }
    small = result("llamagen:vq-16", metrics=numbers, dataset="imagenet", preset="small")
    rows = contradictions(load_quoted(tmp_path), [small], "imagenet")[1].rows
    assert not any("ours" in line.label for line in rows), "another configuration reproduces nothing"


def test_the_committed_tables_hold_the_known_contradictions(quoted):
    tables = {(t.name, t.dataset): t for t in contradictions(quoted, ())}
    lines_of = {line.label: [cell.text for cell in line.cells] for line in tables["contradictions", "imagenet"].rows}
    assert lines_of["SD-VAE f8 · rFID"][1:3] == ["0.606", "1.06"]
    assert "weights-not-named" in lines_of["SD-VAE f8 · rFID"][4]
    assert "ssim-range" in lines_of["SD-VAE f8 · SSIM"][4]
    assert "mislabelled" in lines_of["SD-VAE f8 · PSNR"][4]
    assert lines_of["VQGAN f16, 1024 codes · rFID"][1:3] == ["7.94", "10.54"]
    assert "reference-split" in lines_of["VQGAN f16, 1024 codes · rFID"][4]
    assert lines_of["LlamaGen VQ-16 · PSNR"][4] == "agree"
    assert lines_of["UniTok · rFID"][:3] == ["3", "0.362", "0.41"]
    assert lines_of["VILA-U 256 · rFID"][:3] == ["2", "1.80", "4.231"]
    assert lines_of["VAR VQ · rFID"][:3] == ["3", "0.90", "2.7"]


def test_every_row_of_the_values_is_told_from_the_others(quoted):
    for table in contradictions(quoted, ()):
        labels = [line.label for line in table.rows]
        assert len(labels) == len(set(labels))


def test_a_wrong_cause_and_half_a_tokenizer_are_refused(tmp_path):
    source(tmp_path, "one", [row(25.0, suspect={"psnr": ["moon", "It was full."]})])
    with pytest.raises(UsageError, match="'moon' is no cause; use one of reference-split"):
        load_quoted(tmp_path)
    source(tmp_path, "one", [row(25.0, weights=None)])
    with pytest.raises(UsageError, match="say both, or 'not named'"):
        load_quoted(tmp_path)


def test_a_dataset_without_two_sources_is_refused(tmp_path, quoted):
    with pytest.raises(UsageError, match="from two sources on 'church'; there is: coco-2017, imagenet"):
        contradictions(quoted, (), "church")
    source(tmp_path, "one", [row(25.0)])
    with pytest.raises(UsageError, match=r"No tokenizer is quoted from two sources\."):
        contradictions(load_quoted(tmp_path), ())


def test_lines_gather_what_a_source_prints_of_a_method(quoted):
    (line,) = [line for line in lines(quoted) if line.name == "maetok: SD-VAE"]
    assert {dataset for dataset, _ in line.numbers} == {"imagenet", "coco-2017"}


def test_the_command_prints_and_writes_every_format(run_bench, tmp_path):
    done = run_bench("report", "--contradictions", "-d", "imagenet", "--quoted", FOLDER, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "SD-VAE f8 · SSIM" in done.stdout
    assert "mislabelled" in done.stdout
    out = tmp_path / "out"
    for name in ("report.md", "report.tex", "index.html", "report.json"):
        assert "weights-not-named" in (out / name).read_text().replace("{}", ""), name
    again = ("report", "--contradictions", "-d", "imagenet", "--quoted", FOLDER, "--out", out, "--check")
    assert run_bench(*again).returncode == 0
    for others, said in ((["--quoted-only"], "two reports"), (["--columns", "psnr"], "leave them or --contradictions")):
        refused = run_bench("report", "--contradictions", *others)
        assert refused.returncode == 2
        assert said in refused.stderr
