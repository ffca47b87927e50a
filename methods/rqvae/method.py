"""What RQ-VAE can do."""

from __future__ import annotations

from bench.contract import Checkpoint, Method, PriorMethod
from methods.autoencoder import quantised, quantised_checkpoint
from methods.autoencoder.checkpoint_files import read
from methods.autoencoder.quantised_settings import CodebookSettings
from methods.rqvae import checkpoint, prior

METHOD: Method[CodebookSettings] = Method(
    learner=quantised.learner,
    checkpoint=Checkpoint(read, quantised_checkpoint.checkpoint, checkpoint.identify),
    prior=PriorMethod(prior.learner),
    parts=quantised.parts,
)
