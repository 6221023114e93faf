"""The command line: `python -m tests.load.sms_campaign --texts 10000 --kills 40 --seed 1`."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import describe_machine
from tests.load.campaign.parts import CrashedError
from tests.load.sms_campaign.plan import Plan
from tests.load.sms_campaign.run import run_campaign


def main() -> int:
    """Exit status 0: it passed; 1: something was sent twice, forgotten or told wrongly."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    plan = Plan()
    parser.add_argument("--texts", type=int, default=plan.texts)
    parser.add_argument("--kills", type=int, default=plan.kills)
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--keep", type=Path, help="folder for store and log, which stays")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    logging.getLogger("linkage.client").setLevel(logging.ERROR)  # it is killed all the time
    plan = Plan(texts=options.texts, kills=options.kills, seed=options.seed)
    folder = options.keep or Path(tempfile.mkdtemp(prefix="linkage-sms-campaign-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        report = run_campaign(plan, folder, lambda line: print(line, file=sys.stderr))
    except CrashedError as error:
        print(f"FAILED: {error}\nwhat is left lies in {folder}", file=sys.stderr)
        return 1
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
