"""What RQ-VAE can do."""

from __future__ import annotations

from bench.contract import Checkpoint, Method, PriorMethod
from methods.autoencoder.checkpoint_files import read
from methods.autoencoder.quantised_settings import RQSettings
from methods.rqvae import checkpoint, model, prior

METHOD: Method[RQSettings] = Method(
    learner=model.learner,
    checkpoint=Checkpoint(read, checkpoint.checkpoint, checkpoint.identify),
    prior=PriorMethod(prior.learner),
    parts=model.parts,
)
