"""What every room stands on: pixels, codes, files, digests, names, seeds, progress, devices."""
