"""Images as sparse lists of quantised DCT coefficients, and DCTransformer on them (Nash et al. 2021)."""
