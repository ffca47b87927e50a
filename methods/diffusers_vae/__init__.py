"""Any image autoencoder of the diffusers library."""
