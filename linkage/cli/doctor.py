"""`linkage doctor`: what is installed, reachable and writable, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from linkage.cli.shared.options import config_option, json_option
from linkage.cli.shared.output import console, print_json
from linkage.timeline.terminal_text import harmless

_MARKS: Final = {"ok": "✓", "note": "·", "warning": "!", "broken": "✗"}
_STYLES: Final = {"ok": "green", "note": "dim", "warning": "yellow", "broken": "bold red"}


@click.command()
@json_option
@config_option
def doctor(as_json: bool, config_file: Path) -> None:
    """Say what is installed, reachable and writable, and what to do about what is not.

    Exit status 1 when something that linkage needs is broken.
    """
    from linkage.clock import SystemClock
    from linkage.doctor_checks import examine
    from linkage.ports.probe import State

    findings = list(examine(config_file, SystemClock().utc()))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, pad_edge=False)
        for finding in findings:
            words = Text(harmless(finding.detail))
            if finding.remedy:
                words.append(f"\n→ {harmless(finding.remedy)}", style="bold")
            style = _STYLES[finding.state]
            table.add_row(Text(_MARKS[finding.state], style), harmless(finding.name), words)
        console().print(table)
    if any(finding.state is State.BROKEN for finding in findings):
        raise SystemExit(1)
