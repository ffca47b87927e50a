"""What `report --hub` writes is what the Hub's own library reads: the same numbers in the card and in .eval_results."""

import re

import pytest
import yaml
from huggingface_hub import ModelCard, eval_result_entries_to_yaml, parse_eval_result_entries

from bench.errors import UsageError
from bench.report.stand_ins import MARK
from bench.report.tables import tables
from bench.report.writers import hub
from bench.results.record import STAND_IN, signature_id
from bench.results.store import Place
from tests.unit.report.sample_results import SIGNATURE, number, recon, result, usual


@pytest.fixture
def results(tmp_path):
    for r in usual():
        Place(tmp_path / "results", r.dataset, r.preset, r.method, r.seed).write(r)
    return tmp_path / "results"


def shared(run_bench, results, *more):
    out = results.parent
    return run_bench("report", "-r", results, "--out", out / "report", "--format", "md", "--hub", out / "hub", *more)


def test_card_and_entries_hold_the_numbers_of_the_table(run_bench, results):
    done = shared(run_bench, results, "--hub-dataset", "someone/photographs@0123abcd")
    assert done.returncode == 0, done.stderr
    folder = results.parent / "hub"
    assert sorted(path.name for path in folder.iterdir()) == ["brics", "downsample+16", "jpeg+q=10", "vqgan"]
    card = ModelCard.load(folder / "vqgan" / "README.md")
    in_card = {found.metric_type: found for found in card.data.eval_results}
    assert in_card["psnr"].metric_value == pytest.approx(22.1), "the mean over two seeds"
    assert in_card["psnr"].metric_args["signature"] == signature_id(SIGNATURE)
    assert (in_card["psnr"].dataset_name, in_card["psnr"].dataset_config) == ("photos", "smoke")
    assert card.data.model_name == "vqgan"
    assert re.search(r"^\| vqgan \|.*22\.10", card.text, re.MULTILINE), "the table is the card's text"
    content = yaml.safe_load((folder / "vqgan/.eval_results/photos-smoke-reconstruction.yaml").read_text("utf-8"))
    entries = parse_eval_result_entries(content)
    assert eval_result_entries_to_yaml(entries) == content, "nothing is there that the Hub's library does not know"
    assert {e.task_id: e.value for e in entries} == {name: found.metric_value for name, found in in_card.items()}
    psnr = next(entry for entry in entries if entry.task_id == "psnr")
    assert (psnr.dataset_id, psnr.dataset_revision) == ("someone/photographs", "0123abcd")
    assert f"preset smoke, signature {signature_id(SIGNATURE)}, n = 64, mean of 2 seeds" in psnr.notes


def test_a_number_of_a_limited_run_says_so_in_both_places(run_bench, results):
    shared(run_bench, results, "--hub-dataset", "someone/photographs")
    folder = results.parent / "hub" / "jpeg+q=10"
    card = ModelCard.load(folder / "README.md")
    assert {found.metric_args["limited"] for found in card.data.eval_results} == {"eval_limit"}
    (file,) = (folder / ".eval_results").iterdir()
    assert all("limited by --eval-limit" in entry["notes"] for entry in yaml.safe_load(file.read_text("utf-8")))


def test_without_a_dataset_of_the_hub_there_is_a_card_and_a_word(run_bench, results):
    done = shared(run_bench, results)
    assert done.returncode == 0
    assert "no .eval_results for photos: name its dataset on the Hub with --hub-dataset" in done.stderr
    assert {path.name for path in (results.parent / "hub").rglob("*") if path.is_file()} == {"README.md"}


def test_a_dataset_that_was_read_from_the_hub_is_known():
    made = tables([recon("a", 20.0, dataset="hf:someone/cats@main"), recon("a", 20.0, dataset="hf:local-folder")])
    known = hub.known_datasets(made)
    assert known == {"hf:someone/cats@main": hub.HubDataset("someone/cats", "main")}
    (file,) = (name for name in hub.files(made, known) if ".eval_results" in name)
    assert file.startswith("a/.eval_results/hf_someone_cats_main-")


def test_random_weights_are_not_shared():
    random = {**SIGNATURE, "weights": f"{STAND_IN} vgg16"}
    made = tables([recon("a", 20.0), result("b", metrics=[number("lpips-vgg", 0.2, False, random)])])
    assert any(row.label == f"b{MARK}" for table in made for row in table.rows)
    assert {name.partition("/")[0] for name in hub.files(made, {})} == {"a"}
    with pytest.raises(UsageError, match="no reconstruction or generation number"):
        hub.files(tables([result("b", metrics=[number("lpips-vgg", 0.2, False, random)])]), {})


def test_a_card_that_was_edited_is_not_overwritten(run_bench, results):
    shared(run_bench, results)
    card = results.parent / "hub" / "vqgan" / "README.md"
    edited = card.read_text("utf-8").replace("tags:", "license: mit\ntags:")
    card.write_text(edited, "utf-8")
    done = shared(run_bench, results)
    assert done.returncode == 2
    assert f"{card} is there and differs" in done.stderr
    assert card.read_text("utf-8") == edited


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--hub-dataset", "photographs"), "write --hub-dataset OWNER/NAME"),
        (("--hub-dataset", "a b/c"), "write --hub-dataset OWNER/NAME"),
        (("--check",), "leave it or --hub away"),
    ],
)
def test_wrong_flags_are_said(run_bench, results, flags, words):
    done = shared(run_bench, results, *flags)
    assert done.returncode == 2
    assert words in done.stderr
    assert not (results.parent / "hub").exists()


def test_several_datasets_have_no_one_address(run_bench, results):
    r = recon("vqgan", 20.0, dataset="other")
    Place(results, r.dataset, r.preset, r.method, r.seed).write(r)
    done = shared(run_bench, results, "--hub-dataset", "someone/photographs")
    assert done.returncode == 2
    assert "these are other, photos; add --dataset" in done.stderr
    alone = run_bench("report", "-r", results, "--hub-dataset", "someone/photographs")
    assert "add --hub FOLDER" in alone.stderr
