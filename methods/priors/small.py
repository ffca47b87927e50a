"""The priors of the presets that are not published: sizes that train in minutes, sampled in few steps. No torch.

Our own recipes, no paper's. Codes of ``smoke`` have sides divisible by 2, those of ``small`` by 4.
"""

from __future__ import annotations

from collections.abc import Mapping

from methods.priors.settings import GPT, Diffusion, Optimisation, RQTransformer, UNetShape

_SMOKE = Optimisation(batch=16, rate=2e-3, warm_up=4, cosine=True, clip=1.0)
_SMALL = Optimisation(batch=16, rate=1e-3, warm_up=100, cosine=True, clip=1.0, half_life=1000)
_SMALL_WORDS = Optimisation(
    batch=16, rate=2e-3, betas=(0.9, 0.95), weight_decay=0.01, warm_up=100, cosine=True, clip=1.0
)
_MEDIUM = Optimisation(batch=64, rate=2e-4, warm_up=1000, clip=1.0, half_life=50_000)
_MEDIUM_WORDS = Optimisation(
    batch=64, rate=3e-4, betas=(0.9, 0.95), weight_decay=0.01, warm_up=1000, cosine=True, clip=1.0
)

DIFFUSION: Mapping[str, Diffusion] = {
    "smoke": Diffusion(
        UNetShape((16, 32), (False, True), layers=1, head_channels=16, groups=8), _SMOKE, steps=10, eta=1.0
    ),
    "small": Diffusion(UNetShape((32, 64, 96), (False, False, True), layers=1, groups=8), _SMALL, steps=50, eta=1.0),
    "medium": Diffusion(UNetShape((128, 256, 256), (False, True, True)), _MEDIUM, steps=100),
}
"""Betas are those of LDM's FFHQ model. After short training DDIM needs its noise: at ``small``, on KL codes of 64 px
photographs, eta 1 had a Fréchet distance (R64) of 1.7 where eta 0 had 6.4, and less recall (0.54 for 0.78)."""

GPTS: Mapping[str, GPT] = {
    "smoke": GPT(layers=2, heads=2, width=32, optimisation=_SMOKE),
    "small": GPT(layers=4, heads=4, width=96, optimisation=_SMALL_WORDS, top_k=250),
    "medium": GPT(layers=12, heads=8, width=512, optimisation=_MEDIUM_WORDS, top_k=250),
}

RQ_TRANSFORMERS: Mapping[str, RQTransformer] = {
    "smoke": RQTransformer(body_layers=2, head_layers=1, heads=2, width=32, optimisation=_SMOKE),
    "small": RQTransformer(
        body_layers=4, head_layers=2, heads=4, width=128, optimisation=_SMALL_WORDS, soft_temperature=None, top_k=250
    ),
    "medium": RQTransformer(
        body_layers=10, head_layers=3, heads=8, width=512, optimisation=_MEDIUM_WORDS, soft_temperature=None, top_k=250
    ),
}
"""Hard targets: the temperature of the soft ones belongs to the distances of the published codebook."""
