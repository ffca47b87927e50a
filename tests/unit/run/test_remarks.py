"""What a run says of a dataset before anything is measured."""

from PIL import Image

from bench.data.datasets.local import open_folder
from bench.run.checks import remarks
from tests import sources


def test_what_was_converted_left_out_and_split_anew_is_said(tmp_path):
    folder = sources.folder(tmp_path / "data", sources.pictures(f"{i:02d}.png" for i in range(60)))
    Image.new("RGBA", (20, 20), (1, 2, 3, 4)).save(folder / "alpha.png")
    (folder / "a.heic").write_bytes(b"")
    (folder / "b.heic").write_bytes(b"")
    said = remarks(open_folder(sources.request(tmp_path / "cache", path=folder)))
    assert "2 files of data are not among the images: 2 .heic" in said
    assert "converted to 8-bit RGB, or not applied: 1 alpha" in said
    assert any("no parts named after training and validation: split by content" in text for text in said)


def test_nothing_is_said_of_what_is_plain(tmp_path):
    folder = sources.split_folder(tmp_path / "data")
    assert len(remarks(open_folder(sources.request(tmp_path / "cache", path=folder)))) == 1
