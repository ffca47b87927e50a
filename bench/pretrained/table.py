"""The table of pinned weights: file names, addresses, digests, licences. Plain data."""

from __future__ import annotations

from dataclasses import dataclass

from bench.core.fetch import File


@dataclass(frozen=True)
class Weights:
    """One network's weights; any one of ``files`` will do, the first found is taken."""

    name: str
    title: str
    files: tuple[File, ...]
    licence: str
    source: str


_TORCHVISION = "the file name, as torch.hub checks it"

WEIGHTS: dict[str, Weights] = {
    weights.name: weights
    for weights in (
        Weights(
            "inception-2015-12-05",
            "InceptionV3 of FID (TensorFlow, 2015-12-05), as converted for torch-fidelity",
            (
                File(
                    "weights-inception-2015-12-05-6726825d.pth",
                    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
                    "weights-inception-2015-12-05-6726825d.pth",
                    "sha256-prefix:6726825d",
                    _TORCHVISION,
                ),
            ),
            "Apache-2.0",
            "Szegedy et al. 2016; Heusel et al. 2017",
        ),
        Weights(
            "vgg16",
            "VGG16 (ImageNet) of torchvision",
            (
                File(
                    "vgg16-397923af.pth",
                    "https://download.pytorch.org/models/vgg16-397923af.pth",
                    "sha256-prefix:397923af",
                    _TORCHVISION,
                ),
            ),
            "BSD-3-Clause",
            "Simonyan and Zisserman 2015",
        ),
        Weights(
            "alexnet",
            "AlexNet (ImageNet) of torchvision",
            (
                File(
                    "alexnet-owt-7be5be79.pth",
                    "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
                    "sha256-prefix:7be5be79",
                    _TORCHVISION,
                ),
            ),
            "BSD-3-Clause",
            "Krizhevsky 2014",
        ),
        Weights(
            "squeezenet1_1",
            "SqueezeNet 1.1 (ImageNet) of torchvision",
            (
                File(
                    "squeezenet1_1-b8a52dc0.pth",
                    "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
                    "sha256-prefix:b8a52dc0",
                    _TORCHVISION,
                ),
                File(
                    "squeezenet1_1-fp16.safetensors",
                    None,
                    "sha256:75d78dc2510a4f01ed9e73d7a58846214b26040ec23d62f4538feb1aca90b7df",
                    "computed from the file: torchvision's weights with convolutions rounded to fp16",
                ),
            ),
            "BSD-3-Clause",
            "Iandola et al. 2016",
        ),
        Weights(
            "clip-vit-b-32",
            "CLIP ViT-B/32 of OpenAI",
            (
                File(
                    "vit_base_patch32_clip_224.openai.safetensors",
                    "https://huggingface.co/timm/vit_base_patch32_clip_224.openai/resolve/main/"
                    "open_clip_model.safetensors",
                    "none",
                    "no published digest is known",
                    least=300_000_000,
                ),
            ),
            "MIT",
            "Radford et al. 2021",
        ),
        Weights(
            "dinov2-vits14",
            "DINOv2 ViT-S/14",
            (
                File(
                    "dinov2_vits14_pretrain.pth",
                    "https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
                    "none",
                    "no published digest is known",
                    least=80_000_000,
                ),
            ),
            "Apache-2.0",
            "Oquab et al. 2023",
        ),
        Weights(
            "dinov2-vitl14",
            "DINOv2 ViT-L/14",
            (
                File(
                    "dinov2_vitl14_pretrain.pth",
                    "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
                    "none",
                    "no published digest is known",
                    least=1_000_000_000,
                ),
            ),
            "Apache-2.0",
            "Oquab et al. 2023",
        ),
    )
}
