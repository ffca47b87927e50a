"""What LFQ can do."""

from __future__ import annotations

from bench.contract import Method, PriorMethod
from methods.autoencoder import quantised
from methods.autoencoder.quantised_settings import BitSettings
from methods.priors import raster

METHOD: Method[BitSettings] = Method(
    learner=quantised.learner,
    prior=PriorMethod(raster.learner),
    parts=quantised.parts,
)
