"""Networks that others trained: their pinned files, how they are loaded, and LPIPS."""
