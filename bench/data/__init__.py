"""Images from their sources to frozen uint8 arrays, and out again."""
