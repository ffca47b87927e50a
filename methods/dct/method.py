"""What DCT, and DCTransformer as its prior, can do."""

from __future__ import annotations

from bench.contract import Method, PriorMethod
from methods.dct.model import tokenizer
from methods.dct.parts import parts
from methods.dct.placement import placement
from methods.dct.presets import Settings
from methods.dct.prior import DCTransformerLearner, likelihood
from methods.dct.rates import DctRates
from methods.dct.tasks import given, tasks

METHOD: Method[Settings] = Method(
    tokenizer=tokenizer,
    prior=PriorMethod(DCTransformerLearner, likelihood=likelihood, tasks=tasks, given=given),
    parts=parts,
    rates=DctRates,
    placement=placement,
)
