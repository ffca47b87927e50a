"""What is done with a method: fit, reconstruct, generate, cost, clock, measure."""
