"""Distributions over codes that several methods share: diffusion, GPT, RQ-Transformer."""
