"""The conventions that tools and papers use for set metrics, as one table. What a source does not say is None."""

from __future__ import annotations

from dataclasses import replace

from bench.metrics.entries import MetricProtocol
from bench.results.record import Measurement

DEFAULT_PROTOCOL = "clean"


def _inception(name: str, prdc: str = "") -> dict[str, str]:
    """All roles on one Inception; precision and recall on ``prdc`` where that is another space."""
    network = f"inception-{name}"
    roles = dict.fromkeys(("fid", "kid", "prdc"), f"{network}.pool3")
    roles |= {"sfid": f"{network}.spatial", "is": f"{network}.logits"}
    return roles | ({"prdc": prdc} if prdc else {})


_ADM = MetricProtocol(
    name="adm",
    title="the evaluator of ADM: TensorFlow 1 resize, sFID, precision and recall on Inception by float16 distances, "
    "IS unshuffled in parts of 5,000",
    features=_inception("tf1"),
    distances="float16",
    splits=None,
    split_size=5000,
    shuffled=False,
    candidates=50_000,
    source="Dhariwal and Nichol 2021 and their released evaluator; its reference batches are made by ADM and are not "
    "the data themselves",
)

PROTOCOLS: dict[str, MetricProtocol] = {
    protocol.name: protocol
    for protocol in (
        MetricProtocol(
            name="clean",
            title="clean-fid: antialiased bicubic resize without quantisation (precision and recall on Inception)",
            features=_inception("clean"),
            source="Parmar et al. 2022; it defines no precision and recall, those are on the same features, k = 3",
        ),
        _ADM,
        replace(
            _ADM,
            name="adm-float64",
            title="adm with exact distances for precision and recall, which its evaluator rounds to float16",
            distances=None,
        ),
        MetricProtocol(
            name="legacy-pytorch",
            title="pytorch-fid: torch bilinear resize without antialiasing",
            features=_inception("pytorch"),
            source="the pytorch-fid package; it defines FID only",
        ),
        MetricProtocol(
            name="torch-fidelity",
            title="torch-fidelity: TensorFlow 1 resize, precision and recall on VGG16 fc2 after ReLU",
            features=_inception("tf1", "vgg16.fc2-relu"),
            source="torch-fidelity 0.4.0",
        ),
        MetricProtocol(
            name="paper:brics",
            title="BRICS: FID and IS by torch-fidelity, CLIP-FID by clean-fid, precision and recall on VGG16 fc2 "
            "before ReLU, resized by Pillow's bilinear filter",
            features=_inception("tf1", "vgg16-pil.fc2"),
            candidates=50_000,
            source="BRICS, appendix and released evaluation code; neither says which split is the reference",
        ),
        MetricProtocol(
            name="paper:ldm",
            title="LDM: FID and IS by torch-fidelity, precision and recall by ADM's evaluator, training split",
            features=_inception("tf1"),
            distances="float16",
            candidates=50_000,
            reference="train",
            source="Rombach et al. 2022, appendix E.3.1",
        ),
    )
}


def counted(measurement: Measurement, protocol: MetricProtocol) -> str:
    """A set metric's name with its count and protocol: ``fid50k_clean``, ``precision10k_k3_vgg16.fc2``."""
    signature = measurement.signature
    if "features" not in signature:
        return measurement.name
    number = f"{measurement.n // 1000}k" if measurement.n and measurement.n % 1000 == 0 else str(measurement.n)
    name = f"{measurement.name}{'_' if measurement.name[-1].isdigit() else ''}{number}"
    if "neighbours" in signature:
        rounded = f"_{signature['distances']}" if "distances" in signature else ""
        return f"{name}_k{signature['neighbours']}{rounded}_{signature['features']}"
    return f"{name}_{protocol.name}" if str(signature["features"]).startswith("inception") else name
