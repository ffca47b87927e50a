"""VQGAN (Esser, Rombach, Ommer 2021), arXiv 2012.09841."""
