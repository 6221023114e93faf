"""`linkage event timeline`: who told whom what, and when."""

from __future__ import annotations

from pathlib import Path

import click

from linkage.cli.event.show import owner_option
from linkage.cli.shared.options import config_option
from linkage.cli.shared.terminal import Utf8Stdout, screen_width


@click.command()
@click.argument("event_id", metavar="EVENTID")
@owner_option
@click.option(
    "-f",
    "--format",
    "picture",
    type=click.Choice(["text", "mermaid", "svg"]),
    default="text",
    show_default=True,
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Write to a file instead of stdout.",
)
@click.option("--brief", is_flag=True, help="Leave out the steps in between, such as ringing.")
@config_option
def timeline(
    event_id: str,
    owner: str | None,
    picture: str,
    output: Path | None,
    brief: bool,
    config_file: Path,
) -> None:
    """Draw an event as a ladder.

    A column for everybody who took part, an arrow for every message and for what happened on the
    telephone.
    """
    from linkage.cli.event.show import history_of, warn_of_absent
    from linkage.timeline import build_ladder, render_mermaid, render_svg, render_text

    history = history_of(config_file, event_id, owner)
    warn_of_absent(history)
    ladder = build_ladder(history, brief=brief)
    if picture == "svg":
        drawn = render_svg(ladder)
    elif picture == "mermaid":
        drawn = render_mermaid(ladder)
    else:
        drawn = render_text(ladder, width=screen_width())
    if output is not None and str(output) != "-":
        output.write_text(drawn, encoding="utf-8")
    elif picture == "text":
        click.echo(drawn, nl=False)
    else:
        Utf8Stdout().write(drawn)
