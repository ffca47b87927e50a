"""BRICS: bi-level features, key codes that query groups of learnt multi-resolution grids (arXiv 2305.18601)."""
