"""The command line: `python -m tests.load.fuzz --streams 1000000 --seed 1`."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import data_folder, describe_machine
from tests.load.fuzz.campaign import Fuzz, run_fuzz
from tests.load.fuzz.corpus import ROLES, payloads
from tests.load.fuzz.damage import make_stream


def main() -> int:
    """Exit status 0: it passed; 1: something was found."""
    options = _options()
    if options.show is not None:
        for role in ROLES:
            way, parts = make_stream(options.seed, options.show, payloads(role))
            print(f"{role.value}: {way}, {len(parts)} pieces: {b''.join(parts)!r}")
        return 0
    plan = Fuzz(
        streams=options.streams,
        seed=options.seed,
        first=options.first,
        workers=options.workers,
        width=options.width,
    )
    folder = options.keep or Path(tempfile.mkdtemp(prefix="linkage-fuzz-", dir=data_folder()))
    folder.mkdir(parents=True, exist_ok=True)
    report = run_fuzz(plan, folder, lambda line: print(line, file=sys.stderr))
    if options.json:
        print(json.dumps({"machine": describe_machine(), **report.as_dict()}))
    else:
        print("\n".join(report.lines()))
    if report.failures or options.keep:
        print(f"store and logs lie in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return 1 if report.failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    plan = Fuzz()
    parser.add_argument("--streams", type=int, default=plan.streams)
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--first", type=int, default=0, help="number of the first stream")
    parser.add_argument("--workers", type=int, default=plan.workers)
    parser.add_argument("--width", type=int, default=plan.width, help="connections of a worker")
    parser.add_argument("--show", type=int, metavar="N", help="print a stream and do nothing else")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work there, and leave it")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
