"""RQ-VAE (Lee, Kim, Kim, Cho, Han 2022), arXiv 2203.01941."""
