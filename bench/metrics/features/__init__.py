"""The table of feature extractors: plain data, loaded when named."""

from __future__ import annotations

from bench.metrics.entries import FeatureEntry


def _inception(name: str, resize: str) -> FeatureEntry:
    return FeatureEntry(
        name=f"inception-{name}",
        title="FID's InceptionV3",
        build=f"bench.metrics.features.inception:build_{name}",
        outputs=("pool3", "logits", "spatial"),
        needs=("inception-2015-12-05",),
        packages=("torch_fidelity",),
        convention={"resize": resize},
    )


def _dinov2(size: str, word: str) -> FeatureEntry:
    return FeatureEntry(
        name=f"dinov2-{size}",
        title=f"DINOv2 ViT-{size.upper()}/14",
        build=f"bench.metrics.features.dinov2:build_{word}",
        outputs=("cls",),
        needs=(f"dinov2-vit{size}14",),
        packages=("timm",),
        convention={"resize": "pil bicubic 224, not quantised"},
    )


FEATURES: dict[str, FeatureEntry] = {
    entry.name: entry
    for entry in (
        _inception("clean", "pil bicubic 299, not quantised"),
        _inception("pytorch", "torch bilinear 299, not antialiased"),
        _inception("tf1", "tensorflow 1 bilinear 299"),
        FeatureEntry(
            name="clip",
            title="CLIP ViT-B/32",
            build="bench.metrics.features.clip:build",
            outputs=("image",),
            needs=("clip-vit-b-32",),
            packages=("open_clip",),
            convention={"resize": "pil bicubic short side 224, quantised, centre crop"},
        ),
        FeatureEntry(
            name="vgg16",
            title="VGG16 fc2",
            build="bench.metrics.features.vgg:build",
            outputs=("fc2", "fc2-relu"),
            needs=("vgg16",),
            packages=("torch_fidelity",),
            convention={"resize": "tensorflow 1 bilinear 224"},
        ),
        FeatureEntry(
            name="vgg16-pil",
            title="VGG16 fc2 before its ReLU",
            build="bench.metrics.features.vgg:build_pil",
            outputs=("fc2",),
            needs=("vgg16",),
            packages=("torchvision",),
            convention={"resize": "pil bilinear 224, quantised"},
        ),
        _dinov2("s", "small"),
        _dinov2("l", "large"),
        FeatureEntry(
            name="r64",
            title="random VGG16, 64 dimensions (Naeem et al. 2020)",
            build="bench.metrics.features.r64:build",
            outputs=("fc2",),
            convention={"resize": "bilinear antialiased 32", "seed": 64},
        ),
    )
}
