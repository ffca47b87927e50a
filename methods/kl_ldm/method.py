"""What the KL-regularised autoencoders can do."""

from __future__ import annotations

from bench.contract import Checkpoint, Method, PriorMethod
from methods.autoencoder.checkpoint_files import read
from methods.kl_ldm import checkpoint, model, prior
from methods.kl_ldm.presets import KLSettings

METHOD: Method[KLSettings] = Method(
    learner=model.learner,
    checkpoint=Checkpoint(read, checkpoint.checkpoint, checkpoint.identify),
    prior=PriorMethod(prior.learner),
    parts=model.parts,
)
