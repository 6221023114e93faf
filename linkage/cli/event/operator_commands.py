"""`linkage event create|close|reopen|bind|unbind|merge|unmerge`: a person looks after events.

Nothing is written beside the linkage that serves: it is asked at its door (`linkage.control`) to
handle the command of an application, whose rules hold, with the person as its author.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from linkage.cli.commands import FailureError
from linkage.cli.event.show import owner_option
from linkage.cli.shared.options import config_option, json_option, read_config, similar
from linkage.cli.shared.output import print_json
from linkage.timeline.terminal_text import harmless

if TYPE_CHECKING:
    from linkage.config.file import Config
    from protocol.message import Message

F = TypeVar("F", bound=Callable[..., Any])


def _event_command(function: F) -> F:
    """EVENTID, and what all of them take."""
    for add in (config_option, json_option, owner_option):
        function = add(function)
    return click.argument("event_id", metavar="EVENTID")(function)


def _operation_argument(function: F) -> F:
    return click.argument("op_id", metavar="OPID", type=click.IntRange(1))(function)


@click.command()
@_event_command
@click.option("--call", "call_id", metavar="CALLID", help="A call that it is about.")
@click.option("--conference", "conference_id", metavar="ID", help="A conference that it is about.")
@click.option("--title", help="In a few words.")
@click.option("--type", "event_type", metavar="TYPE", help="What kind of event.")
@click.option("--level", help="How grave.")
@click.option("--address", help="Where.")
def create(
    event_id: str, owner: str | None, as_json: bool, config_file: Path, **facts: Any
) -> None:
    """Open an event, for a call or a conference that is there or for none yet."""
    from protocol.messages import CreateEvent

    config = read_config(config_file)
    owner = _application(config, owner, config_file)

    def message() -> Message:
        return CreateEvent(event_id=event_id, **facts)

    _tell(event_id, _ask(config, config_file, owner, message), "open", as_json=as_json)


@click.command()
@_event_command
@click.option("--summary", help="What came of it.")
@click.option("--hang-up", is_flag=True, help="End what is still open of its calls.")
def close(
    event_id: str,
    owner: str | None,
    as_json: bool,
    config_file: Path,
    summary: str | None,
    hang_up: bool,
) -> None:
    """Close an event."""
    from protocol.messages import CloseAction, CloseEvent

    _change(
        event_id,
        owner,
        config_file,
        lambda: CloseEvent(
            event_id=event_id,
            action=CloseAction.CLOSE,
            summary=summary,
            hangup_all=hang_up or None,
        ),
        "closed",
        as_json=as_json,
    )


@click.command()
@_event_command
def reopen(event_id: str, owner: str | None, as_json: bool, config_file: Path) -> None:
    """Open a closed event again."""
    from protocol.messages import CloseAction, CloseEvent

    _change(
        event_id,
        owner,
        config_file,
        lambda: CloseEvent(event_id=event_id, action=CloseAction.REOPEN),
        "open again",
        as_json=as_json,
    )


@click.command()
@_event_command
@_operation_argument
@click.option("--move", is_flag=True, help="Also where it belongs to another event now.")
def bind(
    event_id: str, owner: str | None, as_json: bool, config_file: Path, op_id: int, move: bool
) -> None:
    """Say that an operation belongs to an event, with what follows it.

    OPID is the number that `event show --json` and `journal tail` give an operation. Your word
    outranks what a platform stamps on it later.
    """
    from protocol.messages import BindAction, BindEvent

    action = BindAction.MOVE if move else BindAction.BIND
    _change(
        event_id,
        owner,
        config_file,
        lambda: BindEvent(event_id=event_id, op_id=str(op_id), action=action),
        f"has operation {op_id}",
        as_json=as_json,
    )


@click.command()
@_event_command
@_operation_argument
def unbind(event_id: str, owner: str | None, as_json: bool, config_file: Path, op_id: int) -> None:
    """Say that an operation does not belong to an event; that it did stays in its history."""
    from protocol.messages import BindAction, BindEvent

    _change(
        event_id,
        owner,
        config_file,
        lambda: BindEvent(event_id=event_id, op_id=str(op_id), action=BindAction.UNBIND),
        f"has operation {op_id} no more",
        as_json=as_json,
    )


@click.command()
@_event_command
@click.argument("into", metavar="INTO")
def merge(event_id: str, owner: str | None, as_json: bool, config_file: Path, into: str) -> None:
    """Merge an event into another of the same application: INTO stands for both."""
    _link(event_id, owner, config_file, into, as_json=as_json, merging=True)


@click.command()
@_event_command
@click.argument("into", metavar="INTO")
def unmerge(event_id: str, owner: str | None, as_json: bool, config_file: Path, into: str) -> None:
    """Take an event that was merged into another out again, with all that was its own."""
    _link(event_id, owner, config_file, into, as_json=as_json, merging=False)


def _link(
    event_id: str,
    owner: str | None,
    config_file: Path,
    into: str,
    *,
    as_json: bool,
    merging: bool,
) -> None:
    from protocol.messages import LinkAction, LinkEvent

    action = LinkAction.MERGE if merging else LinkAction.UNMERGE
    _change(
        event_id,
        owner,
        config_file,
        lambda: LinkEvent(event_id=event_id, other_event_id=into, action=action),
        f"merged into {into}" if merging else f"stands by itself, beside {into}",
        as_json=as_json,
    )


# --- how it is done ------------------------------------------------------------------------------
def _change(
    event_id: str,
    owner: str | None,
    config_file: Path,
    message: Callable[[], Message],
    now: str,
    *,
    as_json: bool,
) -> None:
    """A command about an event that is there."""
    from linkage.cli.event.show import find_owner

    config = read_config(config_file)
    owner = find_owner(config_file, event_id, owner)
    _tell(event_id, _ask(config, config_file, owner, message), now, as_json=as_json)


def _application(config: Config, owner: str | None, config_file: Path) -> str:
    """Whose a new event is."""
    there = [peer.id for peer in config.peer if peer.role.value == "application"]
    if owner in there:
        return owner
    known = ", ".join(there) or "none"
    if owner is not None:
        near = similar(owner, there)
        raise FailureError(f"{config_file}: no application {owner!r}{near}; there are: {known}")
    if len(there) == 1:
        return there[0]
    raise FailureError(f"{config_file}: say by --owner whose event it is; there are: {known}")


def _ask(
    config: Config, config_file: Path, owner: str, message: Callable[[], Message]
) -> dict[str, Any]:
    """What the serving linkage made of it.

    Raises:
        FailureError: no linkage serves, or it refuses.
    """
    from linkage.control import NotServingError, ask
    from protocol.codec import encode
    from protocol.envelope import Request
    from protocol.errors import InvalidMessageError
    from protocol.results import FIRST_REFUSAL

    try:
        request = encode(Request(id=secrets.token_hex(8), message=message()))
    except InvalidMessageError as error:
        raise click.UsageError(str(error)) from None
    question = {"do": "command", "owner": owner, "request": request.decode()}
    try:
        answer = ask(config.control_path, question)
    except NotServingError as error:
        raise FailureError(
            f"{error}: start it with `linkage serve -c {config_file}`; events are changed by the "
            "linkage that serves, or else not at all"
        ) from None
    if answer["result"] >= FIRST_REFUSAL:
        detail = f": {answer['detail']}" if answer["detail"] else ""
        raise FailureError(f"refused: {answer['result']} {answer['text']}{detail}")
    return {"owner": owner, **answer}


def _tell(event_id: str, answer: dict[str, Any], now: str, *, as_json: bool) -> None:
    from protocol.results import Result

    if as_json:
        print_json({"event_id": event_id, **answer})
        return
    already = ", as it was already" if answer["result"] == Result.DUPLICATE else ""
    click.echo(harmless(f"EventId {event_id} of {answer['owner']}: {now}{already}"))
