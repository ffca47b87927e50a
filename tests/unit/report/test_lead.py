"""What a report says first: how much was measured, and on which images."""

from dataclasses import replace

from bench.report.build import Options, content
from bench.report.load import Loaded

from .sample_results import recon, result


def test_the_lead_names_size_and_crop_of_the_images_once(tmp_path):
    data = {"data": {"resolution": 64, "protocol": "ldm"}}
    made = [replace(recon(name, 20.0), provenance=data) for name in ("vqgan", "brics")]
    made += [result("jpeg", "train", status="not-applicable"), recon("vqgan", 21.0, dataset="folder:old")]
    lead = content([Loaded(tmp_path / "recon.json", r) for r in made], (), Options()).lead
    assert "on photos (64 x 64 pixels, cropped and resized by 'ldm'), folder:old, made with" in lead


def test_whole_images_are_not_said_to_be_squares(tmp_path):
    made = replace(recon("jpeg", 20.0), provenance={"data": {"resolution": 64, "protocol": "native:384"}})
    lead = content([Loaded(tmp_path / "recon.json", made)], (), Options()).lead
    assert "on photos (whole images, protocol 'native:384'), made with" in lead
