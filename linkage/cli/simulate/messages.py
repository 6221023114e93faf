"""Messages as they pass, in the lines of the demo and of the simulators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from linkage.cli.shared.output import console
from linkage.timeline.terminal_text import clip, harmless

if TYPE_CHECKING:
    from rich.text import Text

    from protocol.message import Message
    from simulators.scenario.referee import Referee
    from simulators.scenario.result import Finding
    from simulators.summary import Summary
    from simulators.watch import Sighting

DETAIL_AT: Final = 20
"""Where what a message says begins, below its name."""
ARROWS: Final = {"received": "←", "sent": "→", "refused": "✗"}


def message_line(
    message: Message, at_s: float, who: str, *, width: int, step: str | None = None, dim: bool
) -> Text:
    """One message: when, who, its number and names, and below what it says.

    Args:
        message: what is told.
        at_s: seconds since the start.
        who: `dispatch →`.
        width: columns there are.
        step: of the patent, for the demo; None: there is no such column.
        dim: it is a step in between.
    """
    from rich.text import Text

    from linkage.timeline.detail import detail_of

    kind = type(message)
    column = "" if step is None else f"{step:>8}  "
    line = Text(f"{column}{at_s:6.1f} s  {harmless(who)} ", style="dim" if dim else "cyan")
    line.append(f"{kind.number} {kind.english} {kind.chinese}", style="dim" if dim else "bold")
    detail = harmless(detail_of(message))
    if detail:
        line.append(f"\n{'':{DETAIL_AT}}{clip(detail, width - DETAIL_AT)}", style="dim")
    return line


class Narrator:
    """Shows what a simulator sees, and keeps its story for the end."""

    def __init__(
        self,
        names: Mapping[str, str],
        *,
        as_json: bool = False,
        both: bool = False,
        began_s: float | None = None,
        side: Referee | None = None,
    ) -> None:
        """What to show and how.

        Args:
            names: the PeerId of each place.
            as_json: one object to a line.
            both: both sides are here: what one has said is shown where the other hears it.
            began_s: what times are counted from; None: from the first message.
            side: judges what a scenario expects of the one that is played.
        """
        from simulators.summary import Summary

        self.story: Summary = Summary()
        self._names = names
        self._as_json = as_json
        self._output = console()
        self._both = both
        self._side = side
        self._began = began_s

    def see(self, sighting: Sighting) -> None:
        """Show one message."""
        self.story.see(sighting)
        if self._side is not None:
            self._side.see(sighting)
        if self._as_json:
            click.echo(_json(plain_sighting(sighting)))
            return
        from linkage.timeline import is_in_between

        if self._began is None:
            self._began = sighting.at_s
        if self._both and sighting.way == "sent":
            return
        line = message_line(
            sighting.message,
            sighting.at_s - self._began,
            self._who(sighting),
            width=self._output.width,
            dim=is_in_between(sighting.message),
        )
        self._output.print(line, soft_wrap=True)

    def _who(self, sighting: Sighting) -> str:
        name = self._names.get(sighting.place, sighting.place)
        who = f"{name} {ARROWS[sighting.way]}"
        if self._both and sighting.way == "received":
            (other,) = (each for place, each in self._names.items() if place != sighting.place)
            who = f"{other} → {name} "
        return who if sighting.result in {None, 0, 1} else f"{who} [{sighting.result}]"

    def end(self) -> None:
        """Tell the story."""
        lines = self.story.lines()
        findings = () if self._side is None else self._side.findings()
        if self._as_json:
            expected = [one.to_plain() for one in findings]
            click.echo(_json({"story": lines, "expected": expected}))
            return
        click.secho("\nWhat happened:", bold=True)
        for line in lines:
            click.echo(f"  {harmless(line)}")
        if findings:
            show_findings(findings)


def show_findings(findings: Sequence[Finding]) -> None:
    """What a scenario expects, and whether it came."""
    from rich.text import Text

    output = console()
    click.secho("\nWhat was expected:", bold=True)
    for one in findings:
        mark, style = ("✓", "green") if one.passed else ("✗", "bold red")
        when = f"  {one.at_s:.1f} s" if one.at_s is not None else ""
        line = Text(f"  {mark} ", style)
        line.append(f"{'' if one.must else 'never '}{harmless(str(one.expectation))}")
        line.append(when, "dim")
        if not one.passed and one.note:
            line.append(f"\n      {one.expectation.table}: {harmless(one.note)}", "red")
        output.print(line, soft_wrap=True)


def plain_sighting(sighting: Sighting) -> dict[str, Any]:
    """A sighting for `--json`."""
    from protocol.plain import to_plain

    return {
        "at_s": round(sighting.at_s, 3),
        "place": sighting.place,
        "way": str(sighting.way),
        "type": sighting.message.number,
        "name": sighting.message.english,
        "result": sighting.result,
        "fields": to_plain(sighting.message),
    }


def _json(value: Any) -> str:
    import json

    return json.dumps(value)
