"""Speed of the DCT tokenizer at 64 px on one core: ``python tests/benchmarks/dct_speed.py``. Bar: 200 images/s."""

from time import perf_counter

import torch
from skimage import data

from methods.dct.model import DctTokenizer
from methods.dct.presets import Settings

BATCH, SIDE, REPEATS = 64, 64, 15


def photographs() -> torch.Tensor:
    """Crops of a photograph, uint8 ``[64, 3, 64, 64]``."""
    pixels = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1)
    tiles = pixels.unfold(1, SIDE, SIDE).unfold(2, SIDE, SIDE)
    return tiles.permute(1, 2, 0, 3, 4).reshape(-1, 3, SIDE, SIDE)[:BATCH].contiguous()


def main() -> None:
    """Prints images per second, encode and decode together, for three qualities: the median of the repeats."""
    torch.set_num_threads(1)
    images = photographs()
    for quality in (25, 50, 95):
        codec = DctTokenizer(Settings(q=quality), torch.device("cpu"))
        times = []
        for _ in range(REPEATS):
            start = perf_counter()
            codec.decode(codec.encode(images))
            times.append(perf_counter() - start)
        print(f"q={quality}: {BATCH / sorted(times)[REPEATS // 2]:.0f} images/s (encode and decode, one core)")


if __name__ == "__main__":
    main()
