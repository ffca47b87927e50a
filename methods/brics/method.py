"""What BRICS can do."""

from __future__ import annotations

from bench.contract import Method, PriorMethod
from methods.brics import prior
from methods.brics.learner import BricsLearner
from methods.brics.parts import parts
from methods.brics.presets import Settings

METHOD: Method[Settings] = Method(
    learner=BricsLearner,
    prior=PriorMethod(prior.learner, encoder=prior.encoder),
    parts=parts,
)
