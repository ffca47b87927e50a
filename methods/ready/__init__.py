"""Images made by anything else (a GAN, a paper's own code) as rows of the same tables."""
