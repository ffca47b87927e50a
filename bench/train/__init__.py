"""The training loop and all that belongs to it: phases, moving average, log, checkpoint, batches."""
