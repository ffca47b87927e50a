"""Kept statistics: names, damage, and what they may be compared with; devices and protocols by name."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.core import devices
from bench.core.fetch import File
from bench.core.files import cache_root
from bench.core.source import Sources
from bench.errors import NotComparable, UsageError
from bench.metrics import METRICS, reference_statistics
from bench.metrics.feature_cache import Features, Moments
from bench.metrics.features import FEATURES
from bench.metrics.formulas.kid import kid
from bench.metrics.formulas.prdc import density_coverage, precision_recall
from bench.metrics.protocols import CAMPS, PROTOCOLS, counted
from bench.metrics.signatures import ImageSet, Planner
from bench.pretrained.table import WEIGHTS
from bench.results.record import Measurement

from .scoring import bench, pictures, scored, write
from .test_measure import images, score

BUILD = ("--features", "r64.fc2")


def test_a_name_stands_for_one_set_of_images(real, fake):
    for _ in range(2):
        assert bench("stats", "build", "mine", "--images", real, *BUILD)[0] == 0
    code, _, err = bench("stats", "build", "mine", "--images", fake, *BUILD)
    assert code == 2
    assert "already names statistics of other images" in err


@pytest.mark.parametrize("name", ["a/b", "church:256", "..", "", "a "])
def test_names_that_no_file_can_have_are_refused_before_the_work(real, name):
    code, _, err = bench("stats", "build", name, "--images", real, *BUILD)
    assert code == 2
    assert "cannot be a name" in err


def test_one_damaged_file_does_not_hide_the_others(real, cache):
    for name in ("first", "second"):
        bench("stats", "build", name, "--images", real, *BUILD)
    path = cache / "stats" / "first.npz"
    path.write_bytes(path.read_bytes()[:-200])
    code, out, _ = bench("stats", "list")
    assert code == 0
    assert "first  damaged" in out
    assert "second  8 images" in out
    code, out, _ = bench("stats", "verify")
    assert code == 5
    assert "ok       second" in out
    assert bench("score", "--real", "first", "--fake", real, "--metrics", "fd-r64")[0] == 5


def test_statistics_of_an_older_extractor_exit_4(real, fake, monkeypatch):
    bench("stats", "build", "mine", "--images", real, *BUILD)
    monkeypatch.setitem(FEATURES, "r64", replace(FEATURES["r64"], version=2))
    code, _, err = bench("score", "--real", "mine", "--fake", fake, "--metrics", "fd-r64")
    assert code == 4
    assert "other code or other weights of r64" in err


def test_statistics_hold_the_code_of_their_network(real):
    bench("stats", "build", "mine", "--images", real, *BUILD)
    kept = reference_statistics.find("mine", cache_root())
    reference_statistics.check_current(kept, FEATURES)
    stated = kept.manifest["conventions"]["r64"]
    edited = {**kept.manifest, "conventions": {"r64": {**stated, "code": Sources().digest(["bench.errors"])}}}
    with pytest.raises(NotComparable, match="other code"):
        reference_statistics.check_current(replace(kept, manifest=edited), FEATURES)
    assert stated["code"] == Sources().digest([FEATURES["r64"].build, "bench.metrics.image_pass"])


def test_statistics_made_with_other_weights_are_not_comparable(tmp_path, monkeypatch):
    weights = tmp_path / "net.pth"
    row = replace(WEIGHTS["inception-2015-12-05"], files=(File("net.pth", None, "none", "the test"),))
    monkeypatch.setitem(WEIGHTS, "inception-2015-12-05", row)
    monkeypatch.setenv("BENCH_WEIGHTS", str(tmp_path))
    weights.write_bytes(b"some weights")
    one = {"inception-clean.pool3": Features("a set", None, Moments(np.zeros(4), np.eye(4), 9))}
    facts = {"images": "digest", "conventions": reference_statistics.conventions(["inception-clean"], FEATURES)}
    kept = reference_statistics.save(tmp_path / "mine.npz", one, facts, with_features=False)
    reference_statistics.check_current(reference_statistics.read(kept.path), FEATURES)
    weights.write_bytes(b"other weights")
    with pytest.raises(NotComparable, match="other weights of inception-clean"):
        reference_statistics.check_current(reference_statistics.read(kept.path), FEATURES)
    weights.unlink()
    reference_statistics.check_current(reference_statistics.read(kept.path), FEATURES)


def test_coarse_features_are_not_held_against_exact_statistics(real, fake):
    bench("stats", "build", "mine", "--images", real, *BUILD)
    code, _, err = bench("score", "--real", "mine", "--fake", fake, "--metrics", "fd-r64", "--bf16")
    assert code == 4
    assert "float32" in err


def test_another_crop_than_that_of_the_statistics_is_remarked(real, fake):
    bench("stats", "build", "mine", "--images", real, "--crop", "ldm:32", *BUILD)
    arguments = ("score", "--real", "mine", "--fake", fake, "--metrics", "fd-r64")
    assert "cropped by ldm:32, the candidate by nothing" in bench(*arguments)[2]
    assert "cropped by" not in bench(*arguments, "--crop", "ldm:32")[2]


@pytest.mark.parametrize(
    ("metric", "count"), [(m, n) for m in (kid, precision_recall, density_coverage) for n in (0, 50)]
)
def test_moments_alone_are_said_to_be_too_little(metric, count):
    bare = Features("the file", None, Moments(np.zeros(4), np.eye(4), count))
    with np.errstate(all="raise"), pytest.raises(UsageError, match="the file holds mean and covariance only"):
        metric(bare, Features("the set", np.zeros((9, 4), np.float32)), PROTOCOLS["clean"])


def test_a_mean_without_its_covariance_is_refused(tmp_path):
    np.savez(tmp_path / "s.npz", mu=np.zeros(4), sigma=np.eye(4), mu_s=np.zeros(4))
    with pytest.raises(UsageError, match=r"s\.npz holds one of mu_s and sigma_s without the other"):
        reference_statistics.foreign(tmp_path / "s.npz", "inception-tf1")


def test_an_unknown_count_is_not_called_nought(tmp_path, fake):
    np.savez(tmp_path / "r64.npz", mu=np.zeros(64), sigma=np.eye(64))
    bare = Features("the file", None, Moments(np.zeros(64), np.eye(64), 0))
    facts = {"images": "digest", "conventions": {"r64": reference_statistics.AS_STATED}}
    reference_statistics.save(tmp_path / "r64.npz", {"r64.fc2": bare}, facts, with_features=False)
    found = scored("--real", tmp_path / "r64.npz", "--fake", fake, "--metrics", "fd-r64")
    assert found["fd-r64"]["signature"]["reference count"] is None


def test_per_image_values_that_cannot_be_written_fail_the_command(real, fake, tmp_path):
    (tmp_path / "file").write_text("in the way")
    values = tmp_path / "file" / "values.csv"
    code, _, err = bench("score", "--real", real, "--fake", fake, "--metrics", "psnr", "--per-image", values)
    assert code == 3
    assert "values.csv cannot be written" in err


def test_statistics_are_built_of_a_datasets_split_by_name(fake, tmp_path):
    for seed, split in enumerate(("train", "val"), 5):
        write(tmp_path / "data" / split, pictures(seed, 8 - seed % 2, size=(40, 50)))
    name = f"folder:{tmp_path / 'data'}"
    code, out, _ = bench("stats", "build", "mine", "--images", name, "--crop", "ldm:32", *BUILD)
    assert code == 0
    assert "7 images" in out
    assert "of folder:" in bench("stats", "list")[1]
    arguments = ("--fake", fake, "--metrics", "fd-r64", "--crop", "ldm:32")
    images = scored("--real", name, "--split", "train", *arguments)["fd-r64"]["value"]
    assert scored("--real", "mine", *arguments)["fd-r64"]["value"] == pytest.approx(images, rel=1e-9)
    code, _, err = bench("stats", "build", "other", "--images", name, *BUILD)
    assert code == 2
    assert "--crop ldm:256" in err


def test_sizes_that_belong_to_other_images_are_not_paired(tmp_path):
    """As many images of each size on both sides, but not of the same names: a pair would be two different pictures."""
    sizes = [(32, 40), (40, 32), (32, 40)]
    for folder, order in (("one", sizes), ("other", sizes[1:] + sizes[:1])):
        for index, size in enumerate(order):
            write(tmp_path / folder, pictures(index, 1, size), first=index)
    sets = ("--real", tmp_path / "one", "--fake", tmp_path / "other")
    code, _, err = bench("score", *sets, "--metrics", "psnr,fd-r64")
    assert code == 2
    assert "000 of the reference has 40x32 pixels and 000 of the candidate 32x40" in err
    code, out, err = bench("score", *sets)
    assert code == 0
    assert "no image is compared with image" in err
    assert "absent: psnr" in out
    assert "fd-r64" in out


# ----------------------------------------------------------------------------------------------------------------
# Protocols


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_is_selectable_and_names_features_that_exist(real, fake, name):
    for feature in PROTOCOLS[name].features.values():
        extractor, _, output = feature.partition(".")
        assert output in FEATURES[extractor].outputs
    arguments = ("--metrics", "fid,sfid,is,kid,prdc,fd-r64", "--protocol", name)
    code, out, _ = bench("score", "--real", real, "--fake", fake, *arguments, "--json")
    assert code == 2, "Inception is not here"
    assert json.loads(out)["protocol"]["name"] == name


def test_protocols_share_a_signature_only_where_they_agree(tmp_path, monkeypatch):
    """FID of ADM, torch-fidelity, LDM and BRICS is one number; clean-fid's and pytorch-fid's are others."""
    for name in ("inception-2015-12-05", "vgg16"):
        (tmp_path / name).write_bytes(b"weights")
        monkeypatch.setitem(WEIGHTS, name, replace(WEIGHTS[name], files=(File(name, None, "none", "the test"),)))
    monkeypatch.setenv("BENCH_WEIGHTS", str(tmp_path))
    one = ImageSet("a set", images(0))
    camps = {"every-camp", *(camp.name for camp in CAMPS)}

    def groups(metric):
        found = {}
        for name, protocol in ((n, p) for n, p in PROTOCOLS.items() if n not in camps):
            signature = Planner(one, one, FEATURES, protocol).plan(METRICS[metric]).signature
            found.setdefault(json.dumps(signature, sort_keys=True), set()).add(name)
        return sorted(map(sorted, found.values()))

    tensorflow = ["adm", "adm-float64", "paper:brics", "paper:ldm", "torch-fidelity"]
    assert groups("fid") == [tensorflow, ["clean"], ["legacy-pytorch"]]
    unshuffled = [["adm", "adm-float64"], ["clean"], ["legacy-pytorch"], ["paper:brics", "paper:ldm", "torch-fidelity"]]
    assert groups("is") == unshuffled
    papers = [["clean"], ["legacy-pytorch"], ["paper:brics"], ["torch-fidelity"]]
    assert groups("precision") == [["adm", "paper:ldm"], ["adm-float64"], *papers]
    assert groups("density") == [["adm", "adm-float64", "paper:ldm"], *papers]
    planned = {n: Planner(one, one, FEATURES, PROTOCOLS["adm"]).plan(METRICS[n]) for n in ("is", "precision")}
    assert planned["is"].signature["split_size"] == 24, "the effective size of a set smaller than 5,000"
    assert "splits" not in planned["is"].signature
    assert planned["precision"].signature["distances"] == "float16"
    measured = Measurement("precision", 0.5, n=24, signature=planned["precision"].signature)
    assert counted(measured, PROTOCOLS["adm"]) == "precision24_k3_float16_inception-tf1.pool3"


@pytest.mark.parametrize(
    "feature", ["inception-clean.pool3", "clip.image", "dinov2-s.cls", "vgg16.fc2", "vgg16-pil.fc2"]
)
def test_the_version_of_the_package_behind_a_network_is_in_signature_and_key(tmp_path, monkeypatch, feature):
    """An upgrade may move a number (an antialiasing default did elsewhere): then it is another number."""
    extractor = FEATURES[feature.partition(".")[0]]
    [need] = extractor.needs
    (tmp_path / need).write_bytes(b"weights")
    monkeypatch.setitem(WEIGHTS, need, replace(WEIGHTS[need], files=(File(need, None, "none", "the test"),)))
    monkeypatch.setenv("BENCH_WEIGHTS", str(tmp_path))
    entry, one = replace(METRICS["fid"], features=feature), ImageSet("a set", images(0))

    def looked_at():
        planner = Planner(one, one, FEATURES, PROTOCOLS["clean"])
        return planner.plan(entry).signature["backend"], planner.feature_key(one, feature)

    before = looked_at()
    assert before[0].startswith(f"{extractor.packages[0]} ")
    assert looked_at() == before
    monkeypatch.setattr("bench.metrics.signatures.version", lambda name: "99.0")
    after = looked_at()
    assert after[0] == f"{extractor.packages[0]} 99.0"
    assert after[1] != before[1]


# ----------------------------------------------------------------------------------------------------------------
# Devices


def test_auto_prefers_cuda_then_mps_then_the_processor(monkeypatch):
    assert devices.choose_device("cpu").type == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.choose_device("auto").type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.choose_device("auto").type == "cuda"
    assert devices.choose_device("cuda:1").index == 1


@pytest.mark.parametrize("name", ["cuda:2", "mps", "abacus", "meta"])
def test_a_device_that_is_not_there_is_named(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match=f"--device {name}"):
        devices.choose_device(name)


def test_extractors_run_without_tf32(tmp_path, monkeypatch):
    """On recent GPUs cuDNN's convolutions are TF32 by default, which no signature would say."""
    from bench.metrics.features import r64

    seen = []

    def features(self, batch):
        seen.append(torch.backends.cudnn.allow_tf32)
        return {"fc2": torch.rand(len(batch), 64)}

    monkeypatch.setattr(r64.R64, "__call__", features)
    before = torch.backends.cudnn.allow_tf32
    score(images(0), images(1), tmp_path, ("fd-r64",))
    assert set(seen) == {False}
    assert torch.backends.cudnn.allow_tf32 == before
