"""Prints the counts of all formats: ``python -m tests.fuzz [FORMAT ...] [--cases N]``; exit 1 for a fault."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.fuzz import running
from tests.fuzz.formats import FORMATS


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("formats", nargs="*", choices=[*FORMATS, []])
    parser.add_argument("--cases", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    print(running.HEAD, flush=True)
    total, faults = running.Tally("all"), []
    with ThreadPoolExecutor(asked.workers) as pool:
        chosen = [FORMATS[name] for name in asked.formats or FORMATS]
        for tally in pool.map(lambda form: running.run(form.name, asked.cases or form.cases), chosen):
            print(tally.line(), flush=True)
            total.counts += Counter(tally.counts)
            total.seconds += tally.seconds
            faults += tally.faults
    print(total.line())
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
