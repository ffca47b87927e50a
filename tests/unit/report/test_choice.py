"""Which columns and rows of a table people see: by what tells rows apart, or as a paper asks for it."""

import csv
import json
from pathlib import Path

import pytest

from bench.report.build import FORMATS
from bench.report.choice import MOST_COLUMNS, WIDTH, concise, condensed, split_methods
from bench.report.labels import LONGEST, natural, short, shortened
from bench.report.tables import tables
from bench.report.writers.latex import in_words
from bench.report.writers.text import to_markdown, to_text
from bench.results.record import Measurement
from bench.results.store import Place

from .sample_results import number, recon, result, usual

FETCH = "the file is not here; run: python -m bench fetch "
PATH = "vqgan@results/tiny/folder+tiny-64.zip-small/vqgan/seed0"


def wide(method, psnr, **more):
    """A row with more numbers than a table for people has room for, a network's absence and one constant."""
    metrics = [number("psnr", psnr, unit="dB"), number("ssim", psnr / 40), number("is", 1.5)]
    metrics += [number(name, 1 / psnr, False) for name in ("lpips-squeeze", "lpips-alex", "fd-r64", "bits-per-pixel")]
    metrics += [number(f"{name}-r64", psnr / 50) for name in ("precision", "recall", "density", "coverage")]
    metrics += [Measurement(n, None, reason=FETCH + w) for n, w in (("lpips-vgg", "vgg16"), ("fid", "inception"))]
    return result(method, "recon", metrics, **more)


def costs(method, parameters):
    return result(method, "cost", [number("decoder-parameters", parameters, False), number("decoder-gmac", 0.5, False)])


@pytest.fixture
def root(tmp_path):
    made = [wide("jpeg:q=45", 30.123), wide("jpeg:q=5", 20.456), wide(PATH, 25.789), costs(PATH, 1000)]
    for r in made:
        Place(tmp_path / "in", r.dataset, r.preset, r.method, r.seed).write(r)
    return tmp_path / "in"


def test_a_comparison_fits_a_terminal_and_says_what_is_alike_and_what_is_absent():
    (table,) = tables([wide("a" * 34, 20.1), wide("b", 21.0), costs("a" * 34, 5), costs("b", 5)], ("comparison",))
    shown = concise(table)
    assert 4 <= len(shown.columns) <= MOST_COLUMNS < len(table.columns)
    assert {"psnr", "bits-per-pixel", "lpips-alex", "fd-r64"} <= {column.name for column in shown.columns}
    text = to_text(shown)
    assert text.count("b  ") == 1, "the rows are not continued below"
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "The same in every row that has it: IS 1.50; decoder parameters 5; decoder GMAC 0.5000." in " ".join(
        text.split()
    )
    assert "rFID: their networks are not here; python -m bench fetch vgg16 inception" in " ".join(text.split())
    assert sum(line.startswith("Absent") for line in to_markdown(shown).splitlines()) == 1


def test_of_many_or_wide_columns_the_most_wanted_are_shown():
    rows = [wide("a", 20.1), wide("b", 21.0), costs("a", 5), costs("b", 6)]
    (table,) = tables(rows, ("comparison",))
    names = [column.name for column in concise(table).columns]
    assert names == ["psnr", "ssim", "lpips-alex", "fd-r64", "precision-r64", "bits-per-pixel", "decoder-parameters"]
    seeds = [wide(name * 30, psnr + seed, seed=seed) for name, psnr in (("a", 20.1), ("b", 22.3)) for seed in (0, 1)]
    (table,) = tables(seeds, ("comparison",))
    shown = concise(table)
    assert 3 < len(shown.columns) < MOST_COLUMNS
    assert max(map(len, to_text(shown).splitlines())) <= WIDTH


def test_footnotes_are_numbered_as_they_come_and_none_is_left_over():
    (table,) = tables(usual(), ("comparison",))
    shown = concise(table)
    order = [note for row in shown.rows for note in (*row.notes, *(n for cell in row.cells for n in cell.notes))]
    assert list(dict.fromkeys(order)) == list(range(len(shown.notes)))
    for before, after in zip(table.rows, shown.rows, strict=True):
        for column, cell in zip(shown.columns, after.cells, strict=True):
            old = before.cells[[c.name for c in table.columns].index(column.name)]
            assert [shown.notes[n] for n in cell.notes] == [table.notes[n] for n in old.notes]


def test_columns_that_differ_in_a_footnote_or_in_all_but_one_row_stay():
    (table,) = tables([wide("a", 20.0), recon("b", 20.0)], ("comparison",))
    assert "psnr" not in [c.name for c in condensed(table).columns], "20.00 twice"
    assert "ssim" in [c.name for c in condensed(table).columns], "one number alone is not alike"


def test_a_zero_of_what_is_not_there_is_never_the_best():
    made = [costs(name, value) for name, value in (("downsample:16", 0), ("a", 10), ("b", 20))]
    (table,) = tables(made, ("cost",))
    index = [c.name for c in table.columns].index("decoder-parameters")
    assert [row.cells[index].mark for row in table.rows] == ["", "best", "second"]


def test_labels_are_short_without_paths_and_stay_apart():
    assert short(PATH) == "vqgan@tiny-64-small"
    assert short("vqgan@/x/last.ckpt:depth=2") == "vqgan@last.ckpt:depth=2"
    assert short("jpeg:q=5") == "jpeg:q=5"
    assert short("rqvae@church-8x8x4") == "rqvae@church-8x8x4"
    found = shortened(["vqgan@a/x.pt", "vqgan@b/x.pt", "x" * 200, "x" * 201])
    assert len(set(found.values())) == 4
    assert all(len(text) <= LONGEST + 4 and "/" not in text for text in found.values())
    assert sorted(["q=45", "q=5", "p", "q=100", "²"], key=natural) == ["p", "q=5", "q=45", "q=100", "²"]


def test_a_paper_gets_its_columns_rows_order_and_digits_in_every_format(root, tmp_path, run_bench):
    out = tmp_path / "out"
    asked = ("--columns", "psnr,lpips,rfid,decoder-parameters", "--methods", "vqgan,jpeg", "--sort", "psnr")
    done = run_bench("report", "-r", root, "--out", out, *asked, "--digits", "1")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((out / "tables/photos-smoke-comparison.csv").open()))
    assert [row["method"] for row in rows] == ["jpeg:q=45", PATH, "jpeg:q=5"]
    assert [name for name in rows[0] if name.endswith("-std")] == [
        f"{name}-std" for name in ("psnr", "lpips-alex", "lpips-squeeze", "decoder-parameters")
    ]
    assert float(rows[0]["psnr"]) == 30.123, "data keep all digits"
    (data,) = json.loads((out / "report.json").read_text())
    assert [row["cells"][0]["text"] for row in data["rows"]] == ["30.1", "25.8", "20.5"]
    assert data["rows"][1]["cells"][3]["text"] == "1,000", "a count has no decimals"
    for name in ("report.md", "report.tex", "index.html"):
        text = (out / name).read_text()
        assert "vqgan@tiny-64-small" in text
        assert "30.1" in text
        assert "30.12" not in text.replace("30.123", "")
        assert "SSIM" not in text
        assert "rFID" in text
    assert "PSNR" in done.stdout
    assert set(FORMATS) >= {"md", "latex", "csv", "html"}


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--columns", "psrn", "There is no column 'psrn'; there are: bits-per-image"),
        ("--sort", "psrn", "There is no column 'psrn' to sort by; there are: method"),
        ("--methods", "vqgna", "There is no result of a method 'vqgna'"),
        ("--columns", "steps", "None of the results holds a number of steps"),
    ],
)
def test_what_is_not_there_is_one_sentence_with_what_there_is(root, tmp_path, run_bench, flag, value, said):
    done = run_bench("report", "-r", root, "--out", tmp_path / "out", flag, value)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("other", [("--quoted-only",), ("--hub", "cards")])
def test_what_cannot_be_chosen_from_says_so(root, tmp_path, run_bench, other):
    done = run_bench("report", "-r", root, "--out", tmp_path / "out", "--columns", "psnr", *other)
    assert done.returncode == 2
    assert "leave" in done.stderr
    assert not (tmp_path / "out").exists()


def test_rows_of_a_sweep_are_in_the_order_of_their_numbers(root, tmp_path, run_bench):
    assert run_bench("report", "-r", root, "--out", tmp_path, "--format", "md").returncode == 0
    text = (tmp_path / "report.md").read_text()
    assert text.index("jpeg:q=5 ") < text.index("jpeg:q=45 ")


def test_lists_of_methods_keep_options_with_commas():
    assert split_methods("vqgan, brics:bits=8,noise=true,jpeg:q=5") == ["vqgan", "brics:bits=8,noise=true", "jpeg:q=5"]


def test_footnotes_of_a_paper_are_words():
    for note in (
        "Absent: the stage 'cost' was not run; add --stages cost.",
        "Absent: this result does not hold it; add --overwrite to the run to measure it.",
        "Absent: LPIPS (vgg): their networks are not here; python -m bench fetch vgg16",
        "Limited by --eval-limit, not ranked.",
        "x: VGG is not here; run: python -m bench fetch vgg16",
    ):
        said = in_words(note)
        assert "--" not in said
        assert "python" not in said
        assert said.endswith(".")
    assert in_words("Limited by --eval-limit, not ranked.") == "Limited by the option 'eval limit', not ranked."


def test_the_title_says_at_which_size_photographs_were_measured():
    data = {"data": {"resolution": 64, "protocol": "ldm"}}
    (table,) = tables([recon("a", 20.0, dataset="folder:kodak", provenance=data)], ("comparison",))
    assert "### Comparison: folder:kodak at 64 x 64 px, smoke" in to_markdown(table).replace(r"\_", "_")
    reduced = {"data": {"resolution": 64, "protocol": "ldm", "source_sizes": "512x768 to 768x512"}}
    (table,) = tables([recon("a", 20.0, provenance=reduced)], ("comparison",))
    assert "photos at 64 x 64 px (images of 512x768 to 768x512), smoke" in to_markdown(table)
    same = {"data": {"resolution": 64, "protocol": "ldm", "source_sizes": "64x64"}}
    (table,) = tables([recon("a", 20.0, provenance=same)], ("comparison",))
    assert "photos at 64 x 64 px, smoke" in to_markdown(table)
    native = {"data": {"resolution": 64, "protocol": "native:384"}}
    (table,) = tables([recon("a", 20.0, provenance=native)], ("comparison",))
    assert "at native size, long side at most 384 px" in to_markdown(table)


def test_the_committed_kodak_results_fit_and_hold_no_path():
    from bench.report.build import Options, content
    from bench.report.load import load

    made = content(load([Path(__file__).parents[3] / "results" / "kodak"]), (), Options())
    (table,) = [table for table in made.shown if table.name == "comparison"]
    text = to_text(table)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert all("/" not in row.shown for row in table.rows)
