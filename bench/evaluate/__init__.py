"""What a finished tokenizer or prior does: reconstruct, encode, generate, and what that costs."""
