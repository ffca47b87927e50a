"""DCT's entry and settings. No torch at import."""

from __future__ import annotations

from bench.contract import MethodEntry

ENTRY = MethodEntry(
    name="dct",
    title="DCT",
    summary="sparse quantised block-DCT coefficients (dct:q=50), no training; DCTransformer as its prior",
    settings="methods.dct.presets:settings",
    tokenizer="methods.dct.model:tokenizer",
    prior_settings="methods.dct.prior_presets:settings",
    prior_learner="methods.dct.prior:DCTransformerLearner",
    likelihood="methods.dct.prior:likelihood",
    tasks="methods.dct.tasks:tasks",
    given="methods.dct.tasks:given",
    placement="methods.dct.placement:placement",
    rates="methods.dct.rates:DctRates",
    parts="methods.dct.parts:parts",
    source="methods.dct",
)
