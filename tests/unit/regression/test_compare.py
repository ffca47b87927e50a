"""The gate: planted regressions are found, noise is not, and what cannot be compared is refused by name."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from bench.errors import UsageError
from bench.regression import verdicts
from bench.regression.compare import compare
from bench.regression.gates import Gates, Rule, Speed, read_gates
from bench.report import uncertainty
from bench.report.load import Loaded, load
from bench.results.record import Tolerance, to_json
from bench.results.store import Place
from tests.unit.report.sample_results import SIGNATURE, number, per_image, recon, result

TOLERANCES = {"psnr": Tolerance(0.02), "lpips-squeeze": Tolerance(0.002), "ssim": Tolerance(0.001)}


def here(results):
    return [Loaded(Path("nowhere/recon.json"), r) for r in results]


def judged(before, after, gates=None):
    return {(v.stage, v.metric): v for v in compare(here(before), here(after), gates or Gates(), TOLERANCES)}


def stored(root, runs, name="vqgan"):
    """Results with per-image LPIPS on disk: one array per seed."""
    for seed, values in enumerate(runs):
        r = per_image(recon(name, 22.0, lpips=float(values.mean()), seed=seed), len(values))
        table = {"image": np.array([f"{i}.png" for i in range(len(values))]), "lpips-squeeze": values}
        Place(root, r.dataset, r.preset, r.method, r.seed).write(r, table)
    return load([root])


@pytest.fixture
def images():
    return np.random.default_rng(0).gamma(4.0, 0.06, 400)


def lpips(found):
    return next(v for v in found if v.metric == "lpips-squeeze")


def test_equal_results_pass():
    found = judged([recon("vqgan", 22.0, 0.7)], [recon("vqgan", 22.0, 0.7)])
    assert {v.kind for v in found.values()} == {"same"}
    assert verdicts.exit_code(list(found.values())) == 0


def test_a_planted_regression_of_two_percent_on_one_run_is_found_and_named(tmp_path, images):
    noisy = images * 1.02 + np.random.default_rng(1).normal(0, 0.005, len(images))
    found = compare(stored(tmp_path / "a", [images]), stored(tmp_path / "b", [noisy]), Gates(), TOLERANCES)
    verdict = lpips(found)
    assert verdict.kind == "worse"
    assert verdict.fails
    assert verdict.p_bootstrap < 0.001
    said = ("vqgan on photos, smoke", "lpips-squeeze rose from 0.23", "+1.8 %", "absolute tolerance", "400 images")
    for part in said:
        assert part in verdict.sentence
    assert verdicts.exit_code(found) == 1


def test_the_same_move_on_average_that_the_images_do_not_support_is_not_a_regression(tmp_path, images):
    other = images + np.random.default_rng(2).normal(0, 0.15, len(images))
    other += images.mean() * 1.02 - other.mean()
    found = compare(stored(tmp_path / "a", [images]), stored(tmp_path / "b", [other]), Gates(), TOLERANCES)
    assert lpips(found).kind == "same"
    assert "do not support" in lpips(found).sentence


def test_seed_noise_is_not_a_regression(tmp_path, images):
    """Every image moves with the seed, so the paired test alone would call it one."""
    rng = np.random.default_rng(3)
    before = [images * scale for scale in 1 + rng.normal(0, 0.02, 3)]
    after = [images * 1.02]
    found = compare(stored(tmp_path / "a", before), stored(tmp_path / "b", after), Gates(), TOLERANCES)
    assert lpips(found).kind == "same"
    assert "seed deviation" in lpips(found).cause
    known = Gates(rules=(Rule(metric="lpips-*", seeds=0.005),))
    found = compare(stored(tmp_path / "c", [images]), stored(tmp_path / "d", after), known, TOLERANCES)
    assert lpips(found).kind == "same"


def test_a_better_number_passes_and_says_so():
    found = judged([recon("vqgan", 22.0)], [recon("vqgan", 22.5)])
    assert found["recon", "psnr"].kind == "better"
    assert not found["recon", "psnr"].fails
    both = judged([recon("vqgan", 22.0)], [recon("vqgan", 22.5)], Gates(rules=(Rule(both=True),)))
    assert (both["recon", "psnr"].kind, both["recon", "psnr"].fails) == ("changed", True)


@pytest.mark.parametrize(
    ("move", "rule", "fails"),
    [
        (0.015, {}, False),
        (0.025, {}, True),
        (0.025, {"absolute": 0.03}, False),
        (0.4, {"relative": 0.02}, False),
        (0.5, {"relative": 0.02}, True),
        (0.5, {"ignore": True}, False),
        (0.5, {"absolute": 1.0, "method": "brics*"}, True),
    ],
)
def test_tolerances_come_with_the_metric_and_rules_override_them(move, rule, fails):
    gates = Gates(rules=(Rule(**{"metric": "psnr", **rule}),) if rule else ())
    found = judged([recon("vqgan", 22.0)], [recon("vqgan", 22.0 - move)], gates)
    assert any(v.fails for v in found.values()) == fails


def test_counts_are_exact():
    def cost(value):
        return result("vqgan", "cost", [number("decoder-parameters", value, False)])

    assert judged([cost(100)], [cost(101)])["cost", "decoder-parameters"].kind == "worse"
    assert judged([cost(100)], [cost(100)])["cost", "decoder-parameters"].kind == "same"


@pytest.mark.parametrize("field", ["n", "metric", "reference"])
def test_signatures_that_differ_in_one_field_are_refused_with_the_field_named(field):
    other = result("vqgan", metrics=[number("psnr", 22.0, signature={**SIGNATURE, field: "other"})])
    found = judged([recon("vqgan", 22.0)], [other])
    assert found["recon", "psnr"].kind == "incomparable"
    assert f"'{field}'" in found["recon", "psnr"].sentence
    assert "other now" in found["recon", "psnr"].sentence
    assert verdicts.exit_code(list(found.values())) == 4


def test_a_limited_run_cannot_be_compared_with_a_full_one():
    found = judged([recon("vqgan", 22.0)], [recon("vqgan", 22.0, limited=("limit",))])
    assert "limited by nothing before, by limit now" in found["recon", "psnr"].sentence
    assert verdicts.exit_code(list(found.values())) == 4


def test_missing_and_new_rows_fail_unless_listed():
    a, b = recon("a", 1.0), recon("b", 2.0)
    for before, after, kind in (([a, b], [a], "missing"), ([a], [a, b], "new")):
        (verdict,) = [v for v in compare(here(before), here(after), Gates(), TOLERANCES) if v.kind == kind]
        assert verdict.fails
        assert "b on photos, smoke" in verdict.sentence
        allowed = Gates(**{kind: ("b*",)})
        assert not any(v.fails for v in compare(here(before), here(after), allowed, TOLERANCES))


def test_a_number_that_vanished_fails_with_its_reason():
    gone = result("vqgan", metrics=[replace(number("psnr", None), reason="The decoder gave NaN.")])
    found = judged([recon("vqgan", 22.0)], [gone])
    assert found["recon", "psnr"].kind == "missing"
    assert "The decoder gave NaN." in found["recon", "psnr"].sentence
    failed = result("vqgan", status="failed", error="out of memory")
    assert judged([recon("vqgan", 22.0)], [failed])["recon", "psnr"].fails


def clocked(method, speed, machine="A", psnr=20.0):
    r = result(method, metrics=[number("psnr", psnr), number("decode-images-per-second", speed)])
    return replace(r, provenance={"hardware": {"cpu": machine}})


def test_speed_is_compared_as_a_ratio_to_a_reference_and_never_in_absolute_terms():
    gates = Gates(speed=Speed("downsample:*", 0.25))
    before = [clocked("downsample:16", 1000), clocked("vqgan", 100)]
    slower_machine = [clocked("downsample:16", 500, "B"), clocked("vqgan", 45, "B")]
    found = compare(here(before), here(slower_machine), gates, TOLERANCES)
    assert not any(v.fails for v in found)
    really_slower = [clocked("downsample:16", 500, "B"), clocked("vqgan", 30, "B")]
    found = compare(here(before), here(really_slower), gates, TOLERANCES)
    (bad,) = [v for v in found if v.fails]
    assert (bad.place.method, bad.metric) == ("vqgan", "decode-images-per-second")
    assert "from 0.1 to 0.06 times that of downsample:*" in bad.sentence
    for unfit in (Gates(), Gates(speed=Speed("jpeg"))):
        found = compare(here(before), here(really_slower), unfit, TOLERANCES)
        assert not any(v.fails for v in found)
        assert all(v.kind == "not gated" for v in found if "second" in v.metric)
    mixed = [clocked("downsample:16", 500, "A"), clocked("vqgan", 30, "B")]
    found = compare(here(before), here(mixed), gates, TOLERANCES)
    assert any("another machine" in v.sentence for v in found)


# The gate as a statistical test ---------------------------------------------------------------------------------


def rate(seeds, shift, known, repeats=1500):
    """How often a shift of so many seed deviations is called worse, both sides drawn from a normal seed noise."""
    rng = np.random.default_rng((seeds, int(10 * shift)))
    gates = Gates(rules=(Rule(absolute=0.0, relative=0.0, seeds=0.1 if known else None),))
    found = 0
    for _ in range(repeats):
        draws = rng.normal(5, 0.1, (2, seeds)) - [[0], [0.1 * shift]]
        before, after = ([result("m", metrics=[number("x", x)], seed=i) for i, x in enumerate(row)] for row in draws)
        found += compare(here(before), here(after), gates, {})[0].kind == "worse"
    return found / repeats


@pytest.mark.parametrize(("seeds", "known"), [(1, True), (3, False), (5, False)])
def test_false_alarms_stay_at_the_stated_level(seeds, known):
    error = 3 * np.sqrt(uncertainty.SEED_LEVEL * (1 - uncertainty.SEED_LEVEL) / 1500)
    assert rate(seeds, 0.0, known) <= uncertainty.SEED_LEVEL + error


def test_five_seeds_a_side_find_a_shift_of_two_seed_deviations():
    found = rate(5, 2.0, known=False, repeats=3000)
    assert found == pytest.approx(uncertainty.power(2, 5), abs=0.02)
    assert uncertainty.power(2, 5) >= 0.9


def test_the_power_curve_of_the_simulation_is_the_computed_one():
    for seeds, shift in ((3, 1.0), (3, 3.0), (5, 1.0)):
        assert rate(seeds, shift, known=False, repeats=600) == pytest.approx(uncertainty.power(shift, seeds), abs=0.06)


# Files ------------------------------------------------------------------------------------------------------------


def test_gates_are_read_and_wrong_ones_named(tmp_path):
    path = tmp_path / "gates.yaml"
    rules = "rules:\n- {metric: psnr, absolute: 0.1, both: true}\n"
    path.write_text(f"level: 0.01\nnew: ['jpeg:*']\n{rules}speed: {{reference: 'downsample:*'}}\n")
    rule = Rule(metric="psnr", absolute=0.1, both=True)
    assert read_gates(path) == Gates(0.01, new=("jpeg:*",), rules=(rule,), speed=Speed("downsample:*"))
    for text, said in (
        ("levle: 0.1", "unknown field levle .Did you mean 'level'"),
        ("level: high", "wrong in level: .* not high"),
        ("level: 2", "between 0 and 1"),
        ("rules: {metric: psnr}", "wrong in rules"),
        ("rules: [{metrics: psnr}]", r"rules\.0\.metrics .Did you mean 'metric'"),
        ("rules: [{metric: psnr, absolute: .nan}]", r"rules\.0\.absolute: .* finite"),
        ("rules: [{metric: psnr, relative: -.inf}]", r"rules\.0\.relative: .* finite"),
        ("rules: [{metric: psnr, seeds: -1}]", "below 0"),
        ("speed: {slower: .inf}", r"speed\.slower: .* finite"),
        ("level: true", "wrong in level"),
        ("holm: 1", "wrong in holm"),
        ("tests: [ttest]", "no test 'ttest'"),
        ("tests: []", "tests is empty"),
        ("- 1", "the whole"),
        ("a: [", "cannot be read as YAML"),
        ("level: 2001-99-99", "cannot be read as YAML"),
        ("? [a]: b\n", "cannot be read as YAML"),
        ("level: " + "9" * 5000, "cannot be read as YAML|wrong in level"),
        ("missing: &a [x]\nnew: *a", "alias"),
        ("[" * 1000, "nests deeper"),
        ("# " + "x" * (1 << 20), "more than the"),
    ):
        path.write_text(text)
        with pytest.raises(UsageError, match=said) as caught:
            read_gates(path)
        assert str(path) in str(caught.value)


HOSTILE = 'a<b>&"\x07]]>'


def test_all_formats_say_the_same_and_survive_hostile_names():
    before = [recon(HOSTILE, 22.0), recon("gone", 1.0)]
    after = [recon(HOSTILE, 20.0)]
    found = compare(here(before), here(after), Gates(), TOLERANCES)
    assert verdicts.headline(found) == "Regression: 1 worse, 1 missing."
    root = ElementTree.fromstring(verdicts.to_junit(found))
    suite = root.find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "2", "0")
    assert "psnr fell from 22 to 20" in suite.find("testcase/failure").get("message")
    data = json.loads(verdicts.to_json(found))
    assert data["exit_code"] == 1
    assert data["verdicts"][0]["place"]["method"] == HOSTILE
    text = verdicts.to_markdown(found)
    assert "<b>" not in text
    assert "psnr fell from 22 to 20" in text


def test_the_command_exits_with_the_outcome(tmp_path, run_bench):
    for folder, psnr in (("a", 22.0), ("b", 22.0), ("c", 20.0)):
        Place(tmp_path / folder, "photos", "smoke", "m", 0).write(recon("m", psnr))
    assert run_bench("compare", tmp_path / "a", tmp_path / "b").returncode == 0
    worse = run_bench("compare", tmp_path / "a", tmp_path / "c", "--format", "junit")
    assert worse.returncode == 1
    assert ElementTree.fromstring(worse.stdout).find("testsuite").get("failures") == "1"
    newer = tmp_path / "d" / "recon.json"
    newer.parent.mkdir()
    newer.write_text(to_json(recon("m", 1.0)).replace('"schema": 2', '"schema": 99'))
    refused = run_bench("compare", tmp_path / "a", newer)
    assert refused.returncode == 2
    assert "newer version" in refused.stderr
    assert run_bench("compare", tmp_path / "a", tmp_path / "b", "--format", "xml").returncode == 2


def test_images_are_paired_by_order_where_they_have_no_names(tmp_path, images):
    def nameless(root, values):
        r = per_image(recon("vqgan", 22.0, lpips=float(values.mean())), len(values))
        Place(root, r.dataset, r.preset, r.method, 0).write(r, {"lpips-squeeze": values})
        return load([root])

    found = compare(nameless(tmp_path / "a", images), nameless(tmp_path / "b", images * 1.02), Gates(), TOLERANCES)
    assert lpips(found).kind == "worse"
    shorter = compare(
        nameless(tmp_path / "a", images), nameless(tmp_path / "c", images[:-1] * 1.02), Gates(), TOLERANCES
    )
    assert lpips(shorter).p_wilcoxon is None


# What is not a number --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", '"22"', "true", "1" * 400])
def test_a_value_that_is_no_finite_number_is_refused_and_named(value, tmp_path, run_bench):
    place = Place(tmp_path / "a", "photos", "smoke", "vqgan", 0)
    place.write(recon("vqgan", 22.125))
    other = Place(tmp_path / "b", "photos", "smoke", "vqgan", 0)
    other.write(recon("vqgan", 22.125))
    file = other.file("recon")
    file.write_text(file.read_text().replace("22.125", value))
    done = run_bench("compare", tmp_path / "a", tmp_path / "b")
    assert done.returncode == 2, done.stdout
    assert str(file) in done.stderr
    assert "No regression" not in done.stdout


def test_a_mean_that_is_not_that_of_its_images_is_refused(tmp_path, images, run_bench):
    stored(tmp_path / "a", [images])
    (loaded,) = stored(tmp_path / "b", [images])
    text = loaded.path.read_text()
    loaded.path.write_text(text.replace(str(float(images.mean())), "0.0"))
    done = run_bench("compare", tmp_path / "a", tmp_path / "b")
    assert done.returncode == 5
    assert "says lpips-squeeze 0 of 400 images" in done.stderr
    assert f"the mean {images.mean():.6g}" in done.stderr
    loaded.path.write_text(text.replace('"n": 400', '"n": 399'))
    assert "holds 400 values" in run_bench("report", "-r", tmp_path / "b", "--out", tmp_path / "out").stderr


def test_two_methods_are_not_a_before_and_an_after(tmp_path, run_bench):
    for name, method in (("a", "vqgan"), ("b", "brics")):
        Place(tmp_path / name, "photos", "smoke", method, 0).write(recon(method, 22.0))
    done = run_bench("compare", tmp_path / "a", tmp_path / "b")
    assert done.returncode == 4
    assert "vqgan on photos, smoke; brics on photos, smoke" in done.stderr
    advised = done.stderr.partition("python -m bench ")[2].split()
    advised = [{"BASELINE": tmp_path / "a", "CURRENT": tmp_path / "b"}.get(word.strip("."), word) for word in advised]
    assert run_bench(*advised, "--out", tmp_path / "report").returncode == 0
    assert "brics" in (tmp_path / "report" / "report.md").read_text()
    gates = tmp_path / "gates.yaml"
    gates.write_text("missing: ['*']\nnew: ['*']\n")
    assert run_bench("compare", tmp_path / "a", tmp_path / "b", "--gate", gates).returncode == 0
