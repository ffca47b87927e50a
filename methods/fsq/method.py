"""What FSQ can do."""

from __future__ import annotations

from bench.contract import Method, PriorMethod
from methods.autoencoder import quantised
from methods.autoencoder.quantised_settings import FSQSettings
from methods.priors import raster

METHOD: Method[FSQSettings] = Method(
    learner=quantised.learner,
    prior=PriorMethod(raster.learner),
    parts=quantised.parts,
)
