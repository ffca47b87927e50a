"""What an autoencoder of diffusers can do."""

from __future__ import annotations

from bench.contract import Method
from methods.diffusers_vae import Settings
from methods.diffusers_vae.model import parts, tokenizer

METHOD: Method[Settings] = Method(tokenizer=tokenizer, parts=parts)
