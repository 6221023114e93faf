"""`linkage demo`: both of the patent's embodiments, live, on an embedded server."""

from __future__ import annotations

from pathlib import Path

import click

from linkage.cli.commands import FailureError
from linkage.cli.shared.options import config_before, read_config

SCENARIOS = ("alarm", "conference")

_ASTERISK_NEEDED = """\
--platform asterisk needs a configuration with an adapter of kind "asterisk": -c FILE
`linkage init DIR` writes one with such an adapter as a comment; fill in its address, user and \
password, a hotline and its officers, and call the hotline while the demo runs
without an Asterisk at hand: `make test-real` provisions one on Debian (as root) and calls it"""


@click.command()
@click.option(
    "--platform",
    type=click.Choice(["simulator", "asterisk"]),
    default="simulator",
    show_default=True,
    help="What plays the communication platform.",
)
@click.option(
    "--scenario",
    type=click.Choice([*SCENARIOS, "all"]),
    default="all",
    show_default=True,
    help="The patent's first embodiment, its second, or both.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep configuration and data there, to look around afterwards.",
)
@click.option(
    "-c",
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="With --platform asterisk: a configuration with an Asterisk adapter.",
)
def demo(platform: str, scenario: str, keep: Path | None, config_file: Path | None) -> None:
    """Show both of the patent's embodiments, live.

    A simulated telephone system and a simulated duty desk talk over TCP to a linkage that is
    embedded here; at the end stands what is found under the EventID.
    """
    before = config_before(click.get_current_context())
    config_file = config_file or before
    if platform == "simulator":
        if config_file is not None:
            raise click.UsageError("-c goes with --platform asterisk; the simulator needs none")
        from linkage.cli.demo.simulated import show_simulated

        names = SCENARIOS if scenario == "all" else (scenario,)
        show_simulated(names, keep)
        return
    if config_file is None:
        raise FailureError(_ASTERISK_NEEDED)
    config = read_config(config_file)
    if not any(adapter.kind == "asterisk" for adapter in config.adapter):
        raise FailureError(f"{config_file}: has no adapter of kind asterisk\n{_ASTERISK_NEEDED}")
    from linkage.cli.demo.asterisk import watch_asterisk

    watch_asterisk(config)
