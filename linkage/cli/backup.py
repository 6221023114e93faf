"""`linkage backup` and `linkage restore`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from linkage import __version__
from linkage.cli.commands import FailureError
from linkage.cli.shared.options import config_option, json_option, read_config
from linkage.cli.shared.output import print_json, size_text
from linkage.timeline.terminal_text import harmless


@click.command()
@click.argument("into", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--full", is_flag=True, help="Read files that earlier backups hold again, too.")
@json_option
@config_option
def backup(into: Path, full: bool, as_json: bool, config_file: Path) -> None:
    """Copy the store into a new directory in DIR, while linkage serves or not.

    The database as of one moment, recordings and other files, archived journal entries; not the
    configuration with its secrets. Files that an earlier backup in DIR holds are linked. Checked
    at the end: exit status 1 where the store itself does not hold, with a whole copy of it.
    """
    from linkage.clock import SystemClock
    from linkage.store.sqlite.backup import Maker, bytes_to_do, make_backup

    config = read_config(config_file)
    data = config.data_path
    total = bytes_to_do(data) if config.database_path.exists() else 0
    with _bar("copying", total, quiet=as_json) as advance:
        made_by = Maker(config.id, __version__)
        made = make_backup(data, into, made_by, SystemClock().utc(), advance, full=full)
    manifest = made.manifest
    if as_json:
        print_json(
            {
                "backup": str(made.folder),
                "made_at": manifest.made_at,
                "last_seq": manifest.last_seq,
                "files": len(manifest.files),
                "bytes": manifest.size_bytes,
                "new_bytes": made.copied_bytes,
                "absent": manifest.absent,
                "problems": manifest.problems,
            }
        )
    else:
        click.echo(
            f"{made.folder}: journal up to seq {manifest.last_seq}, {len(manifest.files)} files, "
            f"{size_text(manifest.size_bytes)}, {size_text(made.copied_bytes)} of it new"
        )
        for name in manifest.absent:
            click.echo(f"archive/{name}: not there any more, so not in the backup")
        for problem in manifest.problems:
            click.echo(harmless(problem))
    if manifest.problems:
        raise FailureError(
            f"{len(manifest.problems)} problems in the store; the backup is a whole copy of it"
        )


@click.command()
@click.argument("source", metavar="DIR", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--to",
    "data",
    metavar="DATA",
    type=click.Path(path_type=Path, file_okay=False),
    help="The data directory to make; default that of the configuration.",
)
@click.option("--force", is_flag=True, help="Move aside what is there; nothing is deleted.")
@json_option
@config_option
def restore(
    source: Path, data: Path | None, force: bool, as_json: bool, config_file: Path
) -> None:
    """Put a backup in the place of the data directory.

    DIR is a backup, or holds some: then it is the newest. Everything is checked before anything
    is put in place. Refuses where a linkage serves the data, and a directory that is not empty.
    """
    from linkage.clock import SystemClock
    from linkage.store.sqlite.backup import read_manifest
    from linkage.store.sqlite.restore import find_backup
    from linkage.store.sqlite.restore import restore as put_back

    target = read_config(config_file).data_path if data is None else data
    found = find_backup(source)
    total = read_manifest(found).size_bytes
    with _bar("restoring", total, quiet=as_json) as advance:
        done = put_back(found, target, SystemClock().utc(), advance, force=force)
    if as_json:
        print_json(
            {
                "backup": str(done.backup),
                "made_at": done.manifest.made_at,
                "last_seq": done.manifest.last_seq,
                "data": str(done.data),
                "aside": None if done.aside is None else str(done.aside),
                "skipped": done.skipped,
            }
        )
        return
    click.echo(
        f"{done.data}: as it was at {_at(done.manifest.made_at)}, journal up to seq "
        f"{done.manifest.last_seq}; {done.skipped} numbers are left out"
    )
    if done.aside is not None:
        click.echo(f"what was there is in {done.aside}")


def _at(written: str) -> str:
    """A time of a manifest for people; as it is where it is none."""
    from datetime import datetime

    from linkage.times import full_time

    try:
        return full_time(datetime.fromisoformat(written), to="seconds")
    except ValueError:
        return written


@contextmanager
def _bar(label: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on stderr for whoever waits at a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
        yield bar.update
