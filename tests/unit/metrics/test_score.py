"""The score and stats commands: inputs, exit codes, sentences, and a second run that computes nothing."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from .scoring import bench, pictures, scored, write

METRICS = "psnr,ssim,fd-r64,precision-r64"


def test_text_names_values_protocol_and_absences(real, fake):
    code, out, _ = bench("score", "--real", real, "--fake", fake)
    assert code == 0
    assert "psnr" in out
    assert "fd-r64_8" in out
    assert "precision-r64_8_k3_r64.fc2" in out
    assert "protocol: clean" in out
    assert "python -m bench fetch inception-2015-12-05" in out
    assert "MS-SSIM needs at least 161 pixels" in out


def test_why_a_value_is_absent_is_said_once(real, fake):
    reason = "MS-SSIM needs at least 161 pixels"
    sets = ("--real", real, "--fake", fake)
    for asked, code, ends in (
        ((), 0, (1, 0)),
        (("--json",), 0, (1, 0)),
        (("--metrics", "psnr,ms-ssim"), 2, (0, 1)),
        (("--strict",), 2, (0, 1)),
    ):
        done, out, err = bench("score", *sets, *asked)
        assert done == code
        assert (out.count(reason), err.count(reason)) == ends
    assert f"bench: ms-ssim: {reason}" in err


def test_the_same_images_in_any_container_score_alike(real, fake, tmp_path):
    import zipfile

    expected = {n: m["value"] for n, m in scored("--real", real, "--fake", fake, "--metrics", METRICS).items()}
    array = np.stack(pictures(1))
    np.save(tmp_path / "fake.npy", array)
    np.save(tmp_path / "planes.npy", array.transpose(0, 3, 1, 2))
    np.savez(tmp_path / "fake.npz", arr_0=array)
    with zipfile.ZipFile(tmp_path / "fake.zip", "w") as archive:
        for path in fake.iterdir():
            archive.write(path, path.name)
    for name in ("fake.npy", "planes.npy", "fake.npz", "fake.zip"):
        pair = () if name == "fake.zip" else ("--pair", "order")
        found = scored("--real", real, "--fake", tmp_path / name, "--metrics", METRICS, *pair)
        assert {n: m["value"] for n, m in found.items()} == expected


def test_a_second_score_imports_no_torch(real, fake, tmp_path):
    arguments = ["score", "--real", str(real), "--fake", str(fake), "--metrics", METRICS, "--json"]
    first = bench(*arguments)[1]
    code = (
        "import sys; from bench.cli import app; from typer.testing import CliRunner;"
        f"result = CliRunner().invoke(app, {arguments!r}); assert result.exit_code == 0, result.output;"
        "print(result.stdout); assert 'torch' not in sys.modules, 'torch was imported'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == first.strip()


def test_reencoding_in_place_is_noticed(real, fake):
    before = scored("--real", real, "--fake", fake, "--metrics", "fd-r64")["fd-r64"]["value"]
    write(fake, pictures(5))
    after = scored("--real", real, "--fake", fake, "--metrics", "fd-r64")["fd-r64"]["value"]
    assert before != after


def test_another_crop_of_the_reference_changes_value_and_signature(tmp_path):
    big = write(tmp_path / "big", pictures(0, size=(60, 40)))
    found = {
        crop: scored("--real", big, "--fake", write(tmp_path / "f", pictures(1)), "--crop", crop, "--metrics", "fd-r64")
        for crop in ("ldm:32", "stylegan:32")
    }
    one, other = (found[crop]["fd-r64"] for crop in ("ldm:32", "stylegan:32"))
    assert one["value"] != other["value"]
    assert one["signature"]["reference"] != other["signature"]["reference"]


def test_pairs_are_matched_by_name_and_mixed_sizes_are_measured(tmp_path):
    sizes = [(32, 40), (40, 32), (32, 40)]
    originals = [pictures(i, 1, size)[0] for i, size in enumerate(sizes)]
    real = write(tmp_path / "real", originals)
    fake = tmp_path / "fake"
    fake.mkdir()
    for index, image in enumerate(originals):
        Image.fromarray(image).save(fake / f"{index:03d}.webp", lossless=True)
    values = tmp_path / "values.csv"
    code, out, err = bench("score", "--real", real, "--fake", fake, "--metrics", "psnr", "--per-image", values)
    assert code == 0
    assert "100 dB" in out
    assert "2 sizes" in err
    assert "lossy" not in err
    assert sorted(line.split(",")[0] for line in values.read_text().splitlines()[1:]) == [
        "000.webp", "001.webp", "002.webp"
    ]  # fmt: skip


def test_lossy_files_are_remarked(real, tmp_path):
    fake = write(tmp_path / "jpeg", pictures(0), ".jpg", quality=75)
    _, _, err = bench("score", "--real", real, "--fake", fake, "--metrics", "psnr")
    assert "lossy files (8 jpeg)" in err


@pytest.mark.parametrize(
    ("count", "size", "metric", "words"),
    [
        (7, (32, 32), "psnr", "pairs need equal counts"),
        (8, (40, 40), "ssim", "pairs need equal sizes"),
        (1, (32, 32), "fd-r64", "at least two"),
        (3, (32, 32), "precision-r64", "k = 3 needs at least 4"),
    ],
)
def test_images_that_do_not_fit_an_asked_metric_exit_2(real, tmp_path, count, size, metric, words):
    fake = write(tmp_path / "odd", pictures(1, count, size))
    code, _, err = bench("score", "--real", real, "--fake", fake, "--metrics", metric)
    assert code == 2
    assert words in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--fake", "nowhere"), "There is no folder"),
        (("--metrics", "psnrr"), "Did you mean 'psnr'"),
        (("--protocol", "cleen"), "Did you mean 'clean'"),
        (("--crop", "ldm"), "for example ldm:256"),
        (("--crop", "ldm:64"), "smaller than the crop"),
        (("--real", "nothing"), "neither a path"),
        (("--device", "cuda:9"), "--device cuda:9"),
    ],
)
def test_bad_arguments_exit_2(real, fake, arguments, words):
    given = {"--real": real, "--fake": fake, "--metrics": "psnr", **dict([arguments])}
    code, _, err = bench("score", *(x for pair in given.items() for x in pair))
    assert code == 2
    assert words in err


def test_an_empty_folder_and_a_truncated_image_are_named(real, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "holds no image" in bench("score", "--real", real, "--fake", tmp_path / "empty")[2]
    broken = write(tmp_path / "broken", pictures(1))
    path = broken / "003.png"
    path.write_bytes(path.read_bytes()[:500])
    code, _, err = bench("score", "--real", real, "--fake", broken)
    assert code == 2
    assert "003.png" in err


def test_strict_fails_where_weights_are_missing(real, fake):
    code, _, err = bench("score", "--real", real, "--fake", fake, "--metrics", "psnr,fid", "--strict")
    assert code == 2
    assert "fetch inception-2015-12-05" in err
    code, out, err = bench("score", "--real", real, "--fake", fake, "--metrics", "psnr,fid")
    assert code == 2, "it was asked for by name"
    assert "fetch inception-2015-12-05" in err
    assert "psnr" in out
    assert bench("score", "--real", real, "--fake", fake)[0] == 0
    assert bench("score", "--real", real, "--fake", fake, "--strict")[0] == 2


def test_statistics_give_what_the_images_give(real, fake):
    expected = scored("--real", real, "--fake", fake, "--metrics", "fd-r64,precision-r64")
    code, out, _ = bench("stats", "build", "mine", "--images", real, "--features", "r64.fc2", "--keep-features")
    assert code == 0
    assert "8 images" in out
    found = scored("--real", "mine", "--fake", fake, "--metrics", "fd-r64,precision-r64")
    assert found["fd-r64"]["value"] == pytest.approx(expected["fd-r64"]["value"], rel=1e-9)
    assert found["precision-r64"]["value"] == expected["precision-r64"]["value"]
    assert "mine  8 images of real  r64.fc2  with features" in bench("stats", "list")[1]
    assert bench("stats", "verify")[1].startswith("ok       mine")


def test_damaged_statistics_exit_5(real, fake, cache):
    bench("stats", "build", "mine", "--images", real, "--features", "r64.fc2")
    path = cache / "stats" / "mine.npz"
    with np.load(path) as held:
        arrays = {name: held[name] for name in held.files}
    arrays["r64.fc2/mean"][0] += 1
    np.savez(path, **arrays)
    code, _, err = bench("score", "--real", "mine", "--fake", fake, "--metrics", "fd-r64")
    assert code == 5
    assert "r64.fc2/mean" in err
    assert bench("stats", "verify", "mine")[0] == 5


def test_statistics_of_another_protocol_exit_4(fake, tmp_path):
    np.savez(tmp_path / "fid.npz", mu=np.zeros(2048), sigma=np.eye(2048))
    arguments = ("stats", "import", tmp_path / "fid.npz", "--name", "other", "--extractor", "inception-tf1")
    code, out, _ = bench(*arguments, "--count", 500)
    assert code == 0
    assert "inception-tf1.pool3" in out
    code, _, err = bench("score", "--real", "other", "--fake", fake, "--metrics", "fid", "--protocol", "clean")
    assert code == 4
    assert "inception-clean.pool3" in err
    code, _, err = bench("score", "--real", "other", "--fake", fake, "--metrics", "fid", "--protocol", "adm")
    assert code == 2
    assert "bench: fid: " in err
    assert "fetch inception" in err


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"mu": np.zeros(3), "sigma": np.eye(4)}, "do not belong together"),
        ({"mu": np.full(3, np.nan), "sigma": np.eye(3)}, "not finite"),
        ({"other": np.zeros(3)}, "no arrays named mu"),
    ],
)
def test_foreign_statistics_that_are_wrong_are_refused(tmp_path, arrays, words):
    np.savez(tmp_path / "bad.npz", **arrays)
    arguments = ("stats", "import", tmp_path / "bad.npz", "--name", "bad", "--extractor", "inception-tf1")
    code, _, err = bench(*arguments)
    assert code == 2
    assert words in err


def test_statistics_need_their_weights(real):
    code, _, err = bench("stats", "build", "mine", "--images", real, "--features", "fid")
    assert code == 2
    assert "fetch inception-2015-12-05" in err
    assert "'r64.fc9'" in bench("stats", "build", "mine", "--images", real, "--features", "r64.fc9")[2]


def test_images_that_are_not_uint8_are_refused(real, tmp_path):
    """Ranges are never guessed: floats in [0, 1] or [-1, 1] are no images here."""
    np.save(tmp_path / "floats.npy", np.zeros((8, 32, 32, 3), np.float32))
    code, _, err = bench("score", "--real", real, "--fake", tmp_path / "floats.npy")
    assert code == 2
    assert "float32" in err


def test_an_unknown_flag_exits_2(real, fake):
    code, _, err = bench("score", "--real", real, "--fake", fake, "--metrik", "psnr")
    assert code == 2
    assert "--metrik" in err


def test_batch_has_no_effect_and_bf16_is_said(real, fake):
    plain = scored("--real", real, "--fake", fake, "--metrics", "fd-r64,psnr", "--batch", 3)
    coarse = scored("--real", real, "--fake", fake, "--metrics", "fd-r64,psnr", "--bf16")
    assert coarse["fd-r64"]["signature"]["precision"] == "bfloat16"
    assert coarse["psnr"] == plain["psnr"]


def test_a_dataset_is_a_reference_by_name_and_split(fake, tmp_path):
    for seed, split in enumerate(("train", "val"), 5):
        write(tmp_path / "data" / split, pictures(seed, size=(40, 50)))
    name = f"folder:{tmp_path / 'data'}"
    arguments = ("--real", name, "--fake", fake, "--metrics", "fd-r64", "--crop", "ldm:32")
    one, other = (scored(*arguments, "--split", split)["fd-r64"] for split in ("train", "val"))
    assert one["signature"]["reference"] != other["signature"]["reference"]
    assert one["value"] != other["value"]
    code, _, err = bench("score", "--real", name, "--fake", fake)
    assert code == 2
    assert "--crop ldm:256" in err
