"""Opening a source of images: folders, archives, databases, batches of arrays."""
