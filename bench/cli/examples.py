"""What a person sees who types no command, and the example at the end of each command's help."""

from __future__ import annotations

from collections.abc import Mapping

HELP = """Train or load image tokenizers, measure all of them with the same ruler, and print one table.

Exit codes: 0 ok, 1 gate failed, 2 usage, 3 some cells failed, 4 not comparable, 5 integrity, 70 a fault of the
program itself, 130 interrupted."""

WELCOME = """Train or load image tokenizers, measure all of them with the same ruler, and print one table.

  python -m bench run --methods brics,vqgan --dataset photos     train two, measure them, print the comparison
  python -m bench score --real DIR --fake DIR                    score a folder of images against another
  python -m bench report                                         tables, figures and a page from all results

python -m bench list methods shows what can be compared, python -m bench --help all commands."""

EXAMPLES: Mapping[str, str] = {
    "run": "run --methods vqgan:16x16,jpeg:q=50 --dataset folder:PHOTOS --preset small --seeds 0,1,2",
    "train": "train --methods vqgan --dataset folder:PHOTOS --preset medium --device cuda",
    "validate": "validate --rehearse --methods vqgan --preset paper --dataset folder:PHOTOS",
    "list": "list checkpoints",
    "sample": "sample brics:steps=50 --sample-seeds 0-63 --out samples",
    "selftest": "selftest my_tokenizer.py",
    "env": "env",
    "cost": "cost --methods vqgan:16x16,brics:64x64x4 --preset paper",
    "report": "report --columns psnr,lpips,rfid --methods vqgan,brics --sort psnr --digits 2 --format latex",
    "plot": "plot rate-distortion",
    "score": "score --real ORIGINALS --fake RECONSTRUCTIONS --metrics psnr,ssim,lpips,fid --per-image scores.csv",
    "compare": "compare results/baseline results/local --gate gates.yaml",
    "reproduce": "reproduce results/local/photos-small/vqgan/seed0/recon.json",
    "fetch": "fetch vgg16 inception-2015-12-05",
    "cache ls": "cache ls",
    "cache verify": "cache verify",
    "cache clean": "cache clean features",
    "data prepare": "data prepare church --from church_outdoor_lmdb --resolution 256",
    "data verify": "data verify",
    "data list": "data list",
    "data show": "data show photos --resolution 64 --out sheet.png",
    "data export": "data export photos --resolution 64 --out photos.zip",
    "stats build": "stats build church-train --images church --split train --crop ldm:256 --features fid,sfid",
    "stats list": "stats list",
    "stats verify": "stats verify church-train",
    "stats import": "stats import VIRTUAL_imagenet256_labeled.npz --name imagenet-adm --extractor inception-tf1",
}
"""One for every command, without the ``python -m bench`` before it."""


def epilog(command: str) -> str:
    """The last line of a command's help."""
    return f"Example: python -m bench {EXAMPLES[command]}"
