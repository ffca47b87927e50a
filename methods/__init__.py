"""The tokenizers that come with the harness: one folder and one line each.

Each path names a :class:`bench.contract.MethodEntry`; the modules named here import no torch.
"""

from __future__ import annotations

METHODS: dict[str, str] = {
    "brics": "methods.brics:ENTRY",
    "dct": "methods.dct:ENTRY",
    "downsample": "methods.downsample:ENTRY",
    "vqgan": "methods.vqgan:ENTRY",
    "fsq": "methods.fsq:ENTRY",
    "lfq": "methods.lfq:ENTRY",
    "bsq": "methods.bsq:ENTRY",
    "rqvae": "methods.rqvae:ENTRY",
    "kl-ldm": "methods.kl_ldm:ENTRY",
    "vq-ldm": "methods.vq_ldm:ENTRY",
    "va-vae": "methods.va_vae:ENTRY",
    "llamagen": "methods.llamagen:ENTRY",
    "ibq": "methods.ibq:ENTRY",
    "open-magvit2": "methods.open_magvit2:ENTRY",
    "simvq": "methods.simvq:ENTRY",
    "var": "methods.var:ENTRY",
    "maskgit-vq": "methods.maskgit_vq:ENTRY",
    "titok": "methods.titok:ENTRY",
    "bsq-vit": "methods.bsq_vit:ENTRY",
    "diffusers": "methods.diffusers_vae:ENTRY",
    "avif": "methods.codecs:AVIF",
    "jpeg": "methods.codecs:JPEG",
    "jpeg2000": "methods.codecs:JPEG2000",
    "webp": "methods.codecs:WEBP",
    "recons": "bench.run.stages.external:RECONS",
    "samples": "bench.run.stages.external:SAMPLES",
}
