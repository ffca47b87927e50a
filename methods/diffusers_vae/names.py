"""Short names of well-known autoencoders on the Hugging Face hub: ``diffusers:sdxl-vae``. Plain data: no torch.

What stands here was read on the hub's pages or in the documentation of diffusers; what was not seen says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HUB = "https://huggingface.co"
UNSEEN = "not seen, read the hub's page"


@dataclass(frozen=True)
class Name:
    """Where an autoencoder is: its repository, the folder in it, the revision, and under which licence.

    ``gated``: the hub gives its files only to an account that has accepted its terms; None: not seen.
    """

    repository: str
    subfolder: str
    licence: str
    revision: str = "main"
    gated: bool | None = None


NAMES: Mapping[str, Name] = {
    "sd-vae": Name("CompVis/stable-diffusion-v1-4", "vae", "CreativeML Open RAIL-M", gated=False),
    "sd-vae-mse": Name("stabilityai/sd-vae-ft-mse", "", "MIT", gated=False),
    "sdxl-vae": Name("stabilityai/sdxl-vae", "", UNSEEN, gated=False),
    "sd3-vae": Name("stabilityai/stable-diffusion-3-medium-diffusers", "vae", "Stability AI Community", gated=True),
    "flux-vae": Name("black-forest-labs/FLUX.1-schnell", "vae", UNSEEN),
    "flux2-vae": Name("black-forest-labs/FLUX.2-dev", "vae", "Apache-2.0, the autoencoder alone", gated=True),
    "dc-ae-f32": Name("mit-han-lab/dc-ae-f32c32-in-1.0-diffusers", "", UNSEEN),
    "dc-ae-f64": Name("mit-han-lab/dc-ae-f64c128-in-1.0-diffusers", "", UNSEEN),
    "dc-ae-f32-sana": Name("mit-han-lab/dc-ae-f32c32-sana-1.0-diffusers", "", UNSEEN, gated=False),
    "rae-dinov2-b": Name("nyu-visionx/RAE-dinov2-wReg-base-ViTXL-n08", "", UNSEEN),
    "qwen-image-vae": Name("Qwen/Qwen-Image", "vae", UNSEEN),
    "taesd": Name("madebyollin/taesd", "", "MIT", gated=False),
    "taesdxl": Name("madebyollin/taesdxl", "", "MIT", gated=False),
    "taesd3": Name("madebyollin/taesd3", "", "MIT", gated=False),
    "taef1": Name("madebyollin/taef1", "", "MIT", gated=False),
}


GATES = {True: ", gated", False: "", None: ", perhaps gated"}


def described() -> dict[str, str]:
    """What each name stands for, in one line; whether its files are here is for the library's own cache to say."""
    return {
        name: f"{known.repository}{f' ({known.subfolder})' if known.subfolder else ''} at {known.revision}, "
        f"licence {known.licence}{GATES[known.gated]}: {_where(known)}"
        for name, known in NAMES.items()
    }


def _where(known: Name) -> str:
    """Whether the library's cache has the configuration of an autoencoder; without the library, that it is missing."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return "absent (diffusers is not installed)"
    name = f"{known.subfolder}/config.json" if known.subfolder else "config.json"
    found = try_to_load_from_cache(known.repository, name, revision=known.revision)
    return "here" if isinstance(found, str) else "absent"


def remedy(repository: str) -> str:
    """What a user does to get the files of a repository that cannot be read."""
    gate = next((name.gated for name in NAMES.values() if name.repository == repository), False)
    if gate is False:
        return "download the repository and name its folder"
    return (
        f"it {'is' if gate else 'may be'} gated: accept its terms on {HUB}/{repository}, log in with `hf auth login` "
        "and try again, or download it and name its folder"
    )
