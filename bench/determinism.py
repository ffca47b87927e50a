"""``--deterministic``: the same bytes on the same machine with the same versions."""

from __future__ import annotations

import os


def apply(enabled: bool) -> None:
    """Turns on deterministic algorithms and turns off TF32 and cuDNN's search, for the whole process."""
    if not enabled:
        return
    # cuBLAS reads this when it is first used, so it has to be set before any CUDA work.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
