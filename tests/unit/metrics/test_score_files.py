"""Files that ``score`` converts, leaves out or refuses, and what it says of each."""

import json

import numpy as np
import pytest
from PIL import Image

from bench.data import image_sets

from .scoring import bench, pictures, scored, write


def test_what_was_converted_or_left_out_is_said_and_kept(real, tmp_path):
    fake = tmp_path / "odd"
    fake.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    for index, image in enumerate(pictures(1)):
        options = {"exif": exif} if index == 0 else {}
        picture = Image.fromarray(image).convert("RGBA" if index == 1 else "RGB")
        picture.save(fake / f"{index:03d}.png", **options)
    (fake / "008.heic").write_bytes(b"")
    code, out, err = bench("score", "--real", real, "--fake", fake, "--metrics", "psnr", "--json")
    assert code == 0
    converted = "the candidate, converted to 8-bit RGB, or not applied: 1 alpha, 1 orientation"
    left_out = "1 files of the candidate are not among the images: 1 .heic"
    for text in (converted, left_out):
        assert f"note: {text}" in err
        assert text in json.loads(out)["notes"]
    again = bench("score", "--real", real, "--fake", fake, "--metrics", "psnr")[2]
    assert converted in again, "a second score, from the cache, says it too"
    kept = bench("stats", "build", "odd", "--images", fake, "--features", "r64.fc2")
    assert kept[0] == 0, kept
    assert "1 alpha, 1 orientation" in kept[2]


def test_sixteen_bit_colour_of_equal_values_is_equal(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    real = write(tmp_path / "real", pictures(0, 2))
    fake = tmp_path / "deep"
    fake.mkdir()
    noise = np.random.RandomState(0)
    for index, image in enumerate(pictures(0, 2)):
        near = image.astype(np.int64) * 257 + noise.randint(-128, 129, image.shape)
        tifffile.imwrite(fake / f"{index:03d}.tif", near.clip(0, 65535).astype(np.uint16), photometric="rgb")
    assert scored("--real", real, "--fake", fake, "--metrics", "psnr")["psnr"]["value"] == 100


def test_arrays_of_equal_bytes_and_other_shapes_are_other_images(tmp_path):
    square, found = np.stack(pictures(0, 4)), []
    for images in (square, square.reshape(4, 16, 64, 3)):
        np.savez(tmp_path / f"{len(images[0])}.npz", arr_0=images)
        source = image_sets.find(tmp_path / f"{len(images[0])}.npz")
        found.append(image_sets.open_set(source, tmp_path / "cache").images)
        assert np.array_equal(found[-1].pixels, images.transpose(0, 3, 1, 2))
    assert found[0].digest != found[1].digest


def test_jfif_files_are_images(tmp_path):
    folder = write(tmp_path / "jpeg", pictures(0), ".jpg")
    other = write(tmp_path / "mixed", pictures(0), ".jpg")
    for index in range(4):
        (other / f"{index:03d}.jpg").rename(other / f"{index:03d}.jfif")
    found = scored("--real", folder, "--fake", other, "--metrics", "psnr,fd-r64")
    assert found["psnr"]["value"] == 100
    assert found["fd-r64"]["n"] == 8


def test_two_image_files_are_two_sets(tmp_path):
    folder = write(tmp_path / "two", pictures(0, 2))
    files = ("--real", folder / "000.png", "--fake", folder / "001.png", "--metrics", "psnr")
    assert "--pair order" in bench("score", *files)[2]
    assert scored(*files, "--pair", "order")["psnr"]["value"] < 20


def test_the_advice_of_the_message_about_a_bad_file_works(real, fake):
    broken = fake / "003.png"
    broken.write_bytes(broken.read_bytes()[:500])
    arguments = ("score", "--real", real, "--fake", fake, "--metrics", "fd-r64")
    code, _, err = bench(*arguments)
    assert code == 2
    assert str(broken) in err
    assert "--on-bad skip" in err
    code, out, err = bench(*arguments, "--on-bad", "skip")
    assert code == 0
    assert "fd-r64_7" in out
    assert f"1 of 8 images of the candidate left out (for example: The image {broken}" in err
    assert bench(*arguments)[0] == 2, "what a run with --on-bad skip has kept is not taken for whole"
    assert bench(*arguments, "--on-bad", "ignore")[0] == 2


def test_statistics_are_built_without_bad_files_on_demand(fake):
    broken = fake / "003.png"
    broken.write_bytes(broken.read_bytes()[:500])
    arguments = ("stats", "build", "fake", "--images", fake, "--features", "r64.fc2")
    assert "--on-bad skip" in bench(*arguments)[2]
    code, out, err = bench(*arguments, "--on-bad", "skip", "--verify")
    assert code == 0
    assert "7 images" in out
    assert "1 of 8 images of the set left out" in err


def test_a_batch_with_images_and_moments_is_a_reference_of_images(fake, tmp_path):
    path = tmp_path / "VIRTUAL.npz"
    np.savez(path, arr_0=np.stack(pictures(0)), mu=np.zeros(4), sigma=np.eye(4))
    code, out, err = bench(
        "score", "--real", path, "--fake", fake, "--metrics", "psnr,precision-r64", "--pair", "order"
    )
    assert code == 0
    assert "precision-r64_8" in out
    assert "the images are measured" in err


@pytest.mark.parametrize("place", ["--real", "--fake"])
def test_a_device_as_a_path_is_refused(real, place):
    given = {"--real": real, "--fake": real, place: "/dev/zero"}
    code, _, err = bench("score", *(x for pair in given.items() for x in pair))
    assert code == 2
    assert "/dev/zero is no regular file" in err


def test_a_datasets_images_that_were_left_out_are_counted(fake, tmp_path):
    folder = write(tmp_path / "data" / "Val", pictures(0))
    write(folder, pictures(0, 3, (20, 20)), first=8)
    write(tmp_path / "data" / "Train", pictures(3))
    (tmp_path / "data" / "notes.txt").write_text("")
    name = f"folder:{tmp_path / 'data'}"
    code, out, err = bench("score", "--real", name, "--fake", fake, "--metrics", "fd-r64", "--crop", "ldm:32", "--json")
    assert code == 0
    for said in (
        f"{name}: 3 of 11 val images left out: 3 smaller than 32 px",
        f"{name}: 1 files of data are not among the images: 1 .txt",
    ):
        assert f"note: {said}" in err
        assert any(note.startswith(said) for note in json.loads(out)["notes"])


def test_the_bits_of_files_are_a_column_of_their_own(tmp_path):
    real = write(tmp_path / "real", pictures(0, 4))
    fake = write(tmp_path / "fake", pictures(0, 3), ".jpg", quality=50)
    write(fake, pictures(0, 4)[3:], first=3)
    expected = [8 * path.stat().st_size / 32**2 for path in sorted(fake.iterdir())]
    arguments = ("--real", real, "--fake", fake, "--metrics", "psnr")
    for _ in range(2):
        values = tmp_path / "values.csv"
        code, out, _ = bench("score", *arguments, "--json", "--per-image", values)
        assert code == 0
        rate = json.loads(out)["file-bits-per-pixel"]
        assert rate["value"] == pytest.approx(np.mean(expected))
        assert rate["signature"] == {"bits": "whole files", "files": "3 jpeg, 1 png"}
        rows = [line.split(",") for line in values.read_text().splitlines()]
        assert rows[0] == ["image", "psnr", "file-bits-per-pixel"]
        assert [float(row[2]) for row in rows[1:]] == pytest.approx(expected)
    assert f"↓ {np.mean(expected):.6g} bits per pixel" in bench("score", *arguments)[1]
    cropped = json.loads(bench("score", *arguments, "--json", "--crop", "ldm:16")[1])
    assert cropped["file-bits-per-pixel"]["value"] == pytest.approx(np.mean(expected)), "of the files as they are"


def test_arrays_have_no_files_and_no_bits(real, tmp_path):
    np.save(tmp_path / "fake.npy", np.stack(pictures(1)))
    arguments = ("--real", real, "--fake", tmp_path / "fake.npy", "--metrics", "fd-r64")
    assert json.loads(bench("score", *arguments, "--json")[1])["file-bits-per-pixel"] is None
    assert "bits per pixel" not in bench("score", *arguments)[1]
