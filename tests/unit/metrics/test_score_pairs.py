"""Which image ``score`` compares with which, and what it says of that."""

import json
import unicodedata

import numpy as np
import pytest

from .scoring import bench, pictures, scored, write


def noisy(images):
    random = np.random.RandomState(9)
    return [np.clip(i.astype(int) + random.randint(-9, 10, i.shape), 0, 255).astype(np.uint8) for i in images]


@pytest.fixture
def originals():
    return pictures(0, 12)


def renamed(folder, images, name):
    write(folder, images)
    for index, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / name.format(index))
    return folder


def test_unpadded_names_pair_in_order_only_when_asked(originals, tmp_path):
    real = write(tmp_path / "real", originals)
    fake = renamed(tmp_path / "fake", noisy(originals), "{}.png")
    batch = tmp_path / "fake.npz"
    np.savez(batch, noisy(originals))
    for candidate, first in ((fake, "0"), (batch, "00000000")):
        code, _, err = bench("score", "--real", real, "--fake", candidate, "--metrics", "psnr")
        assert code == 2
        assert f"'000.png', '001.png', '002.png' against '{first}" in err
        assert "--pair order" in err
        arguments = ("--real", real, "--fake", candidate, "--metrics", "psnr", "--pair", "order")
        assert scored(*arguments)["psnr"]["value"] > 30
        assert json.loads(bench("score", *arguments, "--json")[1])["paired_by"] == "natural order"
        assert "pairs: by natural order" in bench("score", *arguments)[1]


def test_names_that_differ_by_unicode_form_pair(originals, tmp_path):
    names = ["\u00e4", "z", "\u00e9", "\u00f1", "n", "a"]
    for folder, form, images in (("real", "NFC", originals), ("fake", "NFD", noisy(originals))):
        write(tmp_path / folder, images[:6])
        for index, name in enumerate(names):
            (tmp_path / folder / f"{index:03d}.png").rename(
                tmp_path / folder / f"{unicodedata.normalize(form, name)}.png"
            )
    arguments = ("--real", tmp_path / "real", "--fake", tmp_path / "fake", "--metrics", "psnr")
    assert scored(*arguments)["psnr"]["value"] > 30
    assert "pairs: by path" in bench("score", *arguments)[1]


def test_the_images_of_a_dataset_pair_by_name_though_it_keeps_them_in_another_order(originals, tmp_path):
    """A dataset lies in the order of its digests."""
    write(tmp_path / "data" / "val", originals)
    write(tmp_path / "data" / "train", pictures(5))
    fake = write(tmp_path / "fake", noisy(originals))
    arguments = ("--real", f"folder:{tmp_path / 'data'}", "--fake", fake, "--metrics", "psnr", "--crop", "ldm:32")
    assert scored(*arguments)["psnr"]["value"] > 30
    assert json.loads(bench("score", *arguments, "--json")[1])["paired_by"] == "file name"


def test_without_pairs_the_other_metrics_are_measured_and_the_pairs_say_why(originals, tmp_path):
    real = write(tmp_path / "real", originals)
    fake = renamed(tmp_path / "fake", noisy(originals), "sample{}.png")
    code, out, err = bench("score", "--real", real, "--fake", fake, "--json")
    assert code == 0
    assert "no image is compared with image" in err
    found = {m["name"]: m for m in json.loads(out)["metrics"]}
    assert found["psnr"]["value"] is None
    assert "12 of 12 images of the reference have no file of their name" in found["psnr"]["reason"]
    assert found["fd-r64"]["value"] is not None


def test_a_frozen_candidate_follows_the_order_of_the_reference(originals, tmp_path, cache):
    images = write(tmp_path / "images", noisy(originals))
    bench("score", "--real", images, "--fake", images, "--metrics", "psnr")
    (frozen,) = (cache / "images").iterdir()
    real = renamed(tmp_path / "real", originals, "{}.png")
    arguments = ("--real", real, "--fake", frozen, "--metrics", "psnr", "--pair", "order")
    assert scored(*arguments)["psnr"]["value"] > 30


def spoilt(folder, name):
    (folder / name).write_bytes(b"no image")
    return folder


def test_images_that_are_bad_on_both_sides_leave_the_others_paired(originals, tmp_path):
    real = spoilt(write(tmp_path / "real", originals), "003.png")
    fake = write(tmp_path / "fake", noisy(originals))
    lacking = write(tmp_path / "lacking", noisy(originals))
    (lacking / "003.png").unlink()
    for candidate, name, pair in (
        (spoilt(fake, "003.png"), "000.png", "name"),
        (lacking, "000.png", "name"),
        (spoilt(renamed(tmp_path / "short", noisy(originals), "{}.png"), "3.png"), "0.png", "order"),
    ):
        arguments = ("--real", real, "--fake", candidate, "--metrics", "psnr", "--pair", pair, "--on-bad", "skip")
        values = tmp_path / "values.csv"
        code, out, _ = bench("score", *arguments, "--json", "--per-image", values)
        assert code == 0
        found = json.loads(out)
        assert found["metrics"][0]["value"] > 30
        assert found["paired_by"] == ("natural order" if pair == "order" else "path")
        assert any("1 of 12 images of the reference left out" in note for note in found["notes"])
        rows = values.read_text().splitlines()[1:]
        assert len(rows) == 11
        assert rows[0].startswith(f"{name},")
        assert min(float(row.split(",")[1]) for row in rows) > 30


def test_images_whose_partner_is_bad_are_not_paired_with_another(originals, tmp_path):
    real = spoilt(write(tmp_path / "real", originals), "003.png")
    good = write(tmp_path / "good", originals)
    elsewhere = spoilt(write(tmp_path / "fake", noisy(originals)), "007.png")
    for reference, pair in ((real, "name"), (real, "order"), (good, "name"), (good, "order")):
        arguments = ("--real", reference, "--fake", elsewhere, "--pair", pair, "--on-bad", "skip")
        code, out, err = bench("score", *arguments, "--metrics", "psnr")
        assert code == 2
        assert "what is left does not belong together one to one" in err
        code, out, _ = bench("score", *arguments, "--json")
        found = json.loads(out)
        measured = {m["name"]: m for m in found["metrics"]}
        assert code == 0
        assert found["paired_by"] is None
        assert measured["psnr"]["value"] is None
        assert measured["fd-r64"]["value"] is not None
