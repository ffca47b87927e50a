"""The tokenizers that come with the harness: one folder and one line each.

Each path names a :class:`bench.contract.MethodEntry`; the modules named here import no torch.
"""

METHODS: dict[str, str] = {
    "brics": "methods.brics.adapter:ENTRY",
    "dct": "methods.dct.adapter:ENTRY",
    "downsample": "methods.downsample.adapter:ENTRY",
    "vqgan": "methods.vqgan.adapter:ENTRY",
    "rqvae": "methods.rqvae.adapter:ENTRY",
    "kl-ldm": "methods.kl_ldm.adapter:ENTRY",
    "vq-ldm": "methods.vq_ldm.adapter:ENTRY",
    "diffusers": "methods.diffusers_vae.adapter:ENTRY",
    "avif": "methods.codecs.adapter:AVIF",
    "jpeg": "methods.codecs.adapter:JPEG",
    "jpeg2000": "methods.codecs.adapter:JPEG2000",
    "webp": "methods.codecs.adapter:WEBP",
    "recons": "methods.ready.adapter:RECONS",
    "samples": "methods.ready.adapter:SAMPLES",
}
