"""The words that every room shares; all of them can be imported from here, and none loads torch.

An adapter around ready-made weights needs :mod:`~bench.contract.codes` and the first half of
:mod:`~bench.contract.methods`; one that is trained needs :mod:`~bench.contract.training` too. Everywhere outside a
network an image is uint8 RGB ``[N, 3, H, W]``; a tokenizer decodes to float32 in [0, 1], and the harness rounds
(:mod:`bench.core.images`).
"""

from bench.contract.codes import Codes, Condition, Continuous, Indices, Seeds, Sparse, Stream
from bench.contract.methods import (
    PRIOR_FIELD,
    RECON_FIELD,
    SAMPLE_FIELD,
    Build,
    Checkpoint,
    Encoder,
    Method,
    MethodEntry,
    NoSettings,
    Part,
    Prior,
    PriorMethod,
    RateModel,
    Tokenizer,
)
from bench.contract.sizes import ANY_SIZE, AnySize, FixedSize, MultiplesOf, Takes, built_size
from bench.contract.training import Averaged, Batch, Comm, Learner, Losses, Phase

__all__ = [
    "ANY_SIZE",
    "PRIOR_FIELD",
    "RECON_FIELD",
    "SAMPLE_FIELD",
    "AnySize",
    "Averaged",
    "Batch",
    "Build",
    "Checkpoint",
    "Codes",
    "Comm",
    "Condition",
    "Continuous",
    "Encoder",
    "FixedSize",
    "Indices",
    "Learner",
    "Losses",
    "Method",
    "MethodEntry",
    "MultiplesOf",
    "NoSettings",
    "Part",
    "Phase",
    "Prior",
    "PriorMethod",
    "RateModel",
    "Seeds",
    "Sparse",
    "Stream",
    "Takes",
    "Tokenizer",
    "built_size",
]
