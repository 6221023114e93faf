"""The command line: `python -m tests.load.campaign --notices 100000 --kills 40 --seed 1`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import describe_machine
from tests.load.campaign.parts import CrashedError
from tests.load.campaign.plan import Plan
from tests.load.campaign.run import StalledError, run_campaign


def main() -> int:
    """Exit status 0: it passed; 1: something was lost, doubled, disordered, or ended by itself."""
    options = _options()
    plan = Plan(
        notices=options.notices,
        connections=options.connections,
        kills=options.kills,
        seed=options.seed,
        receivers=options.receivers,
        rate=options.rate,
        split=options.split,
    )
    folder = options.keep or Path(tempfile.mkdtemp(prefix="linkage-campaign-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        report = run_campaign(plan, folder, lambda line: print(line, file=sys.stderr))
    except (CrashedError, StalledError) as error:
        print(f"FAILED: {error}\nseed {plan.seed}; what is left lies in {folder}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps({"machine": describe_machine(), **report.as_dict()}))
    else:
        print("\n".join(report.lines()))
    if report.failures or options.keep:
        print(f"store, ledgers and logs lie in {folder}", file=sys.stderr)
    else:
        _remove(folder)
    return 1 if report.failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    plan = Plan()
    parser.add_argument("--notices", type=int, default=plan.notices)
    parser.add_argument("--connections", type=int, default=plan.connections)
    parser.add_argument("--kills", type=int, default=plan.kills)
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--receivers", type=int, default=plan.receivers)
    parser.add_argument("--rate", type=float, default=plan.rate, help="notices a second, of all")
    parser.add_argument("--split", action="store_true", help="gateway and core are two processes")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work there, and leave it")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
