"""`linkage keys`: the keys by which parts on several hosts know each other."""

from __future__ import annotations

from pathlib import Path

import click

from linkage.cli.shared.options import config_option, json_option, read_config
from linkage.cli.shared.output import print_json


@click.command()
@click.option(
    "--part",
    "parts",
    multiple=True,
    metavar="PART",
    help="A part beside those of the file, such as gateway:east; may be repeated.",
)
@config_option
@json_option
def keys(parts: tuple[str, ...], config_file: Path, as_json: bool) -> None:
    """Make the keys for a bus over TCP that are not there yet.

    One pair for the core and for each part, in the directory `keys` beside the file. What is there
    is left as it is: to change a pair, remove both of its files first.
    """
    from linkage.bus.keys import make_keys
    from linkage.server.process import check_part, part_names

    config = read_config(config_file)
    names = list(dict.fromkeys([*part_names(config), *parts]))
    for name in parts:
        check_part(config, name)
    folder = config.messaging.keys
    assert folder is not None, "it has a default"
    made = make_keys(folder, names)
    if as_json:
        kept = [name for name in names if name not in made]
        print_json({"directory": str(folder), "made": made, "kept": kept})
        return
    for name in names:
        click.echo(f"  {name:<24}{'made' if name in made else 'is there, left as it is'}")
    click.echo(f"Keys lie in {folder}. To a part's host go its .key and core.pub, nothing else;")
    click.echo("the core needs core.key and the .pub of every part, and must be started again.")
