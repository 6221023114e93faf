"""`linkage event merge|unmerge|link|unlink|split`: a person ties two events of an application."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from linkage.cli.event.operator_commands import Said, change

if TYPE_CHECKING:
    from protocol.messages import LinkAction

_into = click.argument("into", metavar="INTO")
_other = click.argument("other", metavar="OTHER")


@change
@_into
def merge(event_id: str, into: str) -> Said:
    """Merge an event into another of the same application: INTO stands for both."""
    from protocol.messages import LinkAction

    return _said(event_id, into, LinkAction.MERGE, f"merged into {into}")


@change
@_into
def unmerge(event_id: str, into: str) -> Said:
    """Take an event that was merged into another out again, with all that was its own."""
    from protocol.messages import LinkAction

    return _said(event_id, into, LinkAction.UNMERGE, f"stands by itself, beside {into}")


@change
@_other
@click.option("--parent", "kind", flag_value="parent", help="OTHER is the event above it.")
@click.option("--child", "kind", flag_value="child", help="OTHER is an event below it.")
def link(event_id: str, other: str, kind: str | None) -> Said:
    """Tie an event to another of the same application; each keeps what it has."""
    from protocol.messages import LinkAction

    actions = {"parent": LinkAction.LINK_PARENT, "child": LinkAction.LINK_CHILD}
    action = LinkAction.LINK if kind is None else actions[kind]
    return _said(event_id, other, action, f"linked to {other}")


@change
@_other
def unlink(event_id: str, other: str) -> Said:
    """Undo every such tie between two events."""
    from protocol.messages import LinkAction

    return _said(event_id, other, LinkAction.UNLINK, f"not linked to {other}")


@change
@_into
@click.argument("op_ids", metavar="OPID...", type=click.IntRange(1), nargs=-1, required=True)
def split(event_id: str, into: str, op_ids: tuple[int, ...]) -> Said:
    """Take operations out of an event into another, which is opened if it is not there.

    OPID is the number that `event show --json` gives an operation; what follows it goes along.
    """
    from protocol.messages import LinkAction

    named = ", ".join(map(str, op_ids))
    now = f"operations {named} are in {into}"
    return _said(event_id, into, LinkAction.SPLIT, now, op_ids)


def _said(
    event_id: str, other: str, action: LinkAction, now: str, op_ids: tuple[int, ...] = ()
) -> Said:
    from protocol.messages import LinkEvent

    message = LinkEvent(
        event_id=event_id, other_event_id=other, action=action, op_ids=tuple(map(str, op_ids))
    )
    return message, now
