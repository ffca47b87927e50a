"""What the convolutional autoencoders share: blocks, losses, the learner, checkpoints."""
