"""`linkage event create|close|reopen|bind|unbind|move`: a person looks after events.

Nothing is written beside the linkage that serves: it is asked at its control socket to handle the
command of an application, whose rules hold, with the person as its author. Each command here says
by which message, and what is then so.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from linkage.cli.commands import FailureError
from linkage.cli.event.show import find_owner, owner_option
from linkage.cli.shared.options import config_option, json_option, none_such, read_config
from linkage.cli.shared.output import print_json
from linkage.timeline.terminal_text import harmless

if TYPE_CHECKING:
    from linkage.config.file import Config
    from protocol.message import Message

Said = tuple["Message", str]
"""The message that is put to linkage, and what is so once it was taken."""


def _operator_command(
    owner_of: Callable[[Config, Path, str, str | None], str],
) -> Callable[[Callable[..., Said]], click.Command]:
    """A command about EVENTID; `owner_of` finds the application in whose name it is given."""

    def decorate(say: Callable[..., Said]) -> click.Command:
        @wraps(say)
        def run(
            event_id: str, owner: str | None, as_json: bool, config_file: Path, **options: Any
        ) -> None:
            from protocol.errors import InvalidMessageError

            config = read_config(config_file)
            name = owner_of(config, config_file, event_id, owner)
            try:
                message, now = say(event_id, **options)
            except InvalidMessageError as error:
                raise click.UsageError(str(error)) from None
            answer = {"owner": name, **_ask(config, config_file, name, message)}
            _tell(event_id, answer, now, as_json=as_json)

        command: Any = run
        for add in (config_option, json_option, owner_option):
            command = add(command)
        return click.command()(click.argument("event_id", metavar="EVENTID")(command))

    return decorate


def _owner_of_a_new_one(
    config: Config, config_file: Path, _event_id: str, owner: str | None
) -> str:
    there = [peer.id for peer in config.peer if peer.role.value == "application"]
    if owner in there:
        return owner
    if owner is not None:
        raise none_such(config_file, "application", owner, there)
    if len(there) == 1:
        return there[0]
    known = ", ".join(there) or "none"
    raise FailureError(f"{config_file}: say by --owner whose event it is; there are: {known}")


def _owner_of_one_that_is_there(
    _config: Config, config_file: Path, event_id: str, owner: str | None
) -> str:
    return find_owner(config_file, event_id, owner)


change = _operator_command(_owner_of_one_that_is_there)
_operation = click.argument("op_id", metavar="OPID", type=click.IntRange(1))


@_operator_command(_owner_of_a_new_one)
@click.option("--call", "call_id", metavar="CALLID", help="A call that it is about.")
@click.option("--conference", "conference_id", metavar="ID", help="A conference that it is about.")
@click.option("--title", help="In a few words.")
@click.option("--type", "event_type", metavar="TYPE", help="What kind of event.")
@click.option("--level", help="How grave.")
@click.option("--address", help="Where.")
def create(event_id: str, **facts: Any) -> Said:
    """Open an event, for a call or a conference that is there or for none yet."""
    from protocol.messages import CreateEvent

    return CreateEvent(event_id=event_id, **facts), "open"


@change
@click.option("--summary", help="What came of it.")
@click.option("--hang-up", is_flag=True, help="End what is still open of its calls.")
def close(event_id: str, summary: str | None, hang_up: bool) -> Said:
    """Close an event."""
    from protocol.messages import CloseAction, CloseEvent

    message = CloseEvent(
        event_id=event_id,
        action=CloseAction.CLOSE,
        summary=summary,
        hangup_all=hang_up or None,
    )
    return message, "closed"


@change
def reopen(event_id: str) -> Said:
    """Open a closed event again."""
    from protocol.messages import CloseAction, CloseEvent

    return CloseEvent(event_id=event_id, action=CloseAction.REOPEN), "open again"


@change
@_operation
@click.option("--move", is_flag=True, help="Also where it belongs to another event now.")
def bind(event_id: str, op_id: int, move: bool) -> Said:
    """Say that an operation belongs to an event, with what follows it.

    OPID is the number that `event show --json` and `journal tail` give an operation. Your word
    outranks what a platform stamps on it later.
    """
    return bind_message(event_id, op_id, move=move)


@change
@_operation
def unbind(event_id: str, op_id: int) -> Said:
    """Say that an operation does not belong to an event; that it did stays in its history."""
    from protocol.messages import BindAction, BindEvent

    message = BindEvent(event_id=event_id, op_id=str(op_id), action=BindAction.UNBIND)
    return message, f"has operation {op_id} no more"


@change
@_operation
def move(event_id: str, op_id: int) -> Said:
    """Say that an operation belongs to this event and no longer to the one that it has now.

    What follows it goes along. The same as `event bind --move`.
    """
    return bind_message(event_id, op_id, move=True)


def bind_message(event_id: str, op_id: int, *, move: bool) -> Said:
    """281, and what is so then."""
    from protocol.messages import BindAction, BindEvent

    action = BindAction.MOVE if move else BindAction.BIND
    message = BindEvent(event_id=event_id, op_id=str(op_id), action=action)
    return message, f"has operation {op_id}"


# --- how it is done ------------------------------------------------------------------------------
def _ask(config: Config, config_file: Path, owner: str, message: Message) -> dict[str, Any]:
    """What the serving linkage made of it.

    Raises:
        FailureError: no linkage serves, or it refuses.
    """
    from linkage.control import NotServingError, ask
    from protocol.codec import encode
    from protocol.envelope import Request
    from protocol.results import FIRST_REFUSAL

    request = encode(Request(id=secrets.token_hex(8), message=message))
    question = {"do": "command", "owner": owner, "request": request.decode()}
    try:
        answer = ask(config.control_path, question)
    except NotServingError as error:
        raise FailureError(
            f"{error}: start it with `linkage serve -c {config_file}`; nothing was changed"
        ) from None
    if answer["result"] >= FIRST_REFUSAL:
        detail = f": {answer['detail']}" if answer["detail"] else ""
        raise FailureError(f"refused: {answer['result']} {answer['text']}{detail}")
    return answer


def _tell(event_id: str, answer: dict[str, Any], now: str, *, as_json: bool) -> None:
    from protocol.results import Result

    if as_json:
        print_json({"event_id": event_id, **answer})
        return
    already = ", as it was already" if answer["result"] == Result.DUPLICATE else ""
    click.echo(harmless(f"EventId {event_id} of {answer['owner']}: {now}{already}"))
