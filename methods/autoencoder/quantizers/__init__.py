"""From latents to codes: codebooks and the quantizers built on them."""
