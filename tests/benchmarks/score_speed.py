"""One pass for {FID, sFID, P/R, PSNR, SSIM, LPIPS-squeeze} on two folders of 256-px PNGs, against the usual tools.

    BENCH_WEIGHTS=... python tests/benchmarks/score_speed.py [--images 512] [--separate]

The yardstick is one pass of torch-fidelity's own extractor, as it ships, over both sets, plus one plain LPIPS pass.
Inception has random weights, which take the same time. Ratios of wall time and of processor time; the latter is what
counts on a machine that others use. ``--separate`` also runs torch-fidelity FID + PRC, clean-fid, and an
lpips + scikit-image loop.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.reference.metrics.conftest import picture, pinned, randomise

METRICS = "fid,sfid,precision,recall,psnr,ssim,lpips-squeeze"


def clocked(name, work):
    """Runs it once; (wall, processor) seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    spent = time.perf_counter() - wall, time.process_time() - processor
    print(f"{name:<58} {spent[0]:8.1f} s wall {spent[1]:8.1f} s processor", flush=True)
    return spent


def folders(root, count):
    """Two folders of PNGs: pictures, and the same with noise."""
    for index in range(count):
        random = np.random.RandomState(index)
        image = picture(random, 256, 256)
        noisy = np.clip(image + random.randint(-9, 10, image.shape), 0, 255).astype(np.uint8)
        for name, pixels in (("real", image), ("fake", noisy)):
            (root / name).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(root / name / f"{index:04d}.png")


def inception(root):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path = root / "inception.pth"
    torch.save({}, path)
    with mock.patch.object(FeatureExtractorInceptionV3, "load_state_dict"):
        network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=path)
    torch.save(randomise(network, 0).state_dict(), path)
    return path


def ours(root):
    from typer.testing import CliRunner

    from bench.cli import app

    arguments = ["score", "--real", root / "real", "--fake", root / "fake", "--metrics", METRICS]
    result = CliRunner().invoke(app, [*map(str, arguments), "--protocol", "adm"])
    assert result.exit_code == 0, result.output
    print(result.stdout)


def extractor_pass(root, weights):
    from torch_fidelity.utils import create_feature_extractor, extract_featuresdict_from_input_id

    extractor = create_feature_extractor(
        "inception-v3-compat", ["2048"], cuda=False, feature_extractor_weights_path=str(weights)
    )
    for index, name in ((1, "real"), (2, "fake")):
        options = {f"input{index}": str(root / name), "cuda": False, "batch_size": 32, "verbose": False}
        extract_featuresdict_from_input_id(index, extractor, **options)


def lpips_pass(root, similarity=False):
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    from bench.pretrained.lpips import lpips_network

    network = lpips_network("squeeze")
    for path in sorted((root / "real").iterdir()):
        images = [np.asarray(Image.open(p)) for p in (path, root / "fake" / path.name)]
        tensors = [torch.from_numpy(i.transpose(2, 0, 1).copy())[None].float() / 127.5 - 1 for i in images]
        with torch.no_grad():
            network(*tensors)
        if similarity:
            peak_signal_noise_ratio(*images, data_range=255)
            structural_similarity(
                *images, channel_axis=2, data_range=255, gaussian_weights=True, use_sample_covariance=False
            )


def separate(root, weights):
    from cleanfid import fid
    from torch_fidelity import calculate_metrics

    from bench.metrics.features.inception import Inception, _network

    calculate_metrics(
        input1=str(root / "fake"), input2=str(root / "real"), fid=True, prc=True, cuda=False, cache=False,
        verbose=False, feature_extractor="inception-v3-compat", feature_layer_prc="2048", batch_size=32,
        feature_extractor_weights_path=str(weights),
    )  # fmt: skip
    network = Inception(_network(lambda name: weights), lambda x: (x - 128) / 128, torch.device("cpu"))
    fid.compute_fid(
        str(root / "fake"), str(root / "real"), mode="clean", num_workers=0, device=torch.device("cpu"),
        use_dataparallel=False, verbose=False, custom_feat_extractor=lambda x: network(x)["pool3"].clone(),
    )  # fmt: skip
    lpips_pass(root, similarity=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--separate", action="store_true")
    options = parser.parse_args()
    given = os.environ.get("BENCH_WEIGHTS", "")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        folders(root, options.images)
        weights = inception(root)
        os.environ["BENCH_CACHE"] = str(root / "cache")
        with pinned("inception-2015-12-05", weights.name, f"{root}{os.pathsep}{given}"):
            own = clocked(f"ours, {METRICS}", lambda: ours(root))
            again = clocked("ours, a second time", lambda: ours(root))
            one = clocked("torch-fidelity's extractor over both sets", lambda: extractor_pass(root, weights))
            two = clocked("a plain LPIPS pass", lambda: lpips_pass(root))
            yardstick = [a + b for a, b in zip(one, two, strict=True)]
            print(f"ratio to both together: {own[0] / yardstick[0]:.2f} wall, {own[1] / yardstick[1]:.2f} processor")
            print(f"second time: {again[0]:.1f} s")
            if options.separate:
                tools = clocked("torch-fidelity FID + PRC, clean-fid, lpips + skimage", lambda: separate(root, weights))
                print(f"ratio to the separate tools: {own[0] / tools[0]:.2f} wall, {own[1] / tools[1]:.2f} processor")


if __name__ == "__main__":
    main()
