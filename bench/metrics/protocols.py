"""The conventions that tools and papers use for set metrics, as one table. What a source does not say is None."""

from __future__ import annotations

from dataclasses import replace

from bench.metrics.entries import MetricProtocol
from bench.results.record import Measurement

DEFAULT_PROTOCOL = "clean"
EVERY_CAMP = "every-camp"


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

USUAL_PAIRS = ("psnr", "ssim", "lpips-alex", "lpips-vgg")
"""This program's own metric of each family that a camp measures otherwise."""

CLEAN = MetricProtocol(
    name="clean",
    title="clean-fid: antialiased bicubic resize without quantisation (precision and recall on Inception)",
    features=_inception("clean"),
    source="Parmar et al. 2022; it defines no precision and recall, those are on the same features, k = 3",
)

CAMPS: tuple[MetricProtocol, ...] = (
    replace(
        _ADM,
        name="llamagen",
        title="LlamaGen: SSIM by scikit-image's 7 x 7 window with the range 2 for images in [0, 1], on rounded 8 bits; "
        "set metrics by ADM's evaluator",
        pairs=("psnr", "ssim-uniform7-range2"),
        source="FoundationVision/LlamaGen ce98ec4, reconstruction_vq_ddp.py; GigaTok, UniTok and MAETok took it over",
    ),
    MetricProtocol(
        name="seed-voken",
        title="SEED-Voken (Open-MAGVIT2, IBQ): PSNR and SSIM, 7 x 7 window, of both images truncated to 8 bits, means "
        "of batches of 4; LPIPS of unrounded values; its FID is of unrounded values, here of 8 bits",
        features=_inception("pytorch"),
        pairs=(
            "psnr-truncated-batches4",
            "ssim-uniform7-truncated-batches4",
            "lpips-alex-unrounded",
            "lpips-vgg-unrounded",
        ),
        source="TencentARC/SEED-Voken b9a17ea, evaluation_image.py, batch size 4 by default",
    ),
    MetricProtocol(
        name="lightningdit",
        title="LightningDiT (VA-VAE): SSIM and LPIPS of unrounded values in [-1, 1], means of batches of 8; PSNR and "
        "FID of rounded 8 bits",
        features=_inception("pytorch"),
        pairs=("psnr", "ssim-signed-reflected-batches8", "lpips-vgg-unrounded-batches8"),
        source="hustvl/LightningDiT 2725fed, evaluate_tokenizer.py",
    ),
    MetricProtocol(
        name="eq-vae",
        title="EQ-VAE: as LightningDiT one image at a time, and SSIM with the range of each pair of images",
        features=_inception("pytorch"),
        pairs=("psnr", "ssim-signed-reflected-own-range", "lpips-vgg-unrounded"),
        source="zelaki/eqvae 708ad80, eval.py, batch size 1",
    ),
    MetricProtocol(
        name="bsq-vit",
        title="BSQ-ViT: PSNR, SSIM by pytorch_msssim and LPIPS of unrounded values; its FID is of unrounded values, "
        "here of 8 bits",
        features=_inception("pytorch"),
        pairs=("psnr-unrounded", "ssim-unrounded", "lpips-alex-unrounded"),
        source="zhaoyue-zephyrus/bsq-vit 37d212d, main_image_tokenizer.py; it does not clamp",
    ),
    MetricProtocol(
        name="titok",
        title="1d-tokenizer (TiTok): FID and IS of 8 bits alone, by a port of TensorFlow 1's Inception; "
        "no metric of pairs",
        features=_inception("tf1"),
        splits=1,
        shuffled=False,
        source="bytedance/1d-tokenizer 942a96f, evaluator.py",
    ),
    MetricProtocol(
        name="rae",
        title="RAE: PSNR, SSIM by torchmetrics with range 1 and LPIPS of the reconstruction truncated to 8 bits; FID "
        "by torch-fidelity, in its script of truncated values, here of rounded ones",
        features=_inception("tf1"),
        pairs=("psnr-truncated", "ssim-reflected-truncated", "lpips-vgg-truncated"),
        source="bytetriper/RAE a4d18c4, src/eval",
    ),
)
"""The conventions of released evaluation code for tokenizers."""

PROTOCOLS: dict[str, MetricProtocol] = {
    protocol.name: protocol
    for protocol in (
        CLEAN,
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
        *CAMPS,
        replace(
            CLEAN,
            name=EVERY_CAMP,
            title="the metrics of pairs of every camp's protocol, set metrics as in clean",
            pairs=tuple(dict.fromkeys((*USUAL_PAIRS, *(name for camp in CAMPS for name in camp.pairs)))),
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
