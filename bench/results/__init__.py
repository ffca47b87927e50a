"""What a result says, where it lies on disk, and where it came from."""
