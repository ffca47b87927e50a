"""TiTok's transformers over patches and latent tokens (Yu et al. 2024, section 3.2), with the official keys."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.autoencoder.transformer import blocks
from methods.titok.presets import TiTokSettings


class Encoder(nn.Module):
    """Images ``[N, 3, S, S]`` in [0, 1] and latent tokens ``[L, C]`` to latents ``[N, token_size, L]``.

    Of tokens without a codebook it gives mean and log-variance, ``[N, 2 token_size, L]``.
    """

    def __init__(self, settings: TiTokSettings, patches: int) -> None:
        super().__init__()
        width = settings.width
        outputs = settings.token_size * (1 if settings.n_embed else 2)
        self.mixed = settings.proxy
        self.patch_embed = nn.Conv2d(3, width, settings.patch, stride=settings.patch)
        self.class_embedding = nn.Parameter(torch.empty(1, width))
        self.positional_embedding = nn.Parameter(torch.empty(1 + patches, width))
        self.latent_token_positional_embedding = nn.Parameter(torch.empty(settings.tokens, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = blocks(width, settings.layers)
        self.conv_out = nn.Conv2d(width, outputs, 1)

    def forward(self, images: Tensor, tokens: Tensor) -> Tensor:
        n, count = len(images), len(tokens)
        patches = self.patch_embed(images).flatten(2).transpose(1, 2)
        seen = torch.cat([self.class_embedding.expand(n, 1, -1), patches], 1) + self.positional_embedding
        asked = (tokens + self.latent_token_positional_embedding).expand(n, -1, -1)
        h = self.ln_pre(torch.cat([seen, asked], 1))
        for block in self.transformer:
            h = block(h)
        latents = self.ln_post(h[:, -count:])
        # The first models read the values of all tokens in the order of their memory as if it were [channel, token],
        # and are trained that way: every latent holds values of several tokens.
        columns = latents.reshape(n, -1, count) if self.mixed else latents.transpose(1, 2)
        return self.conv_out(columns[..., None])[..., 0]


class Decoder(nn.Module):
    """Tokens ``[N, token_size, L]`` to a map at the patches: logits of the proxy codes, or pixels in [0, 1].

    ``[N, proxy_codes, S / patch, S / patch]``, or without proxy ``[N, 3, S, S]``, not clamped.
    """

    def __init__(self, settings: TiTokSettings, patches: int) -> None:
        super().__init__()
        width, self.patch = settings.decoder_width, settings.patch
        self.decoder_embed = nn.Linear(settings.token_size, width)
        self.class_embedding = nn.Parameter(torch.empty(1, width))
        self.positional_embedding = nn.Parameter(torch.empty(1 + patches, width))
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        self.latent_token_positional_embedding = nn.Parameter(torch.empty(settings.tokens, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = blocks(width, settings.decoder_layers)
        self.conv_out: nn.Conv2d | None = None
        if settings.proxy:
            wide = 2 * width
            self.ffn = nn.Sequential(nn.Conv2d(width, wide, 1), nn.Tanh(), nn.Conv2d(wide, settings.proxy_codes, 1))
        else:
            self.ffn = nn.Sequential(nn.Conv2d(width, 3 * settings.patch**2, 1))
            self.conv_out = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, tokens: Tensor) -> Tensor:
        n, patches = len(tokens), len(self.positional_embedding) - 1
        given = self.decoder_embed(tokens.transpose(1, 2)) + self.latent_token_positional_embedding
        asked = torch.cat([self.class_embedding[None], self.mask_token.expand(1, patches, -1)], 1)
        asked = asked + self.positional_embedding
        h = self.ln_pre(torch.cat([asked.expand(n, -1, -1), given], 1))
        for block in self.transformer:
            h = block(h)
        side = int(patches**0.5)
        grid = self.ffn(self.ln_post(h[:, 1 : 1 + patches]).transpose(1, 2).reshape(n, -1, side, side).contiguous())
        return grid if self.conv_out is None else self.conv_out(self._pixels(grid))

    def _pixels(self, grid: Tensor) -> Tensor:
        """``[N, (row, column, channel), h, w]`` to pixels; ``pixel_shuffle`` has the channel first."""
        n, _, height, width = grid.shape
        apart = grid.reshape(n, self.patch**2, 3, height, width).transpose(1, 2)
        return F.pixel_shuffle(apart.reshape(n, -1, height, width), self.patch)
