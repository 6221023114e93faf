"""The command line: `python -m tests.load.sms_fuzz --pdus 10000 --seed 1`."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import data_folder, describe_machine
from tests.load.sms_fuzz.run import Fuzz, run_fuzz


def main() -> int:
    """Exit status 0: it passed; 1: something was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    plan = Fuzz()
    parser.add_argument("--pdus", type=int, default=plan.pdus)
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work there, and leave it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    logging.getLogger("linkage.client").setLevel(logging.ERROR)
    folder = options.keep or Path(tempfile.mkdtemp(prefix="linkage-fuzz-", dir=data_folder()))
    folder.mkdir(parents=True, exist_ok=True)
    report = run_fuzz(Fuzz(pdus=options.pdus, seed=options.seed), folder)
    if options.json:
        print(json.dumps({"machine": describe_machine(), **report.as_dict()}))
    else:
        print("\n".join(report.lines()))
    if report.failures or options.keep:
        print(f"store and log lie in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
