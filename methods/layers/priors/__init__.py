"""Priors over codes: diffusion for continuous ones, GPT and RQ-Transformer for indices; shared by every tokenizer."""
